//! How single values look.

use std::net::Ipv6Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::{Duration, Timestamp};

/// What became of something. `done` is as in "updated", `would` as in "would be updated".
/// What is not there yet has no revision.
pub(super) fn became(name: &str, done: &str, revision: u64, dry_run: bool) -> String {
    match (dry_run, revision) {
        (true, 0) => format!("{name} would be {done} (dry run)"),
        (true, revision) => format!("{name} would be {done} (dry run, revision {revision})"),
        (false, revision) => format!("{name} {done} (revision {revision})"),
    }
}

/// A value as people read it: a word without its quotes.
pub(super) fn plain(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// A number, or nothing.
pub(super) fn number(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// `host:port`, with brackets where they are needed.
pub(super) fn address(host: Option<&str>, port: Option<u32>) -> String {
    let host = host.unwrap_or_default();
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// A cap on exchanges; 0 or less is none.
pub(super) fn cap(value: Option<i32>) -> String {
    number(value.filter(|value| *value > 0))
}

/// The value of an enum without its prefix, in small letters: `HEALTH_STATE_UP` is `up`.
pub(super) fn choice(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => String::new(),
        rest => rest.to_ascii_lowercase(),
    }
}

/// A span with the unit that suits it.
pub(super) fn span(duration: Option<&Duration>) -> String {
    let Some(duration) = duration else { return String::new() };
    let seconds = duration.seconds as f64 + f64::from(duration.nanos) / 1e9;
    match seconds {
        s if s < 0.001 => format!("{:.0}us", s * 1e6),
        s if s < 1.0 => format!("{}ms", round(s * 1e3)),
        s if s < 120.0 && s != 60.0 => format!("{}s", round(s)),
        s if s < 7200.0 => format!("{:.0}m", (s / 60.0).floor()),
        s if s < 172_800.0 => format!("{:.0}h", (s / 3600.0).floor()),
        s => format!("{:.0}d", (s / 86_400.0).floor()),
    }
}

/// Two digits after the point at most.
pub(super) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A moment, as RFC 3339 writes it.
pub(super) fn moment(timestamp: Option<&Timestamp>) -> String {
    timestamp.map(ToString::to_string).unwrap_or_default()
}

/// A moment that is still to come, else nothing.
pub(super) fn future(timestamp: Option<&Timestamp>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    moment(timestamp.filter(|moment| u64::try_from(moment.seconds).is_ok_and(|seconds| seconds >= now)))
}

/// `key=value` of a map, in the order of keys.
pub(super) fn pairs<V: ToString>(map: &std::collections::BTreeMap<String, V>) -> String {
    let mut pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", value.to_string())).collect();
    pairs.sort();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_unit_that_suits_them() {
        let span = |seconds, nanos| span(Some(&Duration { seconds, nanos }));
        assert_eq!(span(0, 250_000), "250us");
        assert_eq!(span(0, 1_500_000), "1.5ms");
        assert_eq!(span(10, 0), "10s");
        assert_eq!(span(60, 0), "1m");
        assert_eq!(span(119, 0), "119s");
        assert_eq!(span(300, 0), "5m");
        assert_eq!(span(7200, 0), "2h");
        assert_eq!(span(172_800, 0), "2d");
    }

    #[test]
    fn what_would_be_added_has_no_revision() {
        assert_eq!(became("b", "added", 0, true), "b would be added (dry run)");
        assert_eq!(became("b", "updated", 6, true), "b would be updated (dry run, revision 6)");
        assert_eq!(became("b", "added", 7, false), "b added (revision 7)");
    }

    #[test]
    fn words_have_no_quotes_and_all_else_is_as_it_is() {
        assert_eq!((plain("\"30s\""), plain("200"), plain("[\"a\"]")), ("30s".into(), "200".into(), "[\"a\"]".into()));
        assert_eq!(plain("no json"), "no json");
    }

    #[test]
    fn addresses_and_caps() {
        assert_eq!(address(Some("10.0.0.1"), Some(80)), "10.0.0.1:80");
        assert_eq!(address(Some("::1"), Some(80)), "[::1]:80");
        assert_eq!(cap(Some(5)), "5");
        assert_eq!(cap(Some(-1)), "");
        assert_eq!(choice("ADMIN_STATE_ENABLED", "ADMIN_STATE_"), "enabled");
        assert_eq!(choice("ADMIN_STATE_UNSPECIFIED", "ADMIN_STATE_"), "");
    }
}
