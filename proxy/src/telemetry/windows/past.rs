//! The past as rings of slots: coarse for the long windows, sparse where little happens.

use std::collections::VecDeque;

use super::super::histogram::BUCKETS;
use super::{Counts, SPANS, Span, Window};

/// The rings behind the three windows.
#[derive(Debug, Default)]
pub(super) struct Past {
    seconds: Ring<10, 1>,
    tens: Ring<5, 10>,
    halves: Ring<9, 30>,
}

impl Past {
    pub(super) fn push(&mut self, delta: &Delta) {
        self.seconds.push(delta);
        self.tens.push(delta);
        self.halves.push(delta);
    }

    pub(super) fn windows(&self) -> [Window; 3] {
        SPANS.map(|span| {
            let mut window = Window::empty(span);
            match span {
                Span::TenSeconds => self.seconds.add_to(&mut window),
                Span::OneMinute => self.tens.add_to(&mut window),
                Span::FiveMinutes => self.halves.add_to(&mut window),
            }
            window
        })
    }
}

/// `SLOTS` full slots of `TICKS` ticks each, and the one being filled.
#[derive(Debug, Default)]
struct Ring<const SLOTS: usize, const TICKS: u32> {
    full: VecDeque<Delta>,
    filling: Delta,
}

impl<const SLOTS: usize, const TICKS: u32> Ring<SLOTS, TICKS> {
    fn push(&mut self, delta: &Delta) {
        self.filling.merge(delta);
        if self.filling.ticks >= TICKS {
            if self.full.len() == SLOTS {
                self.full.pop_front();
            }
            self.full.push_back(std::mem::take(&mut self.filling));
        }
    }

    fn add_to(&self, window: &mut Window) {
        for delta in self.full.iter().chain([&self.filling]) {
            window.take(delta);
        }
    }
}

/// What happened in some ticks; empty buckets cost nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Delta {
    pub(super) ticks: u32,
    pub(super) counts: Counts,
    pub(super) duration: Sparse,
    pub(super) first_byte: Sparse,
}

impl Delta {
    pub(super) fn merge(&mut self, other: &Self) {
        self.ticks += other.ticks;
        self.counts.add(&other.counts);
        self.duration.merge(&other.duration);
        self.first_byte.merge(&other.first_byte);
    }
}

/// The buckets of a histogram that hold something, by rising index.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparse(Vec<(u16, u32)>);

impl Sparse {
    pub(super) fn difference(now: &[u32; BUCKETS], before: Option<&[u32; BUCKETS]>) -> Self {
        let count = |index: usize| now[index].wrapping_sub(before.map_or(0, |before| before[index]));
        Self((0..BUCKETS).map(|index| (index as u16, count(index))).filter(|&(_, count)| count > 0).collect())
    }

    fn merge(&mut self, other: &Self) {
        for &(index, count) in &other.0 {
            match self.0.binary_search_by_key(&index, |&(index, _)| index) {
                Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
                Err(at) => self.0.insert(at, (index, count)),
            }
        }
    }

    pub(super) fn add_to(&self, counts: &mut [u32; BUCKETS]) {
        for &(index, count) in &self.0 {
            let sum = &mut counts[usize::from(index)];
            *sum = sum.saturating_add(count);
        }
    }
}
