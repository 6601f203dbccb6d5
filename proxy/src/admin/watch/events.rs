//! `WatchEvents`.

use std::time::Duration;

use speedmimi_proto::v1;
use speedmimi_proto::v1::event::Detail;
use speedmimi_proto::v1::watch_events_response::Message;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{Outlet, Over, Stream, heartbeat, place};
use crate::admin::drain;
use crate::admin::entry::{self, source};
use crate::admin::status::{self, Violations};
use crate::control::feed::event::{Event, Kind, Severity};
use crate::control::{Caller, Control, Scope};

/// Begins a watch.
pub(in crate::admin) fn watch(
    control: &Control,
    by: &Caller,
    request: v1::WatchEventsRequest,
) -> Result<Stream<v1::WatchEventsResponse>, Status> {
    let mut violations = Violations::default();
    for (index, number) in request.types.iter().enumerate() {
        if !matches!(v1::EventType::try_from(*number), Ok(kind) if kind != v1::EventType::Unspecified) {
            violations.push(&format!("types[{index}]"), format!("{number} is no EventType of this version"));
        }
    }
    if v1::Severity::try_from(request.severity).is_err() {
        violations.push("severity", format!("{} is no Severity of this version", request.severity));
    }
    if request.resume_sequence.is_some() && request.resume_instance.is_empty() {
        violations.push("resume_instance", "is needed with resume_sequence");
    }
    let silence = heartbeat("heartbeat", request.heartbeat, &mut violations);
    violations.check()?;
    let (watched, own) = (control.clone(), by.scope.clone());
    let place = place(control, by)?;
    Ok(Stream::run(place, |outlet| async move {
        let happened = watched.feed().events();
        let mut watch = Watch { next: 0, told: 0, happened, outlet, control: watched, request, own, silence };
        match watch.follow().await {
            Ok(never) => match never {},
            Err(Over::Left) => None,
            Err(Over::Slow) => Some(status::slow_watcher("resume_sequence", watch.told)),
            Err(Over::Gone(status)) => Some(status),
        }
    }))
}

struct Watch {
    /// Number of the event that comes next.
    next: u64,
    /// Number of the last event that the watcher has, or did not want.
    told: u64,
    happened: watch::Receiver<u64>,
    outlet: Outlet<v1::WatchEventsResponse>,
    control: Control,
    request: v1::WatchEventsRequest,
    /// What the caller may see.
    own: Scope,
    silence: Duration,
}

impl Watch {
    async fn follow(&mut self) -> Result<std::convert::Infallible, Over> {
        let now = *self.happened.borrow_and_update();
        let first = self.control.feed().first_event();
        let resume = self.request.resume_sequence.map(|last| last.saturating_add(1));
        let mine = self.request.resume_instance == self.control.feed().instance();
        match resume.filter(|next| mine && (first..=now).contains(next)) {
            Some(next) => (self.next, self.told) = (next, next - 1),
            None => {
                self.next = first.max(now.saturating_sub(self.request.recent.into()));
                let begins = self.message(Message::Resync(v1::EventResync {}));
                self.send(begins).await?;
                self.told = self.next - 1;
            }
        }
        let mut quiet = Instant::now() + self.silence;
        loop {
            match self.control.feed().event(self.next) {
                Err(_) => return Err(Over::Slow),
                Ok(Some(event)) => {
                    self.next += 1;
                    if self.wants(&event) {
                        let message = self.message(Message::Event(told(&event)));
                        self.send(message).await?;
                        quiet = Instant::now() + self.silence;
                    }
                    // Not before: what is not taken has to be told again.
                    self.told = event.sequence;
                }
                Ok(None) => {
                    if quiet <= Instant::now() {
                        let message = self.message(Message::Heartbeat(v1::Heartbeat {}));
                        self.send(message).await?;
                        quiet = Instant::now() + self.silence;
                    }
                    tokio::select! {
                        () = self.outlet.left() => return Err(Over::Left),
                        changed = timeout_at(quiet, self.happened.changed()) => {
                            if matches!(changed, Ok(Err(_))) {
                                return Err(Over::Left);
                            }
                        }
                    }
                }
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let kind: i32 = kind(event).into();
        let severity: i32 = severity(event.severity).into();
        // What is about no upstream is about all of them.
        let within = match &event.backend {
            Some((upstream, _)) => self.own.has(upstream),
            None => !self.own.is_limited(),
        };
        within
            && severity >= self.request.severity
            && (self.request.types.is_empty() || self.request.types.contains(&kind))
    }

    fn message(&self, message: Message) -> v1::WatchEventsResponse {
        v1::WatchEventsResponse {
            revision: self.control.view().store.revision(),
            instance: self.control.feed().instance().to_owned(),
            sequence: self.next.saturating_sub(1),
            message: Some(message),
        }
    }

    /// Hands a message over, unless events run away from the watcher meanwhile.
    async fn send(&mut self, message: v1::WatchEventsResponse) -> Result<(), Over> {
        let (feed, next) = (self.control.feed(), self.next);
        let lost = async {
            // An error means that the process ends.
            while feed.event(next).is_ok() && self.happened.changed().await.is_ok() {}
        };
        tokio::select! {
            biased;
            sent = self.outlet.send(message) => sent,
            () = lost => Err(Over::Slow),
        }
    }
}

fn kind(event: &Event) -> v1::EventType {
    match event.kind {
        Kind::Health(_) => v1::EventType::BackendHealth,
        Kind::Ejection(_) => v1::EventType::BackendEjection,
        Kind::Changed(_) => v1::EventType::ConfigChanged,
        Kind::Reloaded => v1::EventType::ConfigReloaded,
        Kind::Refused => v1::EventType::ConfigRefused,
        Kind::Drain(_) => v1::EventType::BackendDrain,
        Kind::Disconnect(_) => v1::EventType::BackendDisconnect,
        Kind::Phase(_) => v1::EventType::ServerPhase,
    }
}

fn severity(severity: Severity) -> v1::Severity {
    match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    }
}

fn told(event: &Event) -> v1::Event {
    let detail = match &event.kind {
        Kind::Health(health) => Some(Detail::Health(entry::health(*health).into())),
        Kind::Ejection(until) => until.map(|until| Detail::EjectedUntil(until.into())),
        Kind::Changed(objects) => {
            Some(Detail::Objects(v1::EventObjects { names: objects.iter().map(source::path).collect() }))
        }
        Kind::Drain(phase) => Some(Detail::Drain(drain::phase(*phase).into())),
        Kind::Disconnect(cut) => Some(Detail::Cut(*cut)),
        Kind::Reloaded | Kind::Refused | Kind::Phase(_) => None,
    };
    let (upstream, backend_id) = event.backend.clone().unwrap_or_default();
    v1::Event {
        sequence: event.sequence,
        revision: event.revision,
        at: Some(event.at.into()),
        severity: severity(event.severity).into(),
        r#type: kind(event).into(),
        text: event.text.clone(),
        upstream,
        backend_id,
        who: event.who.as_deref().unwrap_or_default().to_owned(),
        detail,
    }
}
