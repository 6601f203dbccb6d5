//! `WatchConfig`.

use prost::Message as _;
use speedmimi_model::pieces;
use speedmimi_proto::v1;
use speedmimi_proto::v1::watch_config_response::Message;
use tonic::Status;

use super::revisions::{Begin, Teller, Told, run};
use super::{PART, Stream};
use crate::admin::entry::source;
use crate::admin::sight::Sight;
use crate::admin::status::Violations;
use crate::control::feed::{Record, Touched};
use crate::control::{Caller, Control, View};

/// Begins a watch.
pub(in crate::admin) fn watch(
    control: &Control,
    by: &Caller,
    request: v1::WatchConfigRequest,
) -> Result<Stream<v1::WatchConfigResponse>, Status> {
    let mut violations = Violations::default();
    let begin = Begin::new(request.watch, &mut violations);
    violations.check()?;
    run(control, by, begin, Keys(Sight::of(by)))
}

/// All keys of the configuration, as a caller sees them.
struct Keys(Sight);

impl Teller for Keys {
    type Message = v1::WatchConfigResponse;

    fn part(&self, control: &Control, view: &View, from: usize) -> (Self::Message, Option<usize>) {
        let mut part = v1::ConfigResync { begin: from == 0, ..v1::ConfigResync::default() };
        let (mut bytes, mut next) = (0, None);
        for (at, piece) in pieces(view.store.config()).enumerate().skip(from) {
            if bytes > PART {
                next = Some(at);
                break;
            }
            let keys = source::differences(&piece.leaves(), self.0);
            bytes += keys.iter().map(v1::Difference::encoded_len).sum::<usize>();
            part.differences.extend(keys);
        }
        part.end = next.is_none();
        (message(control.feed().instance(), view.store.revision(), Message::Resync(part)), next)
    }

    fn tell(&self, instance: &str, record: &Record) -> Told<Self::Message> {
        let Record::Revision { revision, by, at, what } = record else { return Told::Nothing };
        let Some(Touched { objects, differences, .. }) = what else { return Told::TooMuch };
        let event = v1::ConfigEvent {
            origin: Some(v1::Origin { who: by.who.to_string(), at: Some((*at).into()), revision: *revision }),
            objects: objects.iter().map(|(object, _)| source::path(object)).collect(),
            differences: source::differences(differences, self.0),
        };
        Told::Message(message(instance, *revision, Message::Event(event)))
    }

    fn heartbeat(&self, instance: &str, revision: u64) -> Self::Message {
        message(instance, revision, Message::Heartbeat(v1::Heartbeat {}))
    }
}

fn message(instance: &str, revision: u64, message: Message) -> v1::WatchConfigResponse {
    v1::WatchConfigResponse { revision, instance: instance.to_owned(), message: Some(message) }
}
