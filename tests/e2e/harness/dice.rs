//! Chance that can be had again, and how long a soak goes on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long stress tests go on, in seconds: `SPEEDMIMI_SOAK_SECONDS`, 5 unless set.
pub fn soak_seconds() -> u64 {
    number("SPEEDMIMI_SOAK_SECONDS").unwrap_or(5)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// A stream of numbers that depends on its seed alone (SplitMix64); `SPEEDMIMI_SEED` sets it.
pub struct Dice {
    seed: u64,
    state: AtomicU64,
}

impl fmt::Display for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SPEEDMIMI_SEED={}", self.seed)
    }
}

impl Dice {
    /// With the seed of the environment, or a new one.
    pub fn new() -> Self {
        let now = || std::time::UNIX_EPOCH.elapsed().map_or(1, |elapsed| elapsed.as_micros() as u64 % 1_000_000_007);
        Self::seeded(number("SPEEDMIMI_SEED").unwrap_or_else(now))
    }

    fn seeded(seed: u64) -> Self {
        Self { seed, state: AtomicU64::new(seed) }
    }

    /// Dice of its own for one part of a test, so that the parts do not disturb each other.
    pub fn split(&self) -> Self {
        Self::seeded(self.next())
    }

    /// Dice that depend on these dice and the number alone.
    pub fn split_at(&self, number: u64) -> Self {
        Self::seeded(self.seed.wrapping_add(number.wrapping_mul(0xD1B5_4A32_D192_ED03)))
    }

    /// From `low` up to but not `high`.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    fn next(&self) -> u64 {
        let mut mixed =
            self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
