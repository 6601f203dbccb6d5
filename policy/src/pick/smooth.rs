//! `weighted_round_robin`: in turn by weight, spread as evenly as possible.
//!
//! The smooth scheme known from nginx: everybody saves up its weight, the richest is picked and pays what all saved
//! in this round. With weights 5, 1, 1 that gives A A B A C A A instead of five A in a row. The savings always sum
//! to zero and are all zero again after a cycle (the sum of the weights, divided by what they have in common), so
//! every cycle is exact wherever it is cut.

use super::Candidates;

/// Savings by index.
#[derive(Debug)]
pub(super) struct Smooth {
    accounts: Vec<Account>,
    /// Where looking begins, hence who wins a tie: workers with other seeds start with other backends.
    seed: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    /// The weight it last saved by; 0 before the first time, which no candidate has.
    weight: u32,
    saved: i64,
}

impl Smooth {
    pub(super) fn new(seed: u64) -> Self {
        Self { accounts: Vec::new(), seed: crate::hash::scatter(seed) }
    }

    /// The richest available one after a round of saving.
    ///
    /// When the number of candidates or a weight has changed, everybody starts from zero again: old savings under
    /// new weights would be an unfair start of unknown length. What is not available neither saves nor pays.
    pub(super) fn pick(&mut self, set: &impl Candidates) -> Option<usize> {
        if self.accounts.len() != set.len() {
            self.accounts.clear();
            self.accounts.resize(set.len(), Account::default());
        }
        let mut round = self.save(set);
        if round.weights_changed {
            for account in &mut self.accounts {
                account.saved = 0;
            }
            round = self.save(set);
        }
        let richest = round.richest?;
        self.accounts[richest].saved -= round.total;
        Some(richest)
    }

    fn save(&mut self, set: &impl Candidates) -> Round {
        let mut round = Round { richest: None, total: 0, weights_changed: false };
        let mut most = i64::MIN;
        let len = self.accounts.len();
        let start = (self.seed % len.max(1) as u64) as usize;
        for i in (start..len).chain(0..start) {
            let account = &mut self.accounts[i];
            let weight = set.weight(i).max(1);
            round.weights_changed |= account.weight != weight;
            account.weight = weight;
            if !set.available(i) {
                continue;
            }
            account.saved += i64::from(weight);
            round.total += i64::from(weight);
            if account.saved > most {
                most = account.saved;
                round.richest = Some(i);
            }
        }
        round
    }
}

struct Round {
    richest: Option<usize>,
    total: i64,
    weights_changed: bool,
}
