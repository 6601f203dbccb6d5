//! What happens, for those who watch: every revision in order, what is observed between them, and events for people.
//!
//! The control task appends a small immutable record after it has published, and wakes who waits; it never waits for
//! anybody. Watchers read from bounded rings at their own pace. One that falls out of a ring has to begin anew, which
//! costs the proxy nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use speedmimi_model::{Difference, Object};
use tokio::sync::watch;

use super::store::Store;
use super::{Caller, Phase};
use crate::snapshot::Snapshot;

pub mod event;
pub mod places;
mod record;
mod ring;
mod seen;

pub use event::{Event, Kind};
pub use places::{Crowded, Place, Places};
pub use ring::Lost;
use ring::Ring;
use seen::Glimpse;
pub use seen::{Known, Seen};

/// How often the control task looks for changes that nobody tells it of: health, ejection.
pub(super) const OBSERVE: Duration = Duration::from_millis(250);
/// Watchers at once, of all kinds.
pub const WATCHERS: usize = 256;
/// Records of changes that are kept: so many, and so many bytes.
const CHANGES: (usize, usize) = (1024, 2 << 20);
/// Events that are kept: so many, and so many bytes.
const EVENTS: (usize, usize) = (1024, 1 << 20);

/// What one revision made of the state before it.
#[derive(Debug)]
pub struct Step {
    /// The state before.
    pub before: Store,
    /// The state with the revision.
    pub after: Store,
    /// Keys of the configuration that differ.
    pub differences: Arc<[Difference]>,
}

/// A record of what happened to the state.
#[derive(Debug)]
pub enum Record {
    /// A revision.
    Revision {
        /// Which.
        revision: u64,
        /// Who made it.
        by: Caller,
        /// When it was published.
        at: SystemTime,
        /// What it touched; none: so much that watchers have to look at everything anew.
        what: Option<Touched>,
    },
    /// Something was observed that makes no revision.
    Observed {
        /// The revision in force.
        revision: u64,
        /// The backend as it is now.
        seen: Seen,
    },
}

/// What a revision touched.
#[derive(Debug)]
pub struct Touched {
    /// Every object, and what became of it.
    pub objects: Vec<(Object, Became)>,
    /// Backends among them that are there, as they are now.
    pub backends: Vec<(Became, Seen)>,
    /// Keys of the configuration that differ.
    pub differences: Arc<[Difference]>,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It is new.
    Added,
    /// It is otherwise than before.
    Updated,
    /// It is gone.
    Removed,
}

/// The feed; cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    instance: String,
    changes: Mutex<Changes>,
    /// Number of the next record.
    records: watch::Sender<u64>,
    events: Mutex<Ring<Event>>,
    /// Number of the next event.
    happened: watch::Sender<u64>,
    observed: Mutex<Observed>,
    places: Arc<Places>,
}

#[derive(Debug)]
struct Changes {
    ring: Ring<Record>,
    /// Whoever has this revision or a later one misses nothing.
    whole_since: u64,
}

/// What was observed last, by uid of the backend.
#[derive(Debug, Default)]
struct Observed {
    backends: HashMap<u64, Glimpse>,
    phase: Option<Phase>,
}

impl Step {
    /// What lies between a state and the one that was made from it.
    pub fn new(before: Store, after: Store) -> Self {
        let differences = after.differences(&before);
        Self { before, after, differences }
    }
}

impl Feed {
    /// A feed of a process that starts at this revision.
    pub(super) fn new(revision: u64) -> Self {
        Self(Arc::new(Inner {
            instance: format!("{:016x}", fastrand::u64(..)),
            changes: Mutex::new(Changes { ring: Ring::new(CHANGES), whole_since: revision }),
            records: watch::Sender::new(0),
            // Events are counted from 1.
            events: Mutex::new(Ring::beginning_at(1, EVENTS)),
            happened: watch::Sender::new(1),
            observed: Mutex::default(),
            places: Arc::default(),
        }))
    }

    /// Names this process among all that ever were.
    pub fn instance(&self) -> &str {
        &self.0.instance
    }

    /// A place among the watchers, until it is dropped.
    pub fn enter(&self, by: &Caller) -> Result<Place, Crowded> {
        self.0.places.enter(by)
    }

    /// Appends what was published, in order. Call once after it was.
    pub fn push(&self, known: &Known<'_>, steps: &[Step]) {
        for Step { before, after, differences } in steps {
            if before.revision() == after.revision() {
                for (upstream, id) in before.otherwise_disconnected(after) {
                    self.see(known, after, &upstream, &id);
                }
                continue;
            }
            let record = record::of(before, after, differences, known);
            let event = event::changed(after);
            self.know(&record, known);
            self.append(record);
            self.happened(event);
        }
    }

