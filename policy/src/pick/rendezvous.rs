//! `ip_hash`: every client address has its own ranking of the backends, and goes to the best available one.
//!
//! Weighted rendezvous hashing (Thaler & Ravishankar, "Using name-based mappings to increase hit rates", 1998; the
//! weights after Schindelhauer & Schomaker, "Weighted distributed hash tables", 2005): a backend's score for a key
//! is `-weight / ln(u)`, `u` uniform in (0, 1) from the hash of both. Scores do not depend on other backends, so
//! when one goes only its keys move, spread over the rest by weight, and they return when it does.

use super::{Candidates, share};
use crate::hash::scatter;

/// The available candidate with the greatest score for `key`.
pub(super) fn pick(set: &impl Candidates, key: u64) -> Option<usize> {
    let key = scatter(key);
    let mut best = 0.0;
    let mut picked = None;
    for i in (0..set.len()).filter(|&i| set.available(i)) {
        let uniform = unit(scatter(key ^ set.key(i)));
        let weight = share(set, i);
        // -ln(u) is at least 1 - u: most candidates are out of the race without a logarithm.
        if weight <= best * (1.0 - uniform) {
            continue;
        }
        let score = score(weight, uniform);
        if score > best {
            best = score;
            picked = Some(i);
        }
    }
    picked
}

/// The score of a candidate for `key`, as [`pick`] compares them.
pub(super) fn rank(set: &impl Candidates, i: usize, key: u64) -> f64 {
    score(share(set, i), unit(scatter(scatter(key) ^ set.key(i))))
}

#[inline]
fn score(weight: f64, uniform: f64) -> f64 {
    -weight / uniform.ln()
}

/// The upper 52 bits as a number strictly between 0 and 1.
fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}
