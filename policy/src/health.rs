//! Active health checks: when a backend's results change its health, and when to look again.

use std::time::Duration;

use crate::random::within_unit;

/// How many results in a row change a backend's health; 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row that take it down. Default 3.
    pub failures: u32,
    /// Successes in a row that bring it back up. Default 2.
    pub successes: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { failures: 3, successes: 2 }
    }
}

/// What active checks say of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It gets traffic. Also the start of every backend when the process starts: a restart must not be an outage.
    Up,
    /// It gets none.
    Down,
    /// Added while running and not yet seen well: it gets no traffic until its first success.
    Unknown,
}

impl Health {
    /// Whether it may get traffic.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }
}

/// Counts the results of one backend's checks.
///
/// ```
/// use speedmimi_policy::{Checker, Health, Thresholds};
/// let mut checker = Checker::new(Thresholds { failures: 2, successes: 1 }, Health::Up);
/// assert_eq!(checker.on_result(false), None);
/// assert_eq!(checker.on_result(false), Some(Health::Down));
/// assert_eq!(checker.on_result(true), Some(Health::Up));
/// ```
#[derive(Debug, Clone)]
pub struct Checker {
    thresholds: Thresholds,
    health: Health,
    /// Results in a row that speak against `health`.
    against: u32,
}

impl Checker {
    /// A checker with no result yet. `start`: `Up` when the process starts, `Unknown` for a backend added later.
    #[must_use]
    pub fn new(thresholds: Thresholds, start: Health) -> Self {
        Self { thresholds, health: start, against: 0 }
    }

    /// Takes a result; returns the new health when it changes.
    ///
    /// `Unknown` ends with its first success, or goes down after as many failures as an `Up` backend would.
    pub fn on_result(&mut self, ok: bool) -> Option<Health> {
        let (needed, then) = match (self.health, ok) {
            (Health::Up, true) | (Health::Down, false) => {
                self.against = 0;
                return None;
            }
            (Health::Unknown, true) => (1, Health::Up),
            (Health::Down, true) => (self.thresholds.successes, Health::Up),
            (Health::Up | Health::Unknown, false) => (self.thresholds.failures, Health::Down),
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.health = then;
        Some(then)
    }

    /// The health so far.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }
}

/// The shortest pause between checks that are hurried because the backend is not up.
const HURRIED: Duration = Duration::from_secs(1);

/// How long to wait before the next check.
///
/// Up: `interval` ± 10 %, so that checks of many backends, by many proxies, do not march in step. Down or unknown:
/// a fifth of it, but not below 1 s, also ± 10 %, and never longer than `interval`: what is back should be found
/// soon. `unit_random`: uniform in 0..1; what lies outside counts as the nearer end.
#[must_use]
pub fn next_delay(interval: Duration, health: Health, unit_random: f64) -> Duration {
    let jitter = 0.9 + 0.2 * within_unit(unit_random);
    match health {
        Health::Up => scaled(interval, jitter),
        Health::Down | Health::Unknown => scaled((interval / 5).max(HURRIED), jitter).min(interval),
    }
}

/// Like `Duration::mul_f64`, but the longest duration there is where that would panic.
fn scaled(duration: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_TWO: Thresholds = Thresholds { failures: 3, successes: 2 };

    /// Feeds results (`+` good, `-` bad) and writes down the health after each: `U`p, `D`own, `?` unknown.
    fn history(thresholds: Thresholds, start: Health, results: &str) -> String {
        let mut checker = Checker::new(thresholds, start);
        let after = results.chars().map(|result| {
            let before = checker.health();
            let told = checker.on_result(result == '+');
            assert_eq!(told, (checker.health() != before).then_some(checker.health()), "tells changes, only those");
            match checker.health() {
                Health::Up => 'U',
                Health::Down => 'D',
                Health::Unknown => '?',
            }
        });
        after.collect()
    }

    #[test]
    fn failures_in_a_row_take_down_and_successes_in_a_row_bring_up() {
        assert_eq!(history(THREE_TWO, Health::Up, "--+--+---+-++--+---"), "UUUUUUUUDDDDUUUUUUD");
        assert_eq!(history(THREE_TWO, Health::Down, "+-++"), "DDDU");
    }

    #[test]
    fn an_added_backend_waits_for_one_success() {
        assert_eq!(history(THREE_TWO, Health::Unknown, "+"), "U");
        assert_eq!(history(THREE_TWO, Health::Unknown, "--+--"), "??UUU", "its first failures are forgotten");
        assert_eq!(history(THREE_TWO, Health::Unknown, "---++"), "??DDU");
    }

    #[test]
    fn a_threshold_of_nothing_is_one() {
        assert_eq!(history(Thresholds { failures: 0, successes: 0 }, Health::Up, "-+-"), "DUD");
    }

    fn millis(interval_ms: u64, health: Health, unit_random: f64) -> u128 {
        next_delay(Duration::from_millis(interval_ms), health, unit_random).as_millis()
    }

    #[test]
    fn checks_are_jittered_by_a_tenth() {
        assert_eq!([0.0, 0.5, 1.0].map(|random| millis(30_000, Health::Up, random)), [27_000, 30_000, 33_000]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| millis(30_000, Health::Down, random)), [5_400, 6_000, 6_600]);
        assert_eq!(millis(30_000, Health::Unknown, 0.5), 6_000);
    }

    #[test]
    fn what_is_down_is_looked_at_sooner_but_not_frantically() {
        assert_eq!(millis(2_000, Health::Down, 0.5), 1_000);
        assert_eq!(millis(100, Health::Down, 1.0), 100, "never later than while up");
        for interval in [1, 500, 1_000, 1_050, 5_000, 600_000] {
            for random in [0.0, 0.3, 1.0] {
                assert!(millis(interval, Health::Down, random) <= u128::from(interval));
            }
        }
    }

    #[test]
    fn absurd_arguments_do_not_panic() {
        assert_eq!(next_delay(Duration::MAX, Health::Up, 1.0), Duration::MAX);
        assert_eq!(millis(1_000, Health::Up, f64::NAN), 900);
        assert_eq!(millis(1_000, Health::Up, f64::INFINITY), 1_100);
        assert_eq!(millis(0, Health::Down, 0.5), 0);
    }
}
