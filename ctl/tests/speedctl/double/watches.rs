//! What happens, as the double tells it; every stream ends by itself, as if the connection were lost.

use std::pin::Pin;

use super::*;

/// A stream of messages that are known.
pub(super) type Told<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// These messages, then the end.
pub(super) fn told<T: Send + 'static>(messages: Vec<T>) -> Told<T> {
    Box::pin(tokio_stream::iter(messages.into_iter().map(Ok)))
}

fn instance() -> String {
    "one".to_owned()
}

/// Everything at revision 6; whoever goes on learns of a change and a removal, then that there is nothing more to see.
pub(super) fn backends(all: &[BackendEntry], request: &WatchBackendsRequest) -> Told<WatchBackendsResponse> {
    use watch_backends_response::Message;
    let message = |revision, message| WatchBackendsResponse { revision, instance: instance(), message: Some(message) };
    let event = |kind: WatchEventType| {
        let event = BackendEvent { r#type: kind.into(), backend: all.first().cloned() };
        Message::Events(BackendEvents { events: vec![event], observed: false })
    };
    match request.watch.as_ref().and_then(|watch| watch.resume_revision) {
        None => {
            let all = BackendResync { begin: true, end: true, backends: all.to_vec() };
            told(vec![message(6, Message::Resync(all)), message(6, Message::Heartbeat(Heartbeat {}))])
        }
        Some(6) => {
            let events = [message(7, event(WatchEventType::Updated)), message(8, event(WatchEventType::Removed))];
            let refused = Err(Status::permission_denied("no more for you"));
            Box::pin(tokio_stream::iter(events.map(Ok).into_iter().chain([refused])))
        }
        Some(_) => told(Vec::new()),
    }
}

/// One key, and then another value of it.
pub(super) fn config(request: &WatchConfigRequest) -> Told<WatchConfigResponse> {
    use watch_config_response::Message;
    let message = |revision, message| WatchConfigResponse { revision, instance: instance(), message: Some(message) };
    let key = |before: Option<&str>, after: &str| Difference {
        path: "backends.default.b1.max_conn".to_owned(),
        before: before.map(str::to_owned),
        after: Some(after.to_owned()),
    };
    let all = ConfigResync { begin: true, end: true, differences: vec![key(None, "50")] };
    let event = ConfigEvent {
        origin: Some(Origin { who: "ann".to_owned(), at: None, revision: 7 }),
        objects: vec!["backends.default.b1".to_owned()],
        differences: vec![key(Some("50"), "200")],
    };
    let messages = [message(6, Message::Resync(all)), message(7, Message::Event(event))];
    let left = if request.watch.is_some() { 2 } else { 0 };
    let refused = Err(Status::permission_denied("no more for you"));
    Box::pin(tokio_stream::iter(messages.map(Ok).into_iter().skip(left).chain([refused])))
}

/// A change and a backend that is down.
pub(super) fn events() -> Told<WatchEventsResponse> {
    use watch_events_response::Message;
    let message =
        |sequence, message| WatchEventsResponse { revision: 7, instance: instance(), sequence, message: Some(message) };
    let event = |sequence, severity: Severity, kind: EventType, text: &str, who: &str| {
        message(
            sequence,
            Message::Event(Event {
                sequence,
                revision: 7,
                severity: severity.into(),
                r#type: kind.into(),
                text: text.to_owned(),
                who: who.to_owned(),
                ..Event::default()
            }),
        )
    };
    let all = [
        message(0, Message::Resync(EventResync {})),
        event(1, Severity::Info, EventType::ConfigChanged, "revision 7: backend default/b1", "ann"),
        event(2, Severity::Warning, EventType::BackendHealth, "default/b1 is down: \u{1b}[2J", ""),
    ];
    let refused = Err(Status::permission_denied("no more for you"));
    Box::pin(tokio_stream::iter(all.map(Ok).into_iter().chain([refused])))
}

/// Two in flight, one, and the end.
pub(super) fn drain(ends: DrainPhase) -> Told<DrainBackendResponse> {
    let message = |phase: DrainPhase, remaining| DrainBackendResponse {
        revision: 7,
        phase: phase.into(),
        remaining,
        elapsed: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
        oldest_age: Some(prost_types::Duration { seconds: 12, nanos: 0 }),
        ..DrainBackendResponse::default()
    };
    told(vec![message(DrainPhase::Draining, 2), message(DrainPhase::Draining, 1), message(ends, 0)])
}
