//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once, before it calls it a failure. Large, because the
/// machine may be busy with other tests; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Polls until the condition holds; panics with `what` once [`PATIENCE`] is over.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Polls until there is a value and returns it; panics with `what` once [`PATIENCE`] is over.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        // sleep: the interval of a poll, not a guess at how long something takes
        std::thread::sleep(Duration::from_millis(5));
    }
}
