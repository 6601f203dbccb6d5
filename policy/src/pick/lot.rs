//! A fair draw among candidates that come by one at a time, their number and weights not known before.

use fastrand::Rng;

/// A weighted reservoir that keeps one: of all that came by, each is the kept one with probability in proportion
/// to its weight.
///
/// Instead of throwing dice for every candidate, it draws how much weight passes before the kept one changes: from
/// a total `W`, the chance to keep it until the total is `V` is `W/V`, so with a uniform `u` the change comes at
/// `W/u`. That takes about `ln n` draws for `n` candidates. (Efraimidis & Spirakis, "Weighted random sampling with
/// a reservoir", 2006, exponential jumps; here for a reservoir of one.)
#[derive(Debug, Default)]
pub(super) struct Lot {
    total: f64,
    change_at: f64,
}

impl Lot {
    /// Whether the next candidate takes the place of the kept one; the first always does. `weight` > 0.
    pub(super) fn falls_on(&mut self, weight: f64, rng: &mut Rng) -> bool {
        self.total += weight;
        if self.total <= self.change_at {
            return false;
        }
        let uniform = 1.0 - rng.f64(); // (0, 1]: never divides by zero
        self.change_at = self.total / uniform;
        true
    }
}
