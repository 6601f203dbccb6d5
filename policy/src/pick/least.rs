//! `least_connections` and its two weighted forms: the smallest load for its share.

use fastrand::Rng;

use super::{Candidates, lot::Lot};

/// The available candidate with the smallest `(in_flight + 1) / share`; ties are drawn in proportion to share.
///
/// The `+ 1` is the exchange that asks: what counts is the load each would have with it. Ties are drawn by share and
/// not evenly, because backends that tie would be loaded equally *for their share* and should take up new exchanges
/// at that same rate. Quotients are compared by cross-multiplication, which is exact in `f64` for every allowed
/// weight (2^32 × 1000 < 2^53), so that equal loads do tie.
pub(super) fn pick<C: Candidates>(set: &C, rng: &mut Rng, share: impl Fn(usize) -> f64) -> Option<usize> {
    let mut picked: Option<(usize, f64, f64)> = None;
    let mut lot = Lot::default();
    for i in (0..set.len()).filter(|&i| set.available(i)) {
        let (load, share) = (f64::from(set.in_flight(i)) + 1.0, share(i));
        if let Some((_, least, its_share)) = picked {
            let (this, that) = (load * its_share, least * share);
            if this > that {
                continue;
            }
            if this < that {
                lot = Lot::default();
            }
        }
        if lot.falls_on(share, rng) {
            picked = Some((i, load, share));
        }
    }
    picked.map(|(i, ..)| i)
}
