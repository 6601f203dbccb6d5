//! Performance data that backends or agents beside them push. Kept and shown; nothing is decided by it yet.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Sources kept a backend; the one heard of longest ago gives way.
const SOURCES: usize = 8;
/// Custom figures kept a source. Reports are partial, so those of all its reports count together.
pub const CUSTOM: usize = 32;
/// How long a report counts as fresh when it does not say so.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// What a report may say; absent is unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Performance {
    /// Percent of all processors, 0..=100.
    pub cpu_usage: Option<f64>,
    /// Percent of memory, 0..=100.
    pub memory_usage: Option<f64>,
    /// Load averages over 1, 5 and 15 minutes, not negative.
    pub load_avg: [Option<f64>; 3],
    /// Processors, above zero.
    pub cpu_count: Option<u32>,
    /// Requests that wait inside the backend.
    pub queue_depth: Option<u32>,
    /// Requests the backend could take at once.
    pub free_slots: Option<u32>,
    /// Anything else, by name.
    pub custom: BTreeMap<String, f64>,
}

impl Performance {
    /// Takes over what the newer one says; reports are partial.
    fn merge(&mut self, newer: Self) {
        self.cpu_usage = newer.cpu_usage.or(self.cpu_usage);
        self.memory_usage = newer.memory_usage.or(self.memory_usage);
        for (known, newer) in self.load_avg.iter_mut().zip(newer.load_avg) {
            *known = newer.or(*known);
        }
        self.cpu_count = newer.cpu_count.or(self.cpu_count);
        self.queue_depth = newer.queue_depth.or(self.queue_depth);
        self.free_slots = newer.free_slots.or(self.free_slots);
        self.custom.extend(newer.custom);
    }
}

/// Who reports, and where this report stands among the others of the same source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Name of the source; may be empty.
    pub source: String,
    /// Incarnation of the source: a restarted agent takes a higher one.
    pub epoch: u64,
    /// Number within the epoch; 0 leaves the order to arrival.
    pub sequence: u64,
}

/// The latest of one source.
#[derive(Debug, Clone)]
pub struct Report {
    /// Who said it.
    pub origin: Origin,
    /// What it said, over what it said before.
    pub performance: Performance,
    /// When it arrived.
    pub received: Instant,
    /// How long it counts as fresh.
    pub ttl: Duration,
}

impl Report {
    /// Whether it is too old to mean anything.
    pub fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.received) > self.ttl
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is the latest of its source now.
    Latest,
    /// A later one was there already; nothing changed.
    OutOfOrder,
    /// With its custom figures there would be so many of them, more than [`CUSTOM`]; nothing changed.
    TooMuch(usize),
}

/// The reports of all backends, a bounded number of each.
#[derive(Debug, Default)]
pub struct Reports {
    backends: HashMap<u64, Vec<Report>>,
}

impl Reports {
    /// Takes a report on the backend with this uid.
    pub fn take(&mut self, uid: u64, report: Report) -> Taken {
        if report.performance.custom.len() > CUSTOM {
            return Taken::TooMuch(report.performance.custom.len());
        }
        let known = self.backends.entry(uid).or_default();
        if let Some(before) = known.iter_mut().find(|before| before.origin.source == report.origin.source) {
            let order = (report.origin.epoch, report.origin.sequence);
            if report.origin.sequence > 0 && order <= (before.origin.epoch, before.origin.sequence) {
                return Taken::OutOfOrder;
            }
            let restarted = report.origin.epoch != before.origin.epoch;
            // What a report leaves out stays, so a source that takes new names for ever would fill the memory.
            let kept = &before.performance.custom;
            let new = report.performance.custom.keys().filter(|&name| !kept.contains_key(name));
            let names = kept.len() + new.count();
            if !restarted && names > CUSTOM {
                return Taken::TooMuch(names);
            }
            let mut performance =
                if restarted { Performance::default() } else { std::mem::take(&mut before.performance) };
            performance.merge(report.performance.clone());
            *before = Report { performance, ..report };
            return Taken::Latest;
        }
        if known.len() >= SOURCES
            && let Some(oldest) = (0..known.len()).min_by_key(|&index| known[index].received)
        {
            known.swap_remove(oldest);
        }
        known.push(report);
        Taken::Latest
    }

    /// What is known of a backend, the newest first.
    pub fn of(&self, uid: u64) -> Vec<Report> {
        let mut reports = self.backends.get(&uid).cloned().unwrap_or_default();
        reports.sort_by_key(|report| std::cmp::Reverse(report.received));
        reports
    }

