//! A filter as logs tell it.

use std::fmt;
use std::time::Duration;

use super::StreamFilter;

/// Ids that are told; of more, how many there are.
const IDS: usize = 16;

impl fmt::Display for StreamFilter {
    /// `all`, or what has to hold: `upstream=default backend=b1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, backend, route, client, protocol, min_age, min_idle, ids, within } = self;
        let time = |time: &Duration| (!time.is_zero()).then(|| format!("{time:?}"));
        let ids = ids.as_ref().map(|ids| {
            let mut told: Vec<String> = ids.iter().take(IDS).map(ToString::to_string).collect();
            if ids.len() > IDS {
                told.push(format!("... ({} in all)", ids.len()));
            }
            told.join(",")
        });
        let parts = [
            ("upstream", upstream.clone()),
            ("backend", backend.clone()),
            ("route", route.clone()),
            ("client", client.map(|client| client.to_string())),
            ("protocol", protocol.map(|protocol| protocol.token().to_owned())),
            ("min_age", time(min_age)),
            ("min_idle", time(min_idle)),
            ("ids", ids),
            ("within", within.as_ref().map(|within| within.join(","))),
        ];
        let told: Vec<String> =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        formatter.write_str(if told.is_empty() { "all" } else { "" })?;
        formatter.write_str(&told.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn a_filter_is_told_in_words() {
        assert_eq!(StreamFilter::default().to_string(), "all");
        let filter = StreamFilter {
            upstream: Some("default".into()),
            client: Some("10.0.0.0/8".parse().expect("a network")),
            protocol: Some(Protocol::WebSocket),
            min_age: Duration::from_secs(90),
            ids: Some(vec!["0-1".parse().expect("an id"); 17]),
            ..StreamFilter::default()
        };
        let told = filter.to_string();
        assert!(
            told.starts_with("upstream=default client=10.0.0.0/8 protocol=websocket min_age=90s ids=0-1,"),
            "{told}"
        );
        assert!(told.ends_with(",... (17 in all)"), "{told}");
    }
}
