//! How single values are written.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use speedmimi_proto::v1::LoadBalancer;

/// The longest duration that is taken: a year.
const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;

/// A duration: a number with ms, s, m or h; without one of them, seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("unknown unit {other:?}: write ms, s, m or h, as in 500ms or 10s")),
    };
    let number: f64 = digits.parse().map_err(|_| "write a number and a unit, as in 500ms or 10s".to_owned())?;
    let seconds = number * unit;
    if !(0.0..=LONGEST_SECONDS).contains(&seconds) {
        return Err("it must not be negative, nor longer than a year".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A duration, or off, which the API has as a duration of nothing.
pub(super) fn duration_or_off(text: &str) -> Result<Duration, String> {
    if text == "off" { Ok(Duration::ZERO) } else { duration(text).map_err(|told| format!("{told}; or off")) }
}

/// A whole number of any kind, from 0 unless the flag takes negative ones.
pub(super) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    number(text, "a whole number")
}

/// A port.
pub(super) fn port(text: &str) -> Result<u32, String> {
    number(text, "a port, 1..65535")
}

/// A weight.
pub(super) fn weight(text: &str) -> Result<u32, String> {
    number(text, "a whole number, 1..1000")
}

/// A part of a hundred.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    number(text, "a number, 0..100")
}

/// A number of any kind.
pub(super) fn real(text: &str) -> Result<f64, String> {
    number(text, "a number, as in 1.5")
}

/// Only what is no number is refused here: whether it fits is for the proxy to say, of everything at once.
fn number<T: FromStr>(text: &str, allowed: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("write {allowed}"))
}

/// The algorithms of this version, by the names of the file.
const ALGORITHMS: [&str; 8] = [
    "round_robin",
    "weighted_round_robin",
    "weight",
    "random",
    "ip_hash",
    "least_connections",
    "least_connections_weight",
    "performance_least_connections_weight",
];

/// An algorithm.
pub(super) fn algorithm() -> impl TypedValueParser<Value = LoadBalancer> {
    PossibleValuesParser::new(ALGORITHMS).map(|name| wire_algorithm(&name))
}

fn wire_algorithm(name: &str) -> LoadBalancer {
    LoadBalancer::from_str_name(&format!("LOAD_BALANCER_{}", name.to_ascii_uppercase())).unwrap_or_default()
}

/// A duration in which something can happen.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        timeout => Ok(timeout),
    }
}

/// Time between two looks: not so short that looking is a load.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let period = duration(text)?;
    if period < Duration::from_millis(100) { Err("at least 0.1 seconds".to_owned()) } else { Ok(period) }
}

/// `K=V`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// `K=V` where V is a finite number.
pub(super) fn measure(text: &str) -> Result<(String, f64), String> {
    let (key, value) = pair(text)?;
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((key, number)),
        _ => Err("write KEY=NUMBER".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "s", "-1s", "1d", "nan", "inf", "1e300h", "ten"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(timeout("0s").is_err());
        assert!(period("0").is_err());
    }

    #[test]
    fn a_clock_can_be_off() {
        assert_eq!(duration_or_off("off"), Ok(Duration::ZERO));
        assert_eq!(duration_or_off("3s"), Ok(Duration::from_secs(3)));
        assert!(duration_or_off("never").is_err());
    }

    #[test]
    fn every_algorithm_has_a_name_on_the_wire() {
        for name in ALGORITHMS {
            assert_ne!(wire_algorithm(name), LoadBalancer::Unspecified, "{name}");
        }
    }

    #[test]
    fn pairs_split_at_the_first_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
        assert_eq!(measure("gpu=0.5"), Ok(("gpu".to_owned(), 0.5)));
        assert!(measure("gpu=NaN").is_err());
    }
}
