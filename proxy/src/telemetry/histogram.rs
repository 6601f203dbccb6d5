//! Durations in buckets whose width grows with the value, so that every quantile has the same relative error.
//!
//! Eight buckets an octave (the scheme of HdrHistogram with three significant bits): a quantile is at most 12.5 %
//! above the true value. One writer, any number of readers.

use std::sync::atomic::{AtomicU32, Ordering};

const SUB_BITS: u32 = 3;
const SUB: usize = 1 << SUB_BITS;
/// 2^36 µs is 19 hours; longer exchanges count in the last bucket.
const OCTAVES: usize = 34;
/// Number of buckets.
pub const BUCKETS: usize = OCTAVES * SUB;

/// Counts by duration; counts wrap at 2^32 and are meant to be read as differences.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU32; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU32::new(0) }; BUCKETS] }
    }
}

impl Histogram {
    /// Counts one duration. Only the owning worker may call this.
    #[inline]
    pub fn record(&self, micros: u64) {
        let count = &self.counts[bucket(micros)];
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Adds the counts to `into`, which a reader uses to sum over workers.
    pub fn add_to(&self, into: &mut [u32; BUCKETS]) {
        for (sum, count) in into.iter_mut().zip(&self.counts) {
            *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
        }
    }
}

/// The bucket of a duration.
#[inline]
pub fn bucket(micros: u64) -> usize {
    if micros < SUB as u64 {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    let sub = (micros >> (exponent - SUB_BITS)) as usize & (SUB - 1);
    (((exponent - SUB_BITS + 1) as usize) * SUB + sub).min(BUCKETS - 1)
}

/// The largest duration, in microseconds, that falls into a bucket.
pub fn upper_bound(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket / SUB - 1) as u32;
    let sub = (bucket % SUB) as u64;
    ((SUB as u64 + sub + 1) << shift) - 1
}

/// The duration, in microseconds, below or at which `quantile` (0..=1) of the counts lie; `None` when there are none.
pub fn quantile(counts: &[u32; BUCKETS], quantile: f64) -> Option<u64> {
    let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    if total == 0 {
        return None;
    }
    let rank = ((total as f64 * quantile).ceil() as u64).clamp(1, total);
    let mut seen = 0;
    for (index, &count) in counts.iter().enumerate() {
        seen += u64::from(count);
        if seen >= rank {
            return Some(upper_bound(index));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_their_bounds_agree() {
        for index in 0..BUCKETS - 1 {
            let top = upper_bound(index);
            assert_eq!(bucket(top), index, "upper bound of {index}");
            assert_eq!(bucket(top + 1), index + 1, "start of the bucket after {index}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_at_most_an_eighth_too_high() {
        let histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.record(micros);
        }
        let mut counts = [0; BUCKETS];
        histogram.add_to(&mut counts);
        for (q, exact) in [(0.5, 5_000.0), (0.9, 9_000.0), (0.99, 9_900.0)] {
            let found = quantile(&counts, q).expect("ten thousand counts") as f64;
            assert!(found >= exact && found <= exact * 1.125, "{q}: {found} for {exact}");
        }
        assert_eq!(quantile(&[0; BUCKETS], 0.5), None);
    }
}
