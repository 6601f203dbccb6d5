//! Percentiles, medians, and medians of ratios within a round.

use hdrhistogram::Histogram;

/// The quantiles that are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantile {
    P50,
    P99,
    P999,
}

impl Quantile {
    fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
        }
    }
}

/// Latencies from 1 ns to two minutes, to three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    const LONGEST: u64 = 120_000_000_000;

    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, Self::LONGEST, 3).expect("the bounds are constants in range"))
    }

    /// `nanos` beyond two minutes counts as two minutes.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile in microseconds; 0 without a sample.
    pub(crate) fn micros(&self, quantile: Quantile) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_quantile(quantile.share()) as f64 / 1e3 }
    }
}

/// The middle value, or the mean of the two middle ones; none of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median of `ours[round] / theirs[round]` over the rounds in which both stand, and how many
/// those are. Ratios are taken inside a round because the machine drifts between rounds.
pub(crate) fn median_ratio(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<(f64, usize)> {
    paired(ours, theirs, |our, their| (their > 0.0).then(|| our / their))
}

/// The same for differences.
pub(crate) fn median_difference(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<(f64, usize)> {
    paired(ours, theirs, |our, their| Some(our - their))
}

fn paired(
    ours: &[Option<f64>],
    theirs: &[Option<f64>],
    combine: impl Fn(f64, f64) -> Option<f64>,
) -> Option<(f64, usize)> {
    let values: Vec<f64> = ours.iter().zip(theirs).filter_map(|(our, their)| combine((*our)?, (*their)?)).collect();
    median(&values).map(|value| (value, values.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_nothing() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }

    #[test]
    fn one_wild_value_does_not_move_the_median_far() {
        assert_eq!(median(&[1.0, 1.1, 1.2, 1.3, 1_000.0]), Some(1.2));
    }

    #[test]
    fn quantiles_of_a_known_spread() {
        let mut latencies = Latencies::new();
        for micros in 1..=10_000 {
            latencies.record(micros * 1_000);
        }
        for (quantile, expected) in [(Quantile::P50, 5_000.0), (Quantile::P99, 9_900.0), (Quantile::P999, 9_990.0)] {
            let found = latencies.micros(quantile);
            assert!((found - expected).abs() <= expected * 0.001, "{quantile:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn latencies_beyond_the_range_count_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 1);
        assert!((latencies.micros(Quantile::P50) - 120e6).abs() < 120e6 * 0.001);
    }

    /// The machine is twice as slow in round two; the ratio of medians would say 1.25 or 0.8.
    #[test]
    fn ratios_are_taken_inside_a_round() {
        let ours = [Some(10.0), Some(20.0), Some(9.0)];
        let theirs = [Some(8.0), Some(16.0), Some(7.2)];
        let (ratio, rounds) = median_ratio(&ours, &theirs).expect("three rounds");
        assert!((ratio - 1.25).abs() < 1e-12);
        assert_eq!(rounds, 3);
        // Round 1: 2.0, round 2: 0.5, round 3: 1.0.
        let (ratio, _) = median_ratio(&[Some(2.0), Some(10.0), Some(3.0)], &[Some(1.0), Some(20.0), Some(3.0)])
            .expect("three rounds");
        assert!((ratio - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_round_void_on_either_side_is_left_out() {
        let ours = [Some(1.0), None, Some(3.0), Some(8.0)];
        let theirs = [Some(2.0), Some(1.0), None, Some(4.0)];
        assert_eq!(median_ratio(&ours, &theirs), Some((1.25, 2))); // of 0.5 and 2.0
        assert_eq!(median_difference(&ours, &theirs), Some((1.5, 2))); // of -1 and 4
        assert_eq!(median_ratio(&[None], &[Some(1.0)]), None);
        assert_eq!(median_ratio(&[Some(1.0)], &[Some(0.0)]), None);
    }
}
