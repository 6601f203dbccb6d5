//! What traffic itself says of a backend: connect failures eject it for a while.
//!
//! Passive signals are hints. They act within milliseconds, long before an active check, but they see only what
//! this proxy sees, so they are bounded twice: an ejection ends by itself, and [`honour_ejections`] says when
//! a group has lost so many that ejections must be ignored.

use crossbeam_utils::CachePadded;

use crate::random::within_unit;
use crate::sync::{AtomicU64, Ordering};

/// The first ejection, in milliseconds; each further one without a success between is twice as long.
pub const FIRST_EJECTION_MS: u64 = 1_000;
/// The longest ejection, in milliseconds.
pub const LONGEST_EJECTION_MS: u64 = 30_000;
/// Consecutive connect failures that eject a backend unless told otherwise.
pub const DEFAULT_FAILURES: u32 = 3;

/// How far jitter shortens an ejection at most: several proxies should not all come back at once.
const JITTER: f64 = 0.2;

/// The connect failures of one backend, shared by all workers.
///
/// `failures` consecutive failures to connect (default 3; successes of any worker reset them) eject it for 1 s.
/// When that is over it gets traffic again, and one more failure ejects it for 2 s, then 4 s … up to 30 s; each is
/// shortened by up to 20 % at random. One success forgets everything. So a killed backend is skipped after three
/// refused connects, all of which went elsewhere, and one that comes back waits no longer than it was away.
///
/// Times are milliseconds of any clock that all callers share and that never goes back, below 2^48 (8,900 years).
#[derive(Debug)]
pub struct Passive {
    /// Bits 0..48: ejected until, in ms; 0 = never. Bits 48..64: consecutive failures that counted.
    word: CachePadded<AtomicU64>,
    threshold: u16,
}

impl Passive {
    /// Nothing bad seen yet. `failures`: how many in a row eject, 1..=65535; what is outside counts as
    /// the nearer end.
    #[must_use]
    pub fn new(failures: u32) -> Self {
        let threshold = u16::try_from(failures).unwrap_or(u16::MAX).max(1);
        Self { word: CachePadded::new(AtomicU64::new(0)), threshold }
    }

    /// A connect failed or was refused; tells whether this one ejected the backend.
    ///
    /// Failures of attempts that end during an ejection add nothing: they began before it.
    /// `unit_random`: uniform in 0..1.
    pub fn on_connect_failure(&self, now_ms: u64, unit_random: f64) -> bool {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let state = State::unpack(seen);
            if now_ms < state.until_ms {
                return false;
            }
            let failures = state.failures.saturating_add(1);
            let ejects = failures >= self.threshold;
            let until_ms =
                if ejects { now_ms.saturating_add(ejection_ms(failures - self.threshold, unit_random)) } else { 0 };
            let after = State { until_ms, failures }.pack();
            match self.word.compare_exchange_weak(seen, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return ejects,
                Err(now) => seen = now,
            }
        }
    }

    /// A connect succeeded: ends an ejection and forgets all failures.
    ///
    /// Answers on a kept-alive connection are no such success: they say nothing about new connections.
    pub fn on_success(&self) {
        // Read first: nearly always there is nothing to forget, and a read leaves the cache line shared.
        if self.word.load(Ordering::Relaxed) != 0 {
            self.reset();
        }
    }

    /// Whether it is ejected at this moment. One atomic load.
    #[must_use]
    pub fn is_ejected(&self, now_ms: u64) -> bool {
        now_ms < self.until()
    }

    /// When the last ejection ends or ended, in milliseconds of the callers' clock; 0 = none since the last success.
    #[must_use]
    pub fn until(&self) -> u64 {
        State::unpack(self.word.load(Ordering::Acquire)).until_ms
    }

    /// Consecutive failures that counted, 0..=65535.
    #[must_use]
    pub fn failures(&self) -> u32 {
        u32::from(State::unpack(self.word.load(Ordering::Acquire)).failures)
    }

    /// Forgets everything: an operator enabled it, a check saw it come up, its address changed.
    pub fn reset(&self) {
        self.word.store(0, Ordering::Release);
    }
}

impl Default for Passive {
    fn default() -> Self {
        Self::new(DEFAULT_FAILURES)
    }
}

/// Whether ejections of a group are honoured, or all its usable backends are candidates, ejected or not.
///
/// `total_usable`: backends that would get traffic but for ejection, full ones included: enabled, not draining, not
/// down by active checks. `ejected`: how many of them are ejected. Honoured while at most half are: the last
/// backend and the second of three are never taken out by passive signals alone, because when most of a group seems
/// dead, the fault may well be ours, and the rest could not carry the load.
#[must_use]
pub fn honour_ejections(total_usable: usize, ejected: usize) -> bool {
    ejected <= total_usable / 2
}

