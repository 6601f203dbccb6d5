//! The drains that are going on, as the control task watches them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use speedmimi_model::{Change, Object};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::board::Board;
use super::{Drain, DrainPhase, OnDeadline, Progress, Then};
use crate::control::feed::{Feed, event};
use crate::control::operation::Ask;
use crate::control::publish::Publisher;
use crate::control::store::Store;
use crate::control::{Busy, Caller, Guard, Refused};
use crate::live::{BackendRef, Live};

/// Between two looks at what is left, and so between two messages to those who look on.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two questions for the age of the oldest exchange, which every worker has to answer.
const LOOKS_AN_AGE: u32 = 10;
/// Between two tries of what is to be done at the end, while the state cannot be written.
const RETRY: Duration = Duration::from_secs(2);
/// What whoever began a drain asked for, which is still what happens at its end.
const VERB: &str = "speedmimi.v1.BackendService/DrainBackend";
/// When to look where nothing is draining.
const NEVER: Duration = Duration::from_secs(3600);

/// Every drain that is wanted, over or not. Those that are over are kept until they are no longer wanted.
#[derive(Debug)]
pub(in crate::control) struct Running {
    drains: HashMap<(String, String), One>,
    next_look: Instant,
    looks: u32,
    commands: mpsc::WeakSender<Ask>,
    feed: Feed,
    board: Arc<Board>,
}

#[derive(Debug)]
struct One {
    state: Option<BackendRef>,
    deadline: Option<Instant>,
    /// What is to be done at the end has been asked for and is not answered yet.
    finishing: Arc<AtomicBool>,
    progress: Arc<watch::Sender<Progress>>,
}

impl Running {
    /// Nothing drains. What is to be done at an end is asked for by `commands`, as by anybody; what goes on is written
    /// on the board.
    pub(in crate::control) fn new(commands: mpsc::WeakSender<Ask>, feed: Feed, board: Arc<Board>) -> Self {
        Self { drains: HashMap::new(), next_look: Instant::now() + NEVER, looks: 0, commands, feed, board }
    }

    /// Begins and ends drains, so that they are those of the store. Call whenever there is a new store, once it is in
    /// force: what begins here admits nothing any more.
    pub(in crate::control) fn follow(&mut self, store: &Store, live: &Live) {
        let wanted = store.draining();
        if wanted.is_empty() && self.drains.is_empty() {
            return;
        }
        let feed = &self.feed;
        self.drains.retain(|name, one| {
            let keep = wanted.contains_key(name);
            if !keep {
                one.end(name, store, feed);
            }
            keep
        });
        for (name, drain) in wanted.iter() {
            let revision = store.revision_of(&Object::backend(&name.0, &name.1));
            match self.drains.get_mut(name) {
                Some(one) if one.progress.borrow().drain == *drain => {
                    one.progress.send_if_modified(|progress| {
                        let changed = progress.revision != revision;
                        progress.revision = revision;
                        changed
                    });
                }
                Some(one) => one.replan(drain, revision),
                None => {
                    let one = One::begin(live.find_backend(&name.0, &name.1), drain, revision);
                    feed.happened(event::drain(name, &one.progress.borrow(), store.revision()));
                    self.drains.insert(name.clone(), one);
                }
            }
        }
        self.board.drains(self.drains.iter().map(|(name, one)| (name.clone(), one.progress.subscribe())));
        // What has nothing left ends at once.
        self.next_look = Instant::now();
    }

    /// To look on, and on a drain that failed at its end: to try that again.
    pub(in crate::control) fn attend(&mut self, upstream: &str, id: &str) -> Option<watch::Receiver<Progress>> {
        let one = self.drains.get(&(upstream.to_owned(), id.to_owned()))?;
        let failed = one.progress.send_if_modified(|progress| {
            let failed = progress.phase == DrainPhase::Failed;
            if failed {
                progress.phase = DrainPhase::Draining;
                progress.detail.clear();
            }
            failed
        });
        if failed {
            self.next_look = Instant::now();
        }
        Some(one.progress.subscribe())
    }

    /// To look on.
    pub(in crate::control) fn watch(&self, upstream: &str, id: &str) -> Option<watch::Receiver<Progress>> {
        self.drains.get(&(upstream.to_owned(), id.to_owned())).map(|one| one.progress.subscribe())
    }

