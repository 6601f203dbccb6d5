//! What a run of the generator came to.

use std::time::Duration;

use crate::stats::Latencies;

/// Counts and latencies of one run.
pub(crate) struct Tally {
    /// Requests answered as expected.
    pub(crate) completed: u64,
    /// Requests answered otherwise or not at all.
    pub(crate) errors: u64,
    /// Keep-alive connections that the other side ended.
    pub(crate) reconnects: u64,
    /// From the first request due to the last one answered (closed loop: to the end of the span).
    pub(crate) elapsed: Duration,
    /// From when a request was due to the last byte of its answer.
    pub(crate) latencies: Latencies,
    why: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { completed: 0, errors: 0, reconnects: 0, elapsed: Duration::ZERO, latencies: Latencies::new(), why: None }
    }

    pub(super) fn answered(&mut self, nanos: u64) {
        self.completed += 1;
        self.latencies.record(nanos);
    }

    pub(super) fn unanswered(&mut self, nanos: u64) {
        self.latencies.record(nanos);
        self.failed("not answered in time".to_owned());
    }

    pub(super) fn failed(&mut self, why: String) {
        self.errors += 1;
        self.why = Some(why);
    }

    /// The last error, in words.
    pub(crate) fn why(&self) -> &str {
        self.why.as_deref().unwrap_or("none")
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.completed as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}