    /// Forgets backends that are gone.
    pub fn retain(&mut self, is_known: impl Fn(u64) -> bool) {
        self.backends.retain(|&uid, _| is_known(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: &str, epoch: u64, sequence: u64, cpu: f64) -> Report {
        Report {
            origin: Origin { source: source.into(), epoch, sequence },
            performance: Performance { cpu_usage: Some(cpu), ..Performance::default() },
            received: Instant::now(),
            ttl: DEFAULT_TTL,
        }
    }

    #[test]
    fn reports_are_ordered_within_their_source() {
        let mut reports = Reports::default();
        assert_eq!(reports.take(1, report("a", 1, 5, 10.0)), Taken::Latest);
        assert_eq!(reports.take(1, report("a", 1, 4, 20.0)), Taken::OutOfOrder);
        assert_eq!(reports.take(1, report("a", 1, 5, 20.0)), Taken::OutOfOrder);
        assert_eq!(reports.take(1, report("a", 0, 9, 20.0)), Taken::OutOfOrder, "an older incarnation");
        assert_eq!(reports.take(1, report("b", 0, 1, 30.0)), Taken::Latest, "another source");
        assert_eq!(reports.take(1, report("a", 2, 1, 40.0)), Taken::Latest, "a new incarnation");
        assert_eq!(reports.take(1, report("a", 2, 0, 50.0)), Taken::Latest, "by arrival");
        let cpu: Vec<_> = reports.of(1).iter().map(|report| report.performance.cpu_usage).collect();
        assert_eq!(cpu, [Some(50.0), Some(30.0)]);
    }

    #[test]
    fn a_report_is_partial_but_a_restart_begins_anew() {
        let mut reports = Reports::default();
        reports.take(1, report("a", 1, 1, 10.0));
        let mut second = report("a", 1, 2, 0.0);
        second.performance = Performance { queue_depth: Some(3), ..Performance::default() };
        reports.take(1, second);
        let known = &reports.of(1)[0].performance;
        assert_eq!((known.cpu_usage, known.queue_depth), (Some(10.0), Some(3)));
        let mut restarted = report("a", 2, 1, 0.0);
        restarted.performance = Performance { queue_depth: Some(4), ..Performance::default() };
        reports.take(1, restarted);
        let known = &reports.of(1)[0].performance;
        assert_eq!((known.cpu_usage, known.queue_depth), (None, Some(4)));
    }

    #[test]
    fn names_of_custom_figures_do_not_pile_up() {
        let mut reports = Reports::default();
        let with = |sequence, names: std::ops::Range<usize>| {
            let mut report = report("a", 1, sequence, 1.0);
            report.performance.custom = names.map(|name| (name.to_string(), sequence as f64)).collect();
            report
        };
        assert_eq!(reports.take(1, with(1, 0..CUSTOM)), Taken::Latest);
        assert_eq!(reports.take(1, with(2, CUSTOM..CUSTOM + 1)), Taken::TooMuch(CUSTOM + 1));
        assert_eq!(reports.of(1)[0].origin.sequence, 1, "what is refused changes nothing");
        assert_eq!(reports.take(1, with(2, 0..CUSTOM)), Taken::Latest, "names that are known can be said for ever");
        assert_eq!(reports.take(2, with(1, 0..CUSTOM + 1)), Taken::TooMuch(CUSTOM + 1));
        let mut restarted = with(1, CUSTOM..2 * CUSTOM);
        restarted.origin.epoch = 2;
        assert_eq!(reports.take(1, restarted), Taken::Latest, "a new incarnation begins anew");
        assert_eq!(reports.of(1)[0].performance.custom.len(), CUSTOM);
    }

    #[test]
    fn sources_are_bounded_and_removed_backends_forgotten() {
        let mut reports = Reports::default();
        for index in 0..100 {
            reports.take(1, report(&index.to_string(), 0, 0, 1.0));
        }
        assert_eq!(reports.of(1).len(), SOURCES);
        assert!(reports.of(1).iter().any(|report| report.origin.source == "99"));
        reports.retain(|uid| uid != 1);
        assert!(reports.of(1).is_empty());
    }

    #[test]
    fn a_report_grows_stale() {
        let report = report("a", 0, 0, 1.0);
        assert!(!report.is_stale(report.received + DEFAULT_TTL));
        assert!(report.is_stale(report.received + DEFAULT_TTL + Duration::from_millis(1)));
    }
}
