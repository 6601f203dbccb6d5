//! `WatchBackends`.

use prost::Message as _;
use speedmimi_proto::v1;
use speedmimi_proto::v1::watch_backends_response::Message;
use tonic::Status;

use super::revisions::{Begin, Teller, Told, run};
use super::{PART, Stream};
use crate::admin::status::Violations;
use crate::admin::{caller, entry};
use crate::control::feed::{Became, Record, Seen};
use crate::control::{Caller, Control, Object, Scope, View};

/// Begins a watch.
pub(in crate::admin) fn watch(
    control: &Control,
    by: &Caller,
    request: v1::WatchBackendsRequest,
) -> Result<Stream<v1::WatchBackendsResponse>, Status> {
    let v1::WatchBackendsRequest { upstream, backend_id, watch } = request;
    let mut violations = Violations::default();
    let begin = Begin::new(watch, &mut violations);
    violations.check()?;
    let upstream = if upstream.is_empty() && !backend_id.is_empty() { "default".to_owned() } else { upstream };
    if !upstream.is_empty() {
        caller::may(by, &upstream)?;
        // What is gone since is told to whoever goes on.
        if !begin.goes_on() {
            there(control, by, &upstream, &backend_id)?;
        }
    }
    run(control, by, begin, Wanted { upstream, backend_id, own: by.scope.clone() })
}

/// Refuses to wait for what is not there.
fn there(control: &Control, by: &Caller, upstream: &str, id: &str) -> Result<(), Status> {
    let store = &control.view().store;
    caller::sees(store, by, upstream)?;
    match id {
        "" => entry::upstream::find(store, upstream).map(drop),
        id => entry::find(store, upstream, id).map(drop),
    }
}

/// The backends that are wanted; empty is all.
struct Wanted {
    upstream: String,
    backend_id: String,
    /// What the caller may see of them.
    own: Scope,
}

impl Wanted {
    fn wants(&self, upstream: &str, id: &str) -> bool {
        self.own.has(upstream)
            && (self.upstream.is_empty() || self.upstream == upstream)
            && (self.backend_id.is_empty() || self.backend_id == id)
    }

    fn events(&self, record: &Record) -> Option<v1::BackendEvents> {
        let event =
            |kind: v1::WatchEventType, backend| v1::BackendEvent { r#type: kind.into(), backend: Some(backend) };
        let told = |became| match became {
            Became::Added => v1::WatchEventType::Added,
            Became::Updated => v1::WatchEventType::Updated,
            Became::Removed => v1::WatchEventType::Removed,
        };
        let wanted = |seen: &Seen| self.wants(&seen.upstream, &seen.backend.id);
        match record {
            Record::Observed { seen, .. } => {
                let events = vec![event(v1::WatchEventType::Updated, entry::seen(seen))];
                wanted(seen).then_some(v1::BackendEvents { events, observed: true })
            }
            Record::Revision { what, .. } => {
                let what = what.as_ref()?;
                let gone = what.objects.iter().filter_map(|(object, became)| match object {
                    Object::Backend { upstream, id } if *became == Became::Removed && self.wants(upstream, id) => {
                        Some(event(v1::WatchEventType::Removed, names(upstream, id)))
                    }
                    _ => None,
                });
                let there = what.backends.iter().filter(|(_, seen)| wanted(seen));
                let there = there.map(|(became, seen)| event(told(*became), entry::seen(seen)));
                let events: Vec<_> = gone.chain(there).collect();
                (!events.is_empty()).then_some(v1::BackendEvents { events, observed: false })
            }
        }
    }
}

impl Teller for Wanted {
    type Message = v1::WatchBackendsResponse;

    fn part(&self, control: &Control, view: &View, from: usize) -> (Self::Message, Option<usize>) {
        let groups = view.store.config().upstreams.iter();
        let all = groups.flat_map(|(name, group)| group.backends.iter().enumerate().map(move |one| (name, one)));
        let mut wanted = all.enumerate().skip(from).filter(|(_, (name, (_, backend)))| self.wants(name, &backend.id));
        let known = control.known(view);
        let mut part = v1::BackendResync { begin: from == 0, ..v1::BackendResync::default() };
        let (mut bytes, mut next) = (0, None);
        for (at, (name, (place, backend))) in wanted.by_ref() {
            if bytes > PART {
                next = Some(at);
                break;
            }
            let entry = entry::seen(&Seen::of(&known, &view.store, name, backend, place));
            bytes += entry.encoded_len();
            part.backends.push(entry);
        }
        part.end = next.is_none();
        (message(control.feed().instance(), view.store.revision(), Message::Resync(part)), next)
    }

    fn tell(&self, instance: &str, record: &Record) -> Told<Self::Message> {
        if matches!(record, Record::Revision { what: None, .. }) {
            return Told::TooMuch;
        }
        match self.events(record) {
            Some(events) => Told::Message(message(instance, record.revision(), Message::Events(events))),
            None => Told::Nothing,
        }
    }

    fn heartbeat(&self, instance: &str, revision: u64) -> Self::Message {
        message(instance, revision, Message::Heartbeat(v1::Heartbeat {}))
    }
}

fn message(instance: &str, revision: u64, message: Message) -> v1::WatchBackendsResponse {
    v1::WatchBackendsResponse { revision, instance: instance.to_owned(), message: Some(message) }
}

fn names(upstream: &str, id: &str) -> v1::BackendEntry {
    let backend = v1::Backend { id: id.to_owned(), ..v1::Backend::default() };
    v1::BackendEntry { upstream: upstream.to_owned(), backend: Some(backend), status: None }
}
