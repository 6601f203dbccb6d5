//! When the requests of an open loop are due.
//!
//! Latency counted from the due time, not from the send, is the correction for coordinated omission
//! (Gil Tene, "How NOT to Measure Latency"): a stall then shows in every request that should have
//! been sent during it, not only in the one that met it.

/// Due times at a constant rate, in nanoseconds.
#[derive(Debug)]
pub(super) struct Schedule {
    begin: u64,
    end: u64,
    /// Nanoseconds between two requests; not whole, so that the rate is exact over a long run.
    gap: f64,
    taken: u64,
}

impl Schedule {
    /// `rate` requests a second (at least 1) from `begin` until before `end`.
    pub(super) fn new(begin: u64, end: u64, rate: f64) -> Self {
        Self { begin, end, gap: 1e9 / rate.max(1.0), taken: 0 }
    }

    /// The next due time, none when the schedule is over.
    pub(super) fn next(&self) -> Option<u64> {
        let due = self.begin + (self.taken as f64 * self.gap) as u64;
        (due < self.end).then_some(due)
    }

    /// Takes the next request if it is due at `now`.
    pub(super) fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next().filter(|due| *due <= now)?;
        self.taken += 1;
        Some(due)
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Latencies, Quantile};

    const MS: u64 = 1_000_000;

    #[test]
    fn issues_exactly_rate_times_duration() {
        let mut schedule = Schedule::new(5, 5 + 3_000 * MS, 777.0);
        let taken: Vec<u64> = std::iter::from_fn(|| schedule.take(u64::MAX)).collect();
        assert_eq!(taken.len(), 2_331); // 777/s for 3 s
        assert_eq!(taken[0], 5);
        assert_eq!(taken[777], 5 + 1_000 * MS);
    }

    #[test]
    fn nothing_is_due_early() {
        let mut schedule = Schedule::new(0, 10 * MS, 1_000.0);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(MS - 1), None);
        assert_eq!(schedule.take(MS), Some(MS));
    }

    /// 1,000 requests/s to a server that answers at once but stands still from 1 s to 2 s of 10 s.
    /// By its own clock a closed loop sees one slow request in nine thousand; the schedule sees the
    /// thousand that were due meanwhile, waiting 1,000 ms, 999 ms, 998 ms …
    #[test]
    fn a_stall_counts_for_every_request_due_meanwhile() {
        let (stall, resume) = (1_000 * MS, 2_000 * MS);
        let mut schedule = Schedule::new(0, 10_000 * MS, 1_000.0);
        let mut latencies = Latencies::new();
        while let Some(due) = schedule.take(u64::MAX) {
            let answered = if (stall..resume).contains(&due) { resume } else { due };
            latencies.record(answered - due);
        }
        // 10 % of the requests waited 1..=1000 ms evenly: p99 is 900 ms, p99.9 is 990 ms.
        assert_eq!(latencies.count(), 10_000);
        assert!(latencies.micros(Quantile::P50) < 2.0);
        assert!((latencies.micros(Quantile::P99) - 900_000.0).abs() < 2_000.0);
        assert!((latencies.micros(Quantile::P999) - 990_000.0).abs() < 2_000.0);
    }
}
