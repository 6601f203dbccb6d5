//! Where the process is in its life, and what it counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;

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

/// Phase and counters of the process; written by the application and the control task, read by the faces.
#[derive(Debug)]
pub struct Lifecycle {
    /// When the process started.
    pub started: SystemTime,
    phase: watch::Sender<Phase>,
    reloads_applied: AtomicU64,
    reloads_refused: AtomicU64,
}

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        Self {
            started: SystemTime::now(),
            phase: watch::Sender::new(Phase::Starting),
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
