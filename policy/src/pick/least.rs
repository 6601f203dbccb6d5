//! `least_connections` and its two weighted forms: the smallest load for its share.

use std::cmp::Ordering;

use fastrand::Rng;

use super::{Candidates, lot::Lot};

/// The available candidate with the smallest `(in_flight + 1) / share`; ties are drawn in proportion to share.
///
/// The `+ 1` is the exchange that asks: what counts is the load each would have with it. Ties are drawn by share and
/// not evenly, because backends that tie would be loaded equally *for their share* and should take up new exchanges
/// at that same rate.
pub(super) fn pick<C: Candidates>(set: &C, rng: &mut Rng, share: impl Fn(usize) -> f64) -> Option<usize> {
    let mut picked: Option<(usize, f64, f64)> = None;
    let mut lot = Lot::default();
    for i in (0..set.len()).filter(|&i| set.available(i)) {
        let (load, share) = (load(set, i), share(i));
        if let Some((_, least, its_share)) = picked {
            match compare(load, share, least, its_share) {
                Ordering::Greater => continue,
                Ordering::Less => lot = Lot::default(),
                Ordering::Equal => {}
            }
        }
        if lot.falls_on(share, rng) {
            picked = Some((i, load, share));
        }
    }
    picked.map(|(i, ..)| i)
}

/// What a candidate would carry with the exchange that asks.
#[inline]
pub(super) fn load(set: &impl Candidates, i: usize) -> f64 {
    f64::from(set.in_flight(i)) + 1.0
}

/// Compares `load / share` with `least / its_share` by cross-multiplication, which is exact in `f64` for every allowed
/// weight (2^32 × 1000 < 2^53), so that equal loads do tie.
#[inline]
pub(super) fn compare(load: f64, share: f64, least: f64, its_share: f64) -> Ordering {
    let (this, that) = (load * its_share, least * share);
    // Neither is NaN: loads and shares are positive and finite.
    if this > that {
        Ordering::Greater
    } else if this < that {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}
