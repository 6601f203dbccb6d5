//! Random numbers that callers hand in.

/// `unit_random` held to 0..=1; what is no number counts as 0.
pub(crate) fn within_unit(unit_random: f64) -> f64 {
    if unit_random >= 0.0 { unit_random.min(1.0) } else { 0.0 }
}