    /// When [`Self::look`] is due.
    pub(in crate::control) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at what is left, does what is due at deadlines, and asks for what is to be done at the end.
    pub(in crate::control) async fn look(&mut self, store: &Store, publisher: &Publisher) {
        let now = Instant::now();
        let ages = self.looks.is_multiple_of(LOOKS_AN_AGE);
        self.looks = self.looks.wrapping_add(1);
        self.next_look = now + NEVER;
        for (name, one) in &mut self.drains {
            if one.progress.borrow().phase.is_last() {
                continue;
            }
            one.look(name, now, ages, store, publisher, &self.feed).await;
            if one.progress.borrow().remaining == 0 {
                one.finish(name, store, &self.commands, &self.feed);
            }
            if !one.progress.borrow().phase.is_last() {
                let next = one.deadline.filter(|deadline| *deadline > now).map_or(now + LOOK, |at| at.min(now + LOOK));
                self.next_look = self.next_look.min(next);
            }
        }
    }
}

impl One {
    fn begin(state: Option<BackendRef>, drain: &Drain, revision: u64) -> Self {
        let progress = Progress {
            drain: drain.clone(),
            revision,
            phase: DrainPhase::Draining,
            remaining: state.as_ref().map_or(0, |state| state.slots.in_flight()),
            oldest: None,
            closed: 0,
            detail: String::new(),
        };
        Self {
            state,
            deadline: deadline(drain),
            finishing: Arc::default(),
            progress: Arc::new(watch::Sender::new(progress)),
        }
    }

    /// Goes on by another plan.
    fn replan(&mut self, drain: &Drain, revision: u64) {
        self.deadline = deadline(drain);
        self.progress.send_modify(|progress| {
            progress.drain = drain.clone();
            progress.revision = revision;
            progress.phase = DrainPhase::Draining;
            progress.detail.clear();
        });
    }

    async fn look(
        &self,
        name: &(String, String),
        now: Instant,
        ages: bool,
        store: &Store,
        publisher: &Publisher,
        feed: &Feed,
    ) {
        let Some(state) = &self.state else { return };
        let due = self.progress.borrow().phase == DrainPhase::Draining && self.deadline.is_some_and(|at| at <= now);
        let closes = self.progress.borrow().drain.on_deadline == OnDeadline::Close;
        let left = state.slots.in_flight();
        if due && left > 0 {
            let closed = if closes { publisher.cut(state.uid).await } else { 0 };
            self.progress.send_modify(|progress| {
                progress.phase = if closes { DrainPhase::Closing } else { DrainPhase::Overdue };
                progress.closed += closed;
                progress.remaining = state.slots.in_flight();
            });
            feed.happened(event::drain(name, &self.progress.borrow(), store.revision()));
        }
        let ages = ages || self.progress.borrow().oldest.is_none();
        let oldest = if ages && left > 0 { publisher.oldest(state.uid).await } else { None };
        let remaining = state.slots.in_flight();
        self.progress.send_if_modified(|progress| {
            let changed = progress.remaining != remaining;
            progress.remaining = remaining;
            if let Some(age) = oldest {
                progress.oldest = Some((age, SystemTime::now()));
            }
            changed
        });
    }

