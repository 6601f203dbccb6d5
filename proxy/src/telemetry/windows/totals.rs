//! Everything counted since the start, in one place to take differences of.

use super::super::histogram::BUCKETS;
use super::Counts;
use super::past::{Delta, Sparse};
use crate::live::{BackendState, Live, RouteState};
use crate::reason::{Blame, Reason};
use crate::telemetry::cells::Cell;

/// Sums over the workers.
#[derive(Debug)]
pub(super) struct Totals {
    counts: Counts,
    duration: [u32; BUCKETS],
    first_byte: [u32; BUCKETS],
}

impl Totals {
    /// What a backend did.
    pub(super) fn of_backend(backend: &BackendState) -> Self {
        let mut totals = Self::zero();
        for cells in &backend.cells {
            totals.counts.requests += cells.finished.get() + cells.failed.get() + cells.cancelled.get();
            totals.counts.failed += cells.failed.get();
            totals.counts.cancelled += cells.cancelled.get();
            totals.add_classes(&cells.classes);
            totals.counts.bytes_sent += cells.bytes_sent.get();
            totals.counts.bytes_received += cells.bytes_received.get();
            cells.duration.add_to(&mut totals.duration);
            cells.first_byte.add_to(&mut totals.first_byte);
        }
        totals
    }

    /// What clients asked for, and what was refused before it had a route.
    pub(super) fn of_workers(live: &Live) -> Self {
        let mut totals = Self::zero();
        for cells in live.workers() {
            totals.counts.bytes_sent += cells.bytes_sent.get();
            totals.counts.bytes_received += cells.bytes_received.get();
            totals.add_reasons(&cells.unrouted);
            totals.add_statuses(&cells.unrouted);
            totals.counts.requests += cells.unrouted.iter().map(Cell::get).sum::<u64>();
        }
        totals
    }

    /// What became of the requests of a route.
    pub(super) fn of_route(route: &RouteState) -> Self {
        let mut totals = Self::zero();
        for cells in &route.cells {
            totals.add_classes(&cells.classes);
            totals.add_reasons(&cells.reasons);
            totals.counts.requests += cells.classes.iter().map(Cell::get).sum::<u64>();
            cells.duration.add_to(&mut totals.duration);
        }
        totals
    }

    /// What was added since `before`.
    pub(super) fn since(&self, before: Option<&Self>) -> Delta {
        Delta {
            ticks: 1,
            counts: before.map_or(self.counts, |before| self.counts.since(&before.counts)),
            duration: Sparse::difference(&self.duration, before.map(|before| &before.duration)),
            first_byte: Sparse::difference(&self.first_byte, before.map(|before| &before.first_byte)),
        }
    }

    fn zero() -> Self {
        Self { counts: Counts::default(), duration: [0; BUCKETS], first_byte: [0; BUCKETS] }
    }

    fn add_classes(&mut self, classes: &[Cell; 5]) {
        for (sum, class) in self.counts.classes.iter_mut().zip(classes) {
            *sum += class.get();
        }
    }

    /// Routes count classes themselves; who never had one is known by the reason alone.
    fn add_statuses(&mut self, reasons: &[Cell]) {
        for (reason, count) in Reason::ALL.iter().zip(reasons) {
            if let Some(class) = self.counts.classes.get_mut(usize::from(reason.status() / 100).wrapping_sub(1)) {
                *class += count.get();
            }
        }
    }

    fn add_reasons(&mut self, reasons: &[Cell]) {
        for (reason, count) in Reason::ALL.iter().zip(reasons) {
            match (reason, reason.row().blame) {
                (Reason::ClientClosed | Reason::Disconnected, _) => self.counts.cancelled += count.get(),
                (_, Blame::Backend | Blame::Proxy) => self.counts.failed += count.get(),
                (_, Blame::Client) => {}
            }
        }
    }
}
