//! What happens, as people are told.

use std::sync::Arc;
use std::time::SystemTime;

use speedmimi_model::Object;

use super::Seen;
use crate::control::drain::{DrainPhase, Progress};
use crate::control::store::Store;
use crate::control::{Done, Phase, Refused};
use crate::live::Health;

/// Objects that an event names, at most.
const NAMED: usize = 64;
/// Characters of a text, at most: a refusal can be as long as the file.
const TEXT: usize = 2000;

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody.
    Info,
    /// Somebody, soon.
    Warning,
    /// Somebody, now.
    Error,
}

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// Its number in this process, from 1.
    pub sequence: u64,
    /// The revision in force.
    pub revision: u64,
    /// When.
    pub at: SystemTime,
    /// How grave it is.
    pub severity: Severity,
    /// For people.
    pub text: String,
    /// The backend that it is about, by upstream and id.
    pub backend: Option<(String, String)>,
    /// Who did it.
    pub who: Option<Arc<str>>,
    /// What kind of thing it is.
    pub kind: Kind,
}

/// What kind of thing happened.
#[derive(Debug)]
pub enum Kind {
    /// Checks changed the health of a backend.
    Health(Health),
    /// Failed connects ejected a backend until then, or no longer.
    Ejection(Option<SystemTime>),
    /// A revision, and the objects that it touched.
    Changed(Vec<Object>),
    /// The file is in force anew.
    Reloaded,
    /// The file was refused.
    Refused,
    /// Where a drain stands.
    Drain(DrainPhase),
    /// Exchanges that were ended.
    Disconnect(u32),
    /// The phase of the process.
    Phase(Phase),
}

impl Event {
    fn new(kind: Kind, severity: Severity, revision: u64, text: String) -> Self {
        let text = if text.len() > TEXT { text.chars().take(TEXT).chain(['…']).collect() } else { text };
        Self { sequence: 0, revision, at: SystemTime::now(), severity, text, backend: None, who: None, kind }
    }

    fn of(self, upstream: &str, id: &str) -> Self {
        Self { backend: Some((upstream.to_owned(), id.to_owned())), ..self }
    }

    fn by(self, who: &Arc<str>) -> Self {
        Self { who: Some(who.clone()), ..self }
    }

    /// What it costs to keep, near enough.
    pub(super) fn bytes(&self) -> usize {
        let objects = if let Kind::Changed(objects) = &self.kind { objects.len() * 128 } else { 0 };
        256 + self.text.len() + objects
    }
}

/// Checks changed the health of a backend; `why` is what the last of them found.
pub(super) fn health(seen: &Seen, why: &str, revision: u64) -> Event {
    let name = format!("{}/{}", seen.upstream, seen.backend.id);
    let (severity, text) = match seen.health {
        Health::Up => (Severity::Info, format!("{name} is up")),
        Health::Down => (Severity::Warning, format!("{name} is down: {why}")),
        Health::Unknown => (Severity::Info, format!("{name} waits for its first check")),
    };
    Event::new(Kind::Health(seen.health), severity, revision, text).of(&seen.upstream, &seen.backend.id)
}

/// A backend is ejected, or no longer.
pub(super) fn ejection(seen: &Seen, revision: u64) -> Event {
    let name = format!("{}/{}", seen.upstream, seen.backend.id);
    let (severity, text) = match seen.ejected_until {
        Some(_) => (Severity::Warning, format!("{name} is ejected: connections to it fail")),
        None => (Severity::Info, format!("{name} is let in again")),
    };
    Event::new(Kind::Ejection(seen.ejected_until), severity, revision, text).of(&seen.upstream, &seen.backend.id)
}

/// A revision.
pub(super) fn changed(after: &Store) -> Event {
    let made = after.made();
    let named: Vec<Object> = made.touched.iter().take(NAMED).cloned().collect();
    let text = match named.as_slice() {
        [] => format!("revision {}", after.revision()),
        [one] => format!("revision {}: {one}", after.revision()),
        [one, ..] => format!("revision {}: {one} and {} more", after.revision(), made.touched.len() - 1),
    };
    let event = Event::new(Kind::Changed(named), Severity::Info, after.revision(), text).by(&made.by.who);
    match made.touched.as_slice() {
        [Object::Backend { upstream, id }] => event.of(upstream, id),
        _ => event,
    }
}

/// A reload, done or refused.
pub(in crate::control) fn reload(result: &Result<Done, Refused>, by: &Arc<str>, revision: u64) -> Event {
    match result {
        Ok(done) => {
            let mut text = format!("configuration reloaded: {} keys differ", done.differences.len());
            let others = done.renewed.as_ref().map_or(0, |renewed| renewed.changes.len());
            if others > 0 {
                text.push_str(&format!(", and {others} tokens or certificates of management"));
            }
            let conflicts = done.summary.as_ref().map(|summary| summary.conflicts.as_slice()).unwrap_or_default();
            for conflict in conflicts {
                text.push_str("; ");
                text.push_str(conflict);
            }
            let severity = if conflicts.is_empty() { Severity::Info } else { Severity::Warning };
            Event::new(Kind::Reloaded, severity, done.store.revision(), text).by(by)
        }
        Err(refused) => {
            let text = format!("reload refused, nothing was changed: {refused}");
            Event::new(Kind::Refused, Severity::Error, revision, text).by(by)
        }
    }
}

/// A drain began, reached its deadline, or ended.
pub(in crate::control) fn drain(name: &(String, String), progress: &Progress, revision: u64) -> Event {
    let (upstream, id) = name;
    let Progress { drain, phase, remaining, closed, detail, .. } = progress;
    let (severity, what) = match phase {
        DrainPhase::Draining => (Severity::Info, format!("drains: {remaining} in flight")),
        DrainPhase::Overdue => (Severity::Warning, format!("is past the deadline of its drain: {remaining} in flight")),
        DrainPhase::Closing => (Severity::Warning, format!("is past the deadline of its drain: {closed} are closed")),
        DrainPhase::Drained => (Severity::Info, "is drained".to_owned()),
        DrainPhase::Cancelled => (Severity::Info, "no longer drains: it was enabled".to_owned()),
        DrainPhase::Disabled => (Severity::Info, "no longer drains: it was disabled".to_owned()),
        DrainPhase::Removed => (Severity::Info, "no longer drains: it was removed".to_owned()),
        DrainPhase::Failed => (Severity::Warning, format!("is drained, but stays as it is: {detail}")),
    };
    let revision = if revision > 0 { revision } else { progress.revision };
    let event = Event::new(Kind::Drain(*phase), severity, revision, format!("{upstream}/{id} {what}"));
    event.of(upstream, id).by(&drain.by.as_str().into())
}

/// Somebody ended the exchanges of a backend.
pub(in crate::control) fn disconnect(upstream: &str, id: &str, by: &Arc<str>, cut: u32, revision: u64) -> Event {
    let text = format!("{upstream}/{id} is disconnected: {cut} exchanges ended");
    Event::new(Kind::Disconnect(cut), Severity::Warning, revision, text).of(upstream, id).by(by)
}

/// The process entered a phase.
pub(super) fn phase(phase: Phase, revision: u64) -> Event {
    let (severity, text) = match phase {
        Phase::Starting => (Severity::Info, "starting"),
        Phase::Serving => (Severity::Info, "serving"),
        Phase::Draining => (Severity::Warning, "stopping: no new connection is accepted"),
    };
    Event::new(Kind::Phase(phase), severity, revision, text.to_owned())
}
