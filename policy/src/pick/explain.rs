//! Why the next one is the next one: every candidate as the algorithm sees it, and whom it takes.
//!
//! Nothing of the rules stands here twice. The winner is what [`Picker::pick`] returns on a twin of the picker, and
//! scores come out of the functions that picks use; a test holds the two against each other.

use super::{Candidates, Memory, Picker, factor, least, rendezvous, share};

/// A pick that was looked into and not made.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Every candidate, by index.
    pub candidates: Vec<Considered>,
    /// Which end of the scores wins among those that are available.
    pub order: Order,
    /// Whom [`Picker::pick`] returns on the same state; none where none is available.
    pub winner: Option<usize>,
}

/// How scores are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lowest score wins; of several, one is drawn.
    LowestWins,
    /// The highest score wins.
    HighestWins,
    /// There is no score: one is drawn.
    Drawn,
}

/// One candidate as it was at that moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Considered {
    /// Whether it may be picked.
    pub available: bool,
    /// Its exchanges in flight.
    pub in_flight: u32,
    /// Its weight.
    pub weight: u32,
    /// Its performance factor as it counts: a positive number, 1.0 is neutral.
    pub factor: f64,
    /// The hash of its id.
    pub key: u64,
    /// What its score or its chance is measured by: its weight, that times its factor, or 1 where the algorithm
    /// ignores both.
    pub share: f64,
    /// What it is judged by: turns until its own (`round_robin`, 0 = now), picks it has saved up
    /// (`weighted_round_robin`), its rank for this key (`ip_hash`), `(in flight + 1) / share` (the `least_…` ones);
    /// none where it is only drawn.
    pub score: Option<f64>,
    /// Its chance of being drawn, 0..=1, where the algorithm draws; all of them sum to 1, or to 0 where none is
    /// available.
    pub chance: Option<f64>,
}

/// Candidates of one moment: an explanation and its pick must not see two.
struct Frozen(Vec<Considered>);

impl Candidates for Frozen {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn available(&self, i: usize) -> bool {
        self.0[i].available
    }
    fn in_flight(&self, i: usize) -> u32 {
        self.0[i].in_flight
    }
    fn weight(&self, i: usize) -> u32 {
        self.0[i].weight
    }
    fn key(&self, i: usize) -> u64 {
        self.0[i].key
    }
    fn factor(&self, i: usize) -> f32 {
        // It came from an f32.
        self.0[i].factor as f32
    }
}

impl Picker {
    /// Says what [`pick`](Self::pick) would return for the same candidates and the same key, and why, and leaves
    /// everything as it is: the draws of the next pick included.
    #[must_use]
    pub fn explain(&self, set: &impl Candidates, key: u64) -> Explanation {
        let mut frozen = Frozen((0..set.len()).map(|i| considered(set, i)).collect());
        let winner = self.clone().pick(&frozen, key);
        let shares: Vec<f64> = (0..frozen.len()).map(|i| self.share_of(&frozen, i)).collect();
        let (order, scores) = self.scores(&frozen, &shares, key);
        let chances = self.chances(&frozen, &shares);
        for (i, candidate) in frozen.0.iter_mut().enumerate() {
            candidate.share = shares[i];
            candidate.score = scores.get(i).copied();
            candidate.chance = chances.get(i).copied();
        }
        Explanation { candidates: frozen.0, order, winner }
    }

    /// What a score or a chance is measured by.
    fn share_of(&self, set: &Frozen, i: usize) -> f64 {
        match self.memory {
            Memory::RoundRobin(_) | Memory::Random | Memory::LeastConnections => 1.0,
            Memory::Smooth(_) | Memory::Weight | Memory::Rendezvous | Memory::LeastConnectionsWeight => share(set, i),
            Memory::PerformanceLeastConnectionsWeight => share(set, i) * factor(set, i),
        }
    }

    /// A score for each, or none at all.
    fn scores(&self, set: &Frozen, shares: &[f64], key: u64) -> (Order, Vec<f64>) {
        match &self.memory {
            Memory::RoundRobin(turn) => (Order::LowestWins, turn.waits(set.len())),
            Memory::Smooth(smooth) => (Order::HighestWins, smooth.savings(set)),
            Memory::Rendezvous => (Order::HighestWins, (0..set.len()).map(|i| rendezvous::rank(set, i, key)).collect()),
            Memory::Weight | Memory::Random => (Order::Drawn, Vec::new()),
            Memory::LeastConnections | Memory::LeastConnectionsWeight | Memory::PerformanceLeastConnectionsWeight => {
                let scores = shares.iter().enumerate().map(|(i, share)| least::load(set, i) / share);
                (Order::LowestWins, scores.collect())
            }
        }
    }

    /// A chance for each, where the algorithm draws.
    fn chances(&self, set: &Frozen, shares: &[f64]) -> Vec<f64> {
        let available = |i: &usize| set.available(*i);
        let in_the_draw: Vec<usize> = match self.memory {
            Memory::RoundRobin(_) | Memory::Smooth(_) | Memory::Rendezvous => return Vec::new(),
            Memory::Weight | Memory::Random => (0..set.len()).filter(available).collect(),
            Memory::LeastConnections | Memory::LeastConnectionsWeight | Memory::PerformanceLeastConnectionsWeight => {
                let beaten = |i: usize| {
                    let others = (0..set.len()).filter(available);
                    let mut others = others.map(|other| (least::load(set, other), shares[other]));
                    others.any(|(load, share)| least::compare(load, share, least::load(set, i), shares[i]).is_lt())
                };
                (0..set.len()).filter(available).filter(|&i| !beaten(i)).collect()
            }
        };
        let whole: f64 = in_the_draw.iter().map(|&i| shares[i]).sum();
        let chance = |i: usize| if in_the_draw.contains(&i) { shares[i] / whole } else { 0.0 };
        (0..set.len()).map(chance).collect()
    }
}

fn considered(set: &impl Candidates, i: usize) -> Considered {
    Considered {
        available: set.available(i),
        in_flight: set.in_flight(i),
        weight: set.weight(i),
        factor: factor(set, i),
        key: set.key(i),
        share: 1.0,
        score: None,
        chance: None,
    }
}
