//! Upstreams, and what became of changes to them.

use speedmimi_proto::v1::{ListUpstreamsResponse, Timeouts, UpstreamEntry};

use super::backend::check;
use super::text::{became, choice, number, span};
use super::{Block, View};

/// A row for each.
pub(crate) fn upstreams(response: &ListUpstreamsResponse) -> View {
    const HEADER: &[&str] = &["UPSTREAM", "ALGORITHM", "BACKENDS", "AVAILABLE", "IN-FLIGHT", "ROUTES", "REVISION"];
    View(vec![Block::Table { header: HEADER, rows: response.upstreams.iter().map(row).collect() }])
}

/// All there is to say about one.
pub(crate) fn upstream(entry: Option<&UpstreamEntry>) -> View {
    let Some(entry) = entry else { return View(Vec::new()) };
    let (upstream, status) = (entry.upstream.clone().unwrap_or_default(), entry.status.clone().unwrap_or_default());
    let pool = upstream.pool.unwrap_or_default();
    let mut rows = vec![
        ("upstream", upstream.name.clone()),
        ("algorithm", choice(upstream.load_balancer().as_str_name(), "LOAD_BALANCER_")),
    ];
    rows.extend(clocks(upstream.timeouts.as_ref()));
    rows.extend([
        ("idle connections kept", number(pool.max_idle)),
        ("kept for", span(pool.idle_timeout.as_ref())),
        ("requests a connection", number(pool.max_requests.filter(|count| *count > 0))),
        ("health check", upstream.health_check.as_ref().map(check).unwrap_or_default()),
        ("backends", status.backends.to_string()),
        ("available", status.available.to_string()),
        ("in flight", status.in_flight.to_string()),
        ("routes", status.routes.join(" ")),
        ("revision", status.revision.to_string()),
    ]);
    View(vec![Block::properties(rows)])
}

/// One line: what became of `entry`.
pub(crate) fn upstream_changed(entry: Option<&UpstreamEntry>, done: &str, revision: u64, dry_run: bool) -> View {
    let name = entry.and_then(|entry| entry.upstream.as_ref()).map_or("", |upstream| &upstream.name);
    View(vec![Block::Line(became(name, done, revision, dry_run))])
}

/// The four clocks; one that is off is a dash.
pub(super) fn clocks(timeouts: Option<&Timeouts>) -> [(&'static str, String); 4] {
    let clock = |pick: fn(&Timeouts) -> Option<&prost_types::Duration>| {
        let set = timeouts.and_then(pick).filter(|duration| **duration != prost_types::Duration::default());
        span(set)
    };
    [
        ("connect timeout", clock(|timeouts| timeouts.connect.as_ref())),
        ("first byte timeout", clock(|timeouts| timeouts.first_byte.as_ref())),
        ("idle timeout", clock(|timeouts| timeouts.idle.as_ref())),
        ("total timeout", clock(|timeouts| timeouts.total.as_ref())),
    ]
}

fn row(entry: &UpstreamEntry) -> Vec<String> {
    let (upstream, status) = (entry.upstream.clone().unwrap_or_default(), entry.status.clone().unwrap_or_default());
    vec![
        upstream.name.clone(),
        choice(upstream.load_balancer().as_str_name(), "LOAD_BALANCER_"),
        status.backends.to_string(),
        status.available.to_string(),
        status.in_flight.to_string(),
        status.routes.join(" "),
        status.revision.to_string(),
    ]
}
