//! Where the process is in its life, and what it counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::caller::Caller;

/// The phases of a process, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Sockets are bound, workers are starting.
    Starting,
    /// Traffic is accepted.
    Serving,
    /// No new connection is accepted; exchanges under way finish.
    Draining,
}

/// The process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// When exchanges that have not finished are ended.
    pub deadline: Instant,
    /// Who wants it.
    pub by: Caller,
}

/// Phase and counters of the process; written by the application and the control task, read by the faces.
#[derive(Debug)]
pub struct Lifecycle {
    /// When the process started.
    pub started: SystemTime,
    phase: watch::Sender<Phase>,
    stopping: watch::Sender<Option<Stopping>>,
    reloads_applied: AtomicU64,
    reloads_refused: AtomicU64,
}

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        Self {
            started: SystemTime::now(),
            phase: watch::Sender::new(Phase::Starting),
            stopping: watch::Sender::new(None),
            reloads_applied: AtomicU64::new(0),
            reloads_refused: AtomicU64::new(0),
        }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// To wait for the next phase.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// The process is to end: it takes no new traffic from now on, and exchanges have that long to finish. Where it is
    /// stopping already, nothing changes unless that long is nothing. Returns what is in force, and whether it was
    /// stopping before.
    pub fn stop(&self, patience: Duration, by: &Caller) -> (Stopping, bool) {
        let asked = Stopping { deadline: Instant::now() + patience, by: by.clone() };
        let mut before = false;
        self.stopping.send_if_modified(|stopping| match stopping {
            None => {
                *stopping = Some(asked.clone());
                true
            }
            Some(known) => {
                before = true;
                let hurries = patience.is_zero() && known.deadline > asked.deadline;
                if hurries {
                    known.deadline = asked.deadline;
                }
                hurries
            }
        });
        if self.phase() == Phase::Serving {
            self.enter(Phase::Draining);
        }
        (self.stopping().unwrap_or(asked), before)
    }

    /// How the process is to end; none while it is not.
    pub fn stopping(&self) -> Option<Stopping> {
        self.stopping.borrow().clone()
    }

    /// To wait for that.
    pub fn watch_stopping(&self) -> watch::Receiver<Option<Stopping>> {
        self.stopping.subscribe()
    }

    /// Reloads that were applied, reloads that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads_applied.load(Ordering::Relaxed), self.reloads_refused.load(Ordering::Relaxed))
    }

    pub(super) fn count_reload(&self, applied: bool) {
        let counter = if applied { &self.reloads_applied } else { &self.reloads_refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}
