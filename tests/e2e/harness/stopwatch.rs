//! Judging clocks on a machine that may be busy.

use std::time::{Duration, Instant};

/// What a clock may be late by, as users are promised.
const LATE: Duration = Duration::from_millis(150);

/// What the test adds for a busy machine: `SPEEDMIMI_E2E_SLACK_MS`, 1000 unless set. Set it to 0 on a quiet machine
/// to hold the proxy to its word.
fn slack() -> Duration {
    let set = std::env::var("SPEEDMIMI_E2E_SLACK_MS").ok();
    Duration::from_millis(set.map_or(1000, |text| text.parse().expect("SPEEDMIMI_E2E_SLACK_MS is a number")))
}

/// Time since something began.
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Fails unless a clock of that length, started when the watch was or later, fired neither early nor too late.
    #[track_caller]
    pub fn assert_fired(&self, clock: Duration) {
        let elapsed = self.elapsed();
        assert!(elapsed >= clock, "a clock of {clock:?} fired after {elapsed:?}: early");
        let latest = clock + LATE + slack();
        assert!(elapsed <= latest, "a clock of {clock:?} fired after {elapsed:?}: more than {latest:?}");
    }
}
