//! Who is next: one [`Picker`] for each worker, upstream and algorithm.

mod explain;
mod least;
mod lot;
mod rendezvous;
mod round_robin;
mod smooth;

use fastrand::Rng;

use crate::algorithm::{Algorithm, NotAvailable};

pub use explain::{Considered, Explanation, Order};
use lot::Lot;
use round_robin::RoundRobin;
use smooth::Smooth;

/// The backends of an upstream as a [`Picker`] sees them, by index 0..[`len`](Candidates::len).
///
/// A pick reads each candidate at most once or twice and keeps nothing of it, so the answers may come straight from
/// atomics that other workers change.
pub trait Candidates {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it may be picked now: enabled, up, not ejected, below its cap, not tried before by this exchange.
    fn available(&self, i: usize) -> bool;

    /// Its exchanges in flight, over all workers.
    fn in_flight(&self, i: usize) -> u32;

    /// Its weight, 1..=1000; 0 counts as 1.
    fn weight(&self, i: usize) -> u32;

    /// A stable hash of its id, see [`crate::hash_key`].
    fn key(&self, i: usize) -> u64;

    /// Its performance factor, 0.1..=2; 1.0 is neutral. What is not a positive number counts as 1.0.
    fn factor(&self, i: usize) -> f32;
}

/// Picks backends by one algorithm.
///
/// Whatever the algorithm, a pick is one pass over the candidates, allocates nothing in the steady state, never
/// returns one that is not available and returns one whenever any is. A pick promises no slot: the caller takes
/// one, and picks again if another worker was faster.
///
/// | algorithm | promises |
/// |---|---|
/// | `round_robin` | every available backend once in a cycle; each worker starts somewhere else |
/// | `weighted_round_robin` | in any cycle (as many picks as the weights sum to) exactly its weight, spread evenly |
/// | `weight` | probability in proportion to weight, each pick on its own |
/// | `random` | equal probability, each pick on its own |
/// | `ip_hash` | a key stays with its backend; shares of keys by weight; when a backend goes, only its keys move, and they return with it |
/// | `least_connections` | none has fewer in flight; ties are drawn, all alike |
/// | `least_connections_weight` | none has a smaller (in flight + 1) / weight; ties are drawn by weight |
/// | `performance_least_connections_weight` | none has a smaller (in flight + 1) / (weight × factor); ties are drawn by weight × factor |
///
/// Cycles and shares of the first two are those of one worker. With different weights, the `least_…_weight` two
/// send an exchange that finds everybody idle to the greatest weight: they balance load, not counts.
#[derive(Debug, Clone)]
pub struct Picker {
    algorithm: Algorithm,
    rng: Rng,
    memory: Memory,
}

/// What an algorithm remembers between picks.
#[derive(Debug, Clone)]
enum Memory {
    RoundRobin(RoundRobin),
    Smooth(Smooth),
    Weight,
    Random,
    Rendezvous,
    LeastConnections,
    LeastConnectionsWeight,
    PerformanceLeastConnectionsWeight,
}

impl Picker {
    /// A picker whose draws and starting point follow from `seed`: give each worker another one.
    ///
    /// # Errors
    /// [`NotAvailable`] for an algorithm that this version does not have.
    pub fn new(algorithm: Algorithm, seed: u64) -> Result<Self, NotAvailable> {
        let memory = match algorithm {
            Algorithm::RoundRobin => Memory::RoundRobin(RoundRobin::new(seed)),
            Algorithm::WeightedRoundRobin => Memory::Smooth(Smooth::new(seed)),
            Algorithm::Weight => Memory::Weight,
            Algorithm::Random => Memory::Random,
            Algorithm::IpHash => Memory::Rendezvous,
            Algorithm::LeastConnections => Memory::LeastConnections,
            Algorithm::LeastConnectionsWeight => Memory::LeastConnectionsWeight,
            Algorithm::PerformanceLeastConnectionsWeight => Memory::PerformanceLeastConnectionsWeight,
            Algorithm::ConsistentHash | Algorithm::FastestResponse => return Err(NotAvailable(algorithm)),
        };
        Ok(Self { algorithm, rng: Rng::with_seed(seed), memory })
    }

    /// The algorithm it picks by.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The index of the next backend, or `None` if none is available.
    ///
    /// `key` is what `ip_hash` goes by, see [`crate::hash_ip`]; the others ignore it.
    pub fn pick(&mut self, set: &impl Candidates, key: u64) -> Option<usize> {
        let rng = &mut self.rng;
        match &mut self.memory {
            Memory::RoundRobin(turn) => turn.pick(set),
            Memory::Smooth(smooth) => smooth.pick(set),
            Memory::Weight => draw(set, rng, |i| share(set, i)),
            Memory::Random => draw(set, rng, |_| 1.0),
            Memory::Rendezvous => rendezvous::pick(set, key),
            Memory::LeastConnections => least::pick(set, rng, |_| 1.0),
            Memory::LeastConnectionsWeight => least::pick(set, rng, |i| share(set, i)),
            Memory::PerformanceLeastConnectionsWeight => least::pick(set, rng, |i| share(set, i) * factor(set, i)),
        }
    }
}

/// One available candidate, drawn in proportion to `share`.
fn draw<C: Candidates>(set: &C, rng: &mut Rng, share: impl Fn(usize) -> f64) -> Option<usize> {
    let mut lot = Lot::default();
    let mut drawn = None;
    for i in (0..set.len()).filter(|&i| set.available(i)) {
        if lot.falls_on(share(i), rng) {
            drawn = Some(i);
        }
    }
    drawn
}

fn share(set: &impl Candidates, i: usize) -> f64 {
    f64::from(set.weight(i).max(1))
}

fn factor(set: &impl Candidates, i: usize) -> f64 {
    let factor = set.factor(i);
    if factor.is_finite() && factor > 0.0 { f64::from(factor) } else { 1.0 }
}
