//! `WatchConfig`.

use prost::Message as _;
use speedmimi_model::leaves;
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
    run(control, begin, Keys(Sight::of(by)))
}

/// All keys of the configuration, as a caller sees them.
struct Keys(Sight);

impl Teller for Keys {
    type Message = v1::WatchConfigResponse;

    fn snapshot(&self, control: &Control, view: &View) -> Vec<Self::Message> {
        let mut parts = vec![v1::ConfigResync { begin: true, ..v1::ConfigResync::default() }];
        let mut bytes = 0;
        for key in source::differences(leaves(view.store.config()), self.0) {
            if bytes > PART {
                parts.push(v1::ConfigResync::default());
                bytes = 0;
            }
            bytes += key.encoded_len();
            parts.last_mut().expect("it begins with one").differences.push(key);
        }
        parts.last_mut().expect("it begins with one").end = true;
        let (revision, instance) = (view.store.revision(), control.feed().instance());
        parts.into_iter().map(|part| message(instance, revision, Message::Resync(part))).collect()
    }

    fn tell(&self, instance: &str, record: &Record) -> Told<Self::Message> {
        let Record::Revision { revision, by, at, what } = record else { return Told::Nothing };
        let Some(Touched { objects, differences, .. }) = what else { return Told::TooMuch };
        let event = v1::ConfigEvent {
            origin: Some(v1::Origin { who: by.who.to_string(), at: Some((*at).into()), revision: *revision }),
            objects: objects.iter().map(|(object, _)| source::path(object)).collect(),
            differences: source::differences(differences.clone(), self.0),
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
