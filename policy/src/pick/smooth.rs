//! `weighted_round_robin`: in turn by weight, spread as evenly as possible.
//!
//! The smooth scheme known from nginx: in every round each candidate saves up its weight, the richest is picked and
//! pays what all saved in this round. With weights 5, 1, 1 that gives A A B A C A A instead of five A in a row.
//! Savings always sum to zero and are all zero again after a cycle (the sum of the weights, divided by what they
//! have in common), so every cycle is exact wherever it is cut.
//!
//! Savings only mean something against the sum of a round: 100 is a whole pick where 100 are paid and a tenth where
//! 1000 are. When that sum changes (a backend full, gone or back, another weight), they are converted, so that what
//! is owed stays the same fraction of a pick. Unconverted, a light backend could be owed hundreds of picks in a row
//! when a heavy one leaves.

use super::Candidates;

/// Savings by index.
#[derive(Debug, Clone)]
pub(super) struct Smooth {
    accounts: Vec<Account>,
    /// What the last pick cost; 0 before the first.
    price: i64,
    /// Where looking begins, hence who wins a tie: workers with other seeds start with other backends.
    seed: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    saved: i64,
    /// What it saved in the last round; 0 = was not available, took no part.
    income: i64,
}

/// What a weight of 1 saves in a round. More than 1, so that converting loses next to nothing to rounding.
const UNIT: i64 = 1 << 16;

impl Smooth {
    pub(super) fn new(seed: u64) -> Self {
        Self { accounts: Vec::new(), price: 0, seed: crate::hash::scatter(seed) }
    }

    /// The richest available one after a round of saving. What is not available neither saves nor pays.
    ///
    /// When the number of candidates has changed, everybody starts from zero: indexes name others than before.
    pub(super) fn pick(&mut self, set: &impl Candidates) -> Option<usize> {
        let (richest, price) = self.round(set)?;
        self.accounts[richest].saved -= price;
        Some(richest)
    }

    /// What each has saved by index, in picks, once the next round has been saved for.
    pub(super) fn savings(&self, set: &impl Candidates) -> Vec<f64> {
        let mut twin = self.clone();
        let price = twin.round(set).map_or(1, |(_, price)| price);
        twin.accounts.iter().map(|account| account.saved as f64 / price as f64).collect()
    }

    /// A round of saving, at the price that it makes; returns who is richest then, and the price.
    #[inline]
    fn round(&mut self, set: &impl Candidates) -> Option<(usize, i64)> {
        if self.accounts.len() != set.len() {
            self.accounts.clear();
            self.accounts.resize(set.len(), Account::default());
            self.price = 0;
        }
        let (mut richest, price) = self.save(set);
        if price != self.price && richest.is_some() {
            richest = self.convert(price);
        }
        Some((richest?, price))
    }

    /// A round of saving; returns who is richest now, and the sum that was saved.
    fn save(&mut self, set: &impl Candidates) -> (Option<usize>, i64) {
        let mut price = 0;
        let mut richest = Richest::default();
        for i in self.order() {
            let account = &mut self.accounts[i];
            account.income = if set.available(i) { i64::from(set.weight(i).max(1)) * UNIT } else { 0 };
            account.saved += account.income;
            price += account.income;
            richest.meet(i, account);
        }
        (richest.index, price)
    }

    /// Restates what was saved before this round in terms of its price; returns who is richest then.
    fn convert(&mut self, price: i64) -> Option<usize> {
        let before = i128::from(if self.price == 0 { price } else { self.price });
        self.price = price;
        let mut richest = Richest::default();
        for i in self.order() {
            let account = &mut self.accounts[i];
            let owed = i128::from(account.saved - account.income) * i128::from(price) / before;
            account.saved = i64::try_from(owed).unwrap_or_default() + account.income;
            richest.meet(i, account);
        }
        richest.index
    }

    /// All indexes once, beginning where the seed says.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let len = self.accounts.len();
        let start = (self.seed % len.max(1) as u64) as usize;
        (start..len).chain(0..start)
    }
}

#[derive(Default)]
struct Richest {
    index: Option<usize>,
    saved: i64,
}

impl Richest {
    fn meet(&mut self, i: usize, account: &Account) {
        if account.income > 0 && (self.index.is_none() || account.saved > self.saved) {
            *self = Self { index: Some(i), saved: account.saved };
        }
    }
}
