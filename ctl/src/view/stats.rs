//! Figures.

use speedmimi_proto::v1::{GetBackendStatsResponse, GetServerStatsResponse, GetUpstreamStatsResponse, Totals, Window};

use super::text::{round, span};
use super::{Block, View};

/// Of the whole proxy.
pub(crate) fn server_stats(response: &GetServerStatsResponse) -> View {
    let counts = [
        ("connections", response.connections.to_string()),
        ("accepted", response.accepted.to_string()),
        ("active", response.active.to_string()),
        ("requests", response.requests.to_string()),
        ("retries", response.retries.to_string()),
        ("evicted", response.evicted.to_string()),
    ];
    let mut view = figures(counts, response.totals.as_ref(), &response.windows);
    if !response.reasons.is_empty() {
        let mut rows: Vec<Vec<String>> =
            response.reasons.iter().map(|(reason, count)| vec![reason.clone(), count.to_string()]).collect();
        rows.sort();
        view.0.push(Block::Table { header: &["REASON", "REQUESTS"], rows });
    }
    view
}

/// Of one upstream.
pub(crate) fn upstream_stats(response: &GetUpstreamStatsResponse) -> View {
    let counts = [
        ("upstream", response.upstream.clone()),
        ("backends", response.backends.to_string()),
        ("available", response.available.to_string()),
        ("in flight", response.in_flight.to_string()),
    ];
    figures(counts, response.totals.as_ref(), &response.windows)
}

/// Of one backend.
pub(crate) fn backend_stats(response: &GetBackendStatsResponse) -> View {
    let counts = [
        ("upstream", response.upstream.clone()),
        ("id", response.backend_id.clone()),
        ("in flight", response.in_flight.to_string()),
        ("admitted", response.admitted.to_string()),
        ("finished", response.finished.to_string()),
        ("failed", response.failed.to_string()),
        ("cancelled", response.cancelled.to_string()),
        ("connects", response.connects.to_string()),
        ("connect failures", response.connect_failures.to_string()),
        ("reuses", response.reuses.to_string()),
    ];
    figures(counts, response.totals.as_ref(), &response.windows)
}

fn figures(
    counts: impl IntoIterator<Item = (&'static str, String)>,
    totals: Option<&Totals>,
    windows: &[Window],
) -> View {
    let totals = totals.cloned().unwrap_or_default();
    let since_start = [
        ("1xx", totals.status_1xx),
        ("2xx", totals.status_2xx),
        ("3xx", totals.status_3xx),
        ("4xx", totals.status_4xx),
        ("5xx", totals.status_5xx),
        ("bytes received", totals.bytes_received),
        ("bytes sent", totals.bytes_sent),
    ];
    let rows = counts.into_iter().chain(since_start.map(|(name, count)| (name, count.to_string())));
    let mut blocks = vec![Block::properties(rows)];
    if !windows.is_empty() {
        const HEADER: &[&str] = &["WINDOW", "REQUESTS", "PER-SECOND", "4XX", "5XX", "P50", "P90", "P99"];
        blocks.push(Block::Table { header: HEADER, rows: windows.iter().map(window).collect() });
    }
    View(blocks)
}

fn window(window: &Window) -> Vec<String> {
    vec![
        span(window.length.as_ref()),
        window.requests.to_string(),
        round(window.requests_per_second).to_string(),
        window.client_errors.to_string(),
        window.server_errors.to_string(),
        span(window.p50.as_ref()),
        span(window.p90.as_ref()),
        span(window.p99.as_ref()),
    ]
}
