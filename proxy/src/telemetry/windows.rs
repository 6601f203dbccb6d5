//! What happened in the last 10 seconds, minute and five minutes: rates and quantiles people can act on.
//!
//! Workers only ever count up. Once a second the control thread takes the difference of what they counted and puts
//! it into three rings: 10 × 1 s, 5 × 10 s, 9 × 30 s. A window is its ring plus the slot being filled, so it is
//! always fresh and covers at most its name: 10 s, 50..60 s, 270..300 s; rates divide by what is covered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::histogram::{self, BUCKETS};
use crate::live::{Live, RouteState};

mod past;
mod totals;

use past::{Delta, Past};
use totals::Totals;

/// How often [`Windows::sample`] must be called.
pub const TICK: Duration = Duration::from_secs(1);

/// Every window there is, shortest first.
pub const SPANS: [Span; 3] = [Span::TenSeconds, Span::OneMinute, Span::FiveMinutes];

/// The length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The last 10 s.
    TenSeconds,
    /// The last minute.
    OneMinute,
    /// The last five minutes.
    FiveMinutes,
}

impl Span {
    /// Its nominal length.
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::TenSeconds => 10,
            Self::OneMinute => 60,
            Self::FiveMinutes => 300,
        })
    }
}

/// Counts that windows keep, for a backend or for the whole server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges that ended.
    pub requests: u64,
    /// Exchanges that ended by the fault of the backend or ours.
    pub failed: u64,
    /// Exchanges that the client or an operator ended.
    pub cancelled: u64,
    /// Answers by first digit of the status, `[0]` is 1xx.
    pub classes: [u64; 5],
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        let mut classes = self.classes;
        for (now, before) in classes.iter_mut().zip(before.classes) {
            *now = now.wrapping_sub(before);
        }
        Self {
            requests: self.requests.wrapping_sub(before.requests),
            failed: self.failed.wrapping_sub(before.failed),
            cancelled: self.cancelled.wrapping_sub(before.cancelled),
            classes,
            bytes_sent: self.bytes_sent.wrapping_sub(before.bytes_sent),
            bytes_received: self.bytes_received.wrapping_sub(before.bytes_received),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }
}

/// One window, ready to be shown.
#[derive(Debug, Clone)]
pub struct Window {
    /// Which one it is.
    pub span: Span,
    /// The time it really covers; shorter than its span after a start.
    pub covered: Duration,
    /// What happened in it.
    pub counts: Counts,
    duration: Box<[u32; BUCKETS]>,
    first_byte: Box<[u32; BUCKETS]>,
}

impl Window {
    /// A window in which nothing happened.
    pub fn empty(span: Span) -> Self {
        Self {
            span,
            covered: Duration::ZERO,
            counts: Counts::default(),
            duration: Box::new([0; BUCKETS]),
            first_byte: Box::new([0; BUCKETS]),
        }
    }

    /// Adds what happened elsewhere in the same span.
    pub fn merge(&mut self, other: &Self) {
        self.covered = self.covered.max(other.covered);
        self.counts.add(&other.counts);
        merge_counts(&mut self.duration, &other.duration);
        merge_counts(&mut self.first_byte, &other.first_byte);
    }

    /// Exchanges a second; 0 before anything is covered.
    pub fn requests_per_second(&self) -> f64 {
        let seconds = self.covered.as_secs_f64();
        if seconds > 0.0 { self.counts.requests as f64 / seconds } else { 0.0 }
    }

    /// A quantile (0..=1) of durations; `None` when nothing ended in the window.
    pub fn duration(&self, quantile: f64) -> Option<Duration> {
        histogram::quantile(&self.duration, quantile).map(Duration::from_micros)
    }

    /// A quantile (0..=1) of times to the first byte; `None` when nothing began to be answered in the window.
    pub fn first_byte(&self, quantile: f64) -> Option<Duration> {
        histogram::quantile(&self.first_byte, quantile).map(Duration::from_micros)
    }

    fn take(&mut self, delta: &Delta) {
        self.covered += TICK * delta.ticks;
        self.counts.add(&delta.counts);
        delta.duration.add_to(&mut self.duration);
        delta.first_byte.add_to(&mut self.first_byte);
    }
}

fn merge_counts(into: &mut [u32; BUCKETS], from: &[u32; BUCKETS]) {
    for (sum, count) in into.iter_mut().zip(from) {
        *sum = sum.saturating_add(*count);
    }
}

/// The windows of every backend and of the server. One owner, the control thread.
#[derive(Debug, Default)]
pub struct Windows {
    backends: HashMap<u64, Series>,
    workers: Option<Box<Totals>>,
    routes: Vec<(Arc<RouteState>, Box<Totals>)>,
    server: Past,
}

impl Windows {
    /// Takes what happened since the last call. Forgets backends and routes that are gone.
    pub fn sample(&mut self, live: &Live) {
        let backends = live.backends();
        self.backends.retain(|uid, _| backends.iter().any(|backend| backend.uid == *uid));
        for backend in &backends {
            let series = self.backends.entry(backend.uid).or_default();
            series.past.push(&advance(&mut series.before, Totals::of_backend(backend)));
        }
        self.sample_server(live);
    }

    /// The three windows of a backend, by its uid; empty ones before the first sample.
    pub fn backend(&self, uid: u64) -> [Window; 3] {
        self.backends.get(&uid).map_or_else(|| SPANS.map(Window::empty), |series| series.past.windows())
    }

    /// The three windows of several backends together.
    pub fn backends(&self, uids: impl Iterator<Item = u64>) -> [Window; 3] {
        let mut sum = SPANS.map(Window::empty);
        for series in uids.filter_map(|uid| self.backends.get(&uid)) {
            for (sum, window) in sum.iter_mut().zip(series.past.windows()) {
                sum.merge(&window);
            }
        }
        sum
    }

    /// The three windows of the server, as its clients saw it.
    pub fn server(&self) -> [Window; 3] {
        self.server.windows()
    }

    /// Routes are compared one by one, by identity: a sum over all would fall when one is removed.
    fn sample_server(&mut self, live: &Live) {
        let mut delta = advance(&mut self.workers, Totals::of_workers(live));
        let mut before = std::mem::take(&mut self.routes);
        for route in live.routes() {
            let known = before.iter().position(|(old, _)| Arc::ptr_eq(old, &route));
            let mut old = known.map(|at| before.swap_remove(at).1);
            delta.merge(&Delta { ticks: 0, ..advance(&mut old, Totals::of_route(&route)) });
            self.routes.extend(old.map(|old| (route, old)));
        }
        self.server.push(&delta);
    }
}

/// The past five minutes of a backend.
#[derive(Debug, Default)]
struct Series {
    before: Option<Box<Totals>>,
    past: Past,
}

/// Replaces `before` by `now` and returns the difference. What was counted before the first look counts as happened
/// since: everything that is looked at begins at most a tick earlier.
fn advance(before: &mut Option<Box<Totals>>, now: Totals) -> Delta {
    let delta = now.since(before.as_deref());
    match before {
        Some(before) => **before = now,
        None => *before = Some(Box::new(now)),
    }
    delta
}

#[cfg(test)]
mod tests;