    /// Appends each backend that has other addresses than in the snapshot before.
    pub(super) fn moved(&self, known: &Known<'_>, store: &Store, before: &Snapshot) {
        for (upstream, id) in known.moved_since(before) {
            self.see(known, store, &upstream, &id);
        }
    }

    /// Something happened that people should know.
    pub fn happened(&self, mut event: Event) {
        let mut events = self.0.events.lock();
        event.sequence = events.next();
        let bytes = event.bytes();
        events.push(event, bytes);
        self.0.happened.send_replace(events.next());
    }

    /// Looks for what changed without a revision.
    pub(super) fn observe(&self, known: &Known<'_>, store: &Store, phase: Phase) {
        let now = known.now();
        let mut observed = self.0.observed.lock();
        let mut changed = Vec::new();
        let states = known.live.backends();
        let findings = known.findings.lock();
        for state in &states {
            let is = Glimpse::of(state, findings.get(&state.uid), now);
            let was = observed.backends.insert(state.uid, is);
            if was != Some(is) {
                changed.push((state, was, is));
            }
        }
        drop(findings);
        if observed.backends.len() > states.len() {
            observed.backends.retain(|uid, _| states.iter().any(|state| state.uid == *uid));
        }
        let entered = (observed.phase != Some(phase)).then_some(phase);
        let first = observed.phase.replace(phase).is_none();
        drop(observed);
        if let Some(phase) = entered.filter(|phase| !(first && *phase == Phase::Starting)) {
            self.happened(event::phase(phase, store.revision()));
        }
        for (state, was, is) in changed {
            // What is seen first is the state, and no change of it; a backend that is new was told by its revision.
            let Some(was) = was else { continue };
            let Some(seen) = self.see(known, store, &state.upstream, &state.id) else { continue };
            if was.health != is.health {
                let why = seen.finding.as_ref().map_or("", |finding| &finding.detail);
                self.happened(event::health(&seen, why, store.revision()));
            }
            if was.ejected != is.ejected {
                self.happened(event::ejection(&seen, store.revision()));
            }
        }
    }

    /// Number of the record that comes next, to be told of each.
    pub fn records(&self) -> watch::Receiver<u64> {
        self.0.records.subscribe()
    }

    /// The record with this number; `None` when it is yet to come.
    pub fn record(&self, number: u64) -> Result<Option<Arc<Record>>, Lost> {
        self.0.changes.lock().ring.at(number)
    }

    /// Where to begin for whoever has this revision; `None` when something since is no longer here.
    pub fn since(&self, revision: u64) -> Option<u64> {
        let changes = self.0.changes.lock();
        (revision >= changes.whole_since).then(|| changes.ring.first())
    }

    /// Number of the event that comes next, to be told of each.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.0.happened.subscribe()
    }

    /// The event with this number; `None` when it is yet to come.
    pub fn event(&self, number: u64) -> Result<Option<Arc<Event>>, Lost> {
        self.0.events.lock().at(number)
    }

    /// Number of the oldest event that is kept.
    pub fn first_event(&self) -> u64 {
        self.0.events.lock().first()
    }

    /// Appends a backend as it is now, though no revision made it so.
    pub(super) fn see(&self, known: &Known<'_>, store: &Store, upstream: &str, id: &str) -> Option<Seen> {
        let seen = Seen::of(known, store, upstream, store.config().backend(upstream, id)?, 0);
        self.append(Record::Observed { revision: store.revision(), seen: seen.clone() });
        Some(seen)
    }

    /// A backend that is new is known as its revision told it.
    fn know(&self, record: &Record, known: &Known<'_>) {
        let Record::Revision { what: Some(Touched { backends, .. }), .. } = record else { return };
        let mut observed = self.0.observed.lock();
        for (_, seen) in backends {
            if let Some(state) = known.live.find_backend(&seen.upstream, &seen.backend.id) {
                observed.backends.entry(state.uid).or_insert_with(|| seen.glimpse());
            }
        }
    }

    fn append(&self, record: Record) {
        let mut changes = self.0.changes.lock();
        let bytes = record.bytes();
        let Changes { ring, whole_since } = &mut *changes;
        for dropped in ring.push(record, bytes) {
            *whole_since = (*whole_since).max(dropped.missed_before());
        }
        self.0.records.send_replace(ring.next());
    }
}

#[cfg(test)]
mod tests;