    /// Nothing is left: does what is to be done then.
    fn finish(&self, name: &(String, String), store: &Store, commands: &mpsc::WeakSender<Ask>, feed: &Feed) {
        let Progress { drain, revision, .. } = self.progress.borrow().clone();
        let object = Object::backend(&name.0, &name.1);
        let change = match drain.then {
            Then::None => {
                self.progress.send_modify(|progress| progress.phase = DrainPhase::Drained);
                feed.happened(event::drain(name, &self.progress.borrow(), store.revision()));
                return;
            }
            Then::Disable => Change::set(object, "active", false),
            Then::Remove => Change::Remove { object, cascade: false },
        };
        let Some(commands) = commands.upgrade() else { return };
        if self.finishing.swap(true, Ordering::Relaxed) {
            return;
        }
        // Whoever enables it in this moment wins: the revision is another then.
        let by = Caller { who: drain.by.as_str().into(), from: "drain".into(), asks: VERB, ..Caller::default() };
        let guard = Guard {
            by,
            verb: "DrainBackend",
            expected_revision: Some(revision),
            busy: Busy::Refuse,
            ..Guard::default()
        };
        let (finishing, progress, feed) = (self.finishing.clone(), self.progress.clone(), feed.clone());
        let name = name.clone();
        tokio::spawn(async move {
            let (reply, answer) = oneshot::channel();
            let ask = Ask { operation: change.into(), guard, call: None, looked_up: false, reply };
            if commands.send(ask).await.is_err() {
                return;
            }
            drop(commands);
            match answer.await {
                // The store without the drain tells it, in `follow`.
                Ok(Ok(_)) | Err(_) => {}
                // Something else about it was changed meanwhile: the next look asks again.
                Ok(Err(Refused::Conflict { .. })) => finishing.store(false, Ordering::Relaxed),
                // Nothing can be written now; that passes.
                Ok(Err(refused @ Refused::State(_))) => {
                    progress.send_modify(|progress| progress.detail = refused.to_string());
                    sleep(RETRY).await;
                    finishing.store(false, Ordering::Relaxed);
                }
                Ok(Err(refused)) => {
                    progress.send_if_modified(|progress| {
                        let failed = !progress.phase.is_last();
                        if failed {
                            progress.phase = DrainPhase::Failed;
                            progress.detail = refused.to_string();
                        }
                        failed
                    });
                    finishing.store(false, Ordering::Relaxed);
                    feed.happened(event::drain(&name, &progress.borrow(), 0));
                }
            }
        });
    }

    /// The store no longer wants it.
    fn end(&self, name: &(String, String), store: &Store, feed: &Feed) {
        if self.progress.borrow().phase.is_last() && self.progress.borrow().phase != DrainPhase::Failed {
            return;
        }
        let backend = store.config().backend(&name.0, &name.1);
        let finished = self.finishing.load(Ordering::Relaxed);
        let phase = match (backend.map(|backend| backend.active), self.progress.borrow().drain.then) {
            (None, Then::Remove) | (Some(false), Then::Disable) if finished => DrainPhase::Drained,
            (None, _) => DrainPhase::Removed,
            (Some(false), _) => DrainPhase::Disabled,
            (Some(true), _) => DrainPhase::Cancelled,
        };
        self.progress.send_modify(|progress| {
            progress.phase = phase;
            // Of a try that did not come to anything.
            progress.detail.clear();
            progress.remaining = self.state.as_ref().map_or(0, |state| state.slots.in_flight());
            progress.revision = match store.revision_of(&Object::backend(&name.0, &name.1)) {
                0 => store.revision(),
                revision => revision,
            };
        });
        feed.happened(event::drain(name, &self.progress.borrow(), store.revision()));
    }
}

/// The deadline on the clock that never goes back.
fn deadline(drain: &Drain) -> Option<Instant> {
    let left = drain.deadline_at?.saturating_sub(crate::control::journal::now());
    Instant::now().checked_add(Duration::from_micros(left))
}

#[cfg(test)]
mod tests {
    use speedmimi_model::Config;

    use super::*;
    use crate::control::drain::Plan;

    #[tokio::test]
    async fn a_drain_that_ends_well_says_nothing_of_the_try_before() {
        let guard = Guard::default();
        let store = Store::new(Config::for_backends([("127.0.0.1".into(), 81)]));
        let (draining, _) = store.drain("default", "127.0.0.1:81", &Plan::default(), &guard, 1).expect("valid");
        let (commands, _waiting) = mpsc::channel(1);
        let mut running = Running::new(commands.downgrade(), Feed::new(1), Arc::default());
        let live = Live::new(1);
        for phase in [DrainPhase::Draining, DrainPhase::Failed] {
            running.follow(&draining, &live);
            let progress = running.watch("default", "127.0.0.1:81").expect("it drains");
            let (_, one) = running.drains.iter().next().expect("one");
            one.progress.send_modify(|progress| {
                (progress.phase, progress.detail) = (phase, "the disk is full".to_owned());
            });
            let disable = Change::set(Object::backend("default", "127.0.0.1:81"), "active", false);
            running.follow(&draining.change(&disable, &guard, 1).expect("valid").0, &live);
            let last = progress.borrow().clone();
            assert_eq!((last.phase, &*last.detail), (DrainPhase::Disabled, ""));
        }
    }
}
