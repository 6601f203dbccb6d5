//! A group of backends that tests can bend, and arithmetic for judging shares.

#![allow(dead_code, reason = "each test binary uses its own part")]

use speedmimi_policy::{Candidates, hash_key};

/// One backend as a picker sees it.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    pub(crate) available: bool,
    pub(crate) in_flight: u32,
    pub(crate) weight: u32,
    pub(crate) key: u64,
    pub(crate) factor: f32,
}

impl Backend {
    /// Available, idle, neutral, with the id `b{number}`.
    pub(crate) fn new(number: usize, weight: u32) -> Self {
        let key = hash_key(format!("b{number}").as_bytes());
        Self { available: true, in_flight: 0, weight, key, factor: 1.0 }
    }
}

/// Candidates by index.
#[derive(Debug, Clone)]
pub(crate) struct Group(pub(crate) Vec<Backend>);

impl Group {
    /// One backend a weight.
    pub(crate) fn of(weights: &[u32]) -> Self {
        Self(weights.iter().enumerate().map(|(i, &weight)| Backend::new(i, weight)).collect())
    }
}

impl Candidates for Group {
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
        self.0[i].factor
    }
}

/// Panics unless `counts` are what independent draws with these `shares` give, within four standard deviations.
#[track_caller]
pub(crate) fn assert_within_four_sigma(counts: &[u32], shares: &[f64]) {
    let n: f64 = counts.iter().copied().map(f64::from).sum();
    let whole: f64 = shares.iter().sum();
    for (i, (&count, share)) in counts.iter().zip(shares).enumerate() {
        let p = share / whole;
        let (mean, sigma) = (n * p, (n * p * (1.0 - p)).sqrt());
        assert!(
            (f64::from(count) - mean).abs() <= 4.0 * sigma,
            "backend {i} got {count}, expected {mean:.0} ± {:.0} (counts {counts:?}, shares {shares:?})",
            4.0 * sigma
        );
    }
}

/// Many cases, and no file of failures: a failure worth keeping becomes a test with a name.
pub(crate) fn config() -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases: 1_000, failure_persistence: None, ..Default::default() }
}
