//! The worker's clock: one reading of the time serves everything that happens around it.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Microseconds since the process's origin, read rarely and remembered.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    micros: Cell<u64>,
}

impl Clock {
    pub(crate) fn new(origin: Instant) -> Self {
        let clock = Self { origin, micros: Cell::new(0) };
        clock.refresh();
        clock
    }

    /// Reads the time.
    #[inline]
    pub(crate) fn refresh(&self) -> u64 {
        let micros = self.origin.elapsed().as_micros() as u64;
        self.micros.set(micros);
        micros
    }

    /// The last reading; at most a timer tick old on a worker that keeps up.
    #[inline]
    pub(crate) fn cached(&self) -> u64 {
        self.micros.get()
    }

    /// Milliseconds, for state shared between workers.
    #[inline]
    pub(crate) fn cached_millis(&self) -> u64 {
        self.micros.get() / 1000
    }

    /// The moment `wait` from the last reading.
    #[inline]
    pub(crate) fn after(&self, wait: Duration) -> u64 {
        self.cached().saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
    }
}
