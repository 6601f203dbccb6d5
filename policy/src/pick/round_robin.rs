//! `round_robin`: in turn.

use super::Candidates;

/// Whose turn it is.
#[derive(Debug, Clone)]
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
        let picked = self.order(set.len()).find(|&i| set.available(i))?;
        self.next = picked + 1;
        Some(picked)
    }

    /// How many others, by index, have their turn before it: 0 has it now.
    pub(super) fn waits(&self, len: usize) -> Vec<f64> {
        let mut waits = vec![0.0; len];
        for (wait, i) in self.order(len).enumerate() {
            waits[i] = wait as f64;
        }
        waits
    }

    /// All indexes once, beginning with whose turn it is.
    fn order(&self, len: usize) -> impl Iterator<Item = usize> + use<> {
        let start = self.next.checked_rem(len).unwrap_or(0);
        (start..len).chain(0..start)
    }
}
