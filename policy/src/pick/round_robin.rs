//! `round_robin`: in turn.

use super::Candidates;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct RoundRobin {
    /// Reduced to the number of candidates at each pick: that is how a seed becomes a starting point.
    next: usize,
}

impl RoundRobin {
    pub(super) fn new(seed: u64) -> Self {
        // Scattered, so that workers with neighbouring seeds still start apart; cut to usize on purpose.
        Self { next: crate::hash::scatter(seed) as usize }
    }

    /// The first available one from the turn on. The turn moves behind the one picked, not by one, so that the
    /// neighbour of an unavailable backend gets no double share.
    pub(super) fn pick(&mut self, set: &impl Candidates) -> Option<usize> {
        let len = set.len();
        let start = self.next.checked_rem(len)?;
        let picked = (start..len).chain(0..start).find(|&i| set.available(i))?;
        self.next = picked + 1;
        Some(picked)
    }
}