fn ejection_ms(ejections_before: u16, unit_random: f64) -> u64 {
    let doubled = FIRST_EJECTION_MS << ejections_before.min(5);
    let longest = doubled.min(LONGEST_EJECTION_MS) as f64;
    (longest * (1.0 - JITTER * within_unit(unit_random))) as u64
}

#[derive(Debug, Clone, Copy)]
struct State {
    until_ms: u64,
    failures: u16,
}

impl State {
    const UNTIL_MAX: u64 = (1 << 48) - 1;

    fn pack(self) -> u64 {
        self.until_ms.min(Self::UNTIL_MAX) | (u64::from(self.failures) << 48)
    }

    fn unpack(word: u64) -> Self {
        Self { until_ms: word & Self::UNTIL_MAX, failures: (word >> 48) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_eject_and_a_success_forgets() {
        let passive = Passive::default();
        assert!(!passive.on_connect_failure(10, 0.0));
        assert!(!passive.on_connect_failure(11, 0.0));
        passive.on_success();
        assert!(!passive.on_connect_failure(12, 0.0));
        assert!(!passive.on_connect_failure(13, 0.0));
        assert!(!passive.is_ejected(13));
        assert!(passive.on_connect_failure(14, 0.0), "the third in a row");
        assert_eq!((passive.failures(), passive.until()), (3, 1_014));
        assert!(passive.is_ejected(14) && passive.is_ejected(1_013) && !passive.is_ejected(1_014));
        passive.on_success();
        assert_eq!((passive.failures(), passive.until(), passive.is_ejected(15)), (0, 0, false));
    }

    #[test]
    fn ejections_double_to_thirty_seconds() {
        let passive = Passive::new(1);
        let mut now = 0;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            assert!(passive.on_connect_failure(now, 0.0));
            lengths.push(passive.until() - now);
            now = passive.until();
        }
        assert_eq!(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        passive.reset();
        assert!(passive.on_connect_failure(now, 0.0));
        assert_eq!(passive.until() - now, 1_000, "a reset forgets how often it was ejected");
    }

    #[test]
    fn attempts_begun_before_an_ejection_do_not_prolong_it() {
        let passive = Passive::new(1);
        assert!(passive.on_connect_failure(100, 0.0));
        for now in 100..1_100 {
            assert!(!passive.on_connect_failure(now, 0.0), "already ejected at {now}");
        }
        assert_eq!((passive.failures(), passive.until()), (1, 1_100));
        assert!(passive.on_connect_failure(1_100, 0.0));
        assert_eq!(passive.until(), 3_100);
    }

    /// Whatever the outage, a backend is tried again no later after its end than it lasted, and within 30 s.
    #[test]
    fn what_returns_waits_no_longer_than_it_was_away() {
        for outage in [1, 500, 1_500, 5_000, 20_000, 100_000, 600_000] {
            let passive = Passive::new(1);
            let mut now = 0;
            while now < outage {
                assert!(passive.on_connect_failure(now, 0.0));
                now = passive.until();
            }
            let waits = now - outage;
            assert!(waits <= outage.clamp(FIRST_EJECTION_MS, LONGEST_EJECTION_MS), "{waits} ms after {outage} ms");
        }
    }

    #[test]
    fn jitter_shortens_by_a_fifth_at_most() {
        for (random, length) in [(0.0, 1_000), (0.5, 900), (1.0, 800), (f64::NAN, 1_000), (9.0, 800), (-9.0, 1_000)] {
            let passive = Passive::new(1);
            passive.on_connect_failure(0, random);
            assert_eq!(passive.until(), length, "random {random}");
        }
    }

    #[test]
    fn counts_and_times_stay_in_their_bits() {
        let passive = Passive::new(u32::MAX);
        for _ in 0..70_000 {
            passive.on_connect_failure(5, 0.0);
        }
        assert_eq!((passive.failures(), passive.until()), (65_535, 1_005));
        let late = Passive::new(0);
        assert!(late.on_connect_failure(u64::MAX, 0.0));
        assert_eq!((late.failures(), late.until()), (1, (1 << 48) - 1));
    }

    #[test]
    fn at_most_half_of_a_group_stays_ejected() {
        let most = |total| (0..=total).filter(|&ejected| honour_ejections(total, ejected)).max();
        assert_eq!([0, 1, 2, 3, 4, 5, 9].map(most), [0, 0, 1, 1, 2, 2, 4].map(Some));
    }
}
