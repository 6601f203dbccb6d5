//! Backends, and what became of changes to them.

use prost_types::Timestamp;
use speedmimi_proto::v1::backend_drain::{OnDeadline, Phase, Then};
use speedmimi_proto::v1::{
    Backend, BackendDrain, BackendEntry, BackendStatus, BreakerState, DisconnectBackendResponse, Disconnected,
    HealthCheck, HealthCheckType, ListBackendsResponse, Performance, RemoveBackendResponse, ReportPerformanceResponse,
};

use crate::name::BackendName;

use super::text::{address, became, cap, choice, future, moment, number, pairs, span};
use super::{Block, View};

/// A row for each.
pub(crate) fn backends(response: &ListBackendsResponse) -> View {
    const HEADER: &[&str] =
        &["UPSTREAM", "ID", "ADDRESS", "WEIGHT", "STATE", "HEALTH", "IN-FLIGHT", "MAX-CONN", "REVISION"];
    View(vec![Block::Table { header: HEADER, rows: response.backends.iter().map(row).collect() }])
}

/// All there is to say about one.
pub(crate) fn backend(entry: Option<&BackendEntry>) -> View {
    let Some(entry) = entry else { return View(Vec::new()) };
    let (backend, status) = (entry.backend.clone().unwrap_or_default(), entry.status.clone().unwrap_or_default());
    let mut rows = vec![("upstream", entry.upstream.clone()), ("id", backend.id.clone())];
    rows.extend(configured(&backend));
    rows.extend(observed(&status));
    if let Some(report) = &status.report {
        let freshness = if report.fresh { "fresh" } else { "stale" };
        rows.push(("report", format!("{freshness}, {} old", span(report.age.as_ref()))));
        rows.push(("report source", report.source.clone()));
        rows.push(("report values", report.performance.as_ref().map(performance).unwrap_or_default()));
    }
    View(vec![Block::properties(rows)])
}

/// One line: what became of `entry`. `done` is as in "updated", `would` as in "would be updated".
pub(crate) fn changed(entry: Option<&BackendEntry>, done: &str, revision: u64, dry_run: bool) -> View {
    let name = entry.map(|entry| BackendName::from(entry).to_string()).unwrap_or_default();
    View(vec![Block::Line(became(&name, done, revision, dry_run))])
}

/// What was removed, and what went with it by force.
pub(crate) fn removed(response: &RemoveBackendResponse, force: bool, dry_run: bool) -> View {
    let View(mut blocks) = changed(response.backend.as_ref(), "removed", response.revision, dry_run);
    let status = response.backend.as_ref().and_then(|entry| entry.status.as_ref()).filter(|_| force);
    if let (Some(Block::Line(line)), Some(count @ 1..)) = (blocks.first_mut(), status.map(|status| status.in_flight)) {
        line.push_str(&ended(count, dry_run));
    }
    View(blocks)
}

/// What a disconnect ended.
pub(crate) fn cut(response: &DisconnectBackendResponse, dry_run: bool) -> View {
    let View(mut blocks) = changed(response.backend.as_ref(), "disconnected", response.revision, dry_run);
    if let Some(Block::Line(line)) = blocks.first_mut() {
        line.push_str(&ended(response.cut, dry_run));
    }
    View(blocks)
}

fn ended(count: u32, dry_run: bool) -> String {
    let noun = if count == 1 { "exchange" } else { "exchanges" };
    format!(", {count} {noun} {}", if dry_run { "in flight" } else { "cut" })
}

/// What became of a report.
pub(crate) fn reported(name: &BackendName, response: &ReportPerformanceResponse) -> View {
    View(vec![Block::Line(if response.accepted {
        format!("{name} report accepted")
    } else {
        format!("{name} report ignored: it is older than what is known of its source")
    })])
}

fn row(entry: &BackendEntry) -> Vec<String> {
    let backend = entry.backend.clone().unwrap_or_default();
    let status = entry.status.clone().unwrap_or_default();
    vec![
        entry.upstream.clone(),
        backend.id.clone(),
        address(backend.host.as_deref(), backend.port),
        number(backend.weight),
        state(&status),
        choice(status.health().as_str_name(), "HEALTH_STATE_"),
        status.in_flight.to_string(),
        cap(backend.max_conn.or(Some(status.effective_max_conn))),
        status.revision.to_string(),
    ]
}

/// What operators want of it, in a few words.
fn state(status: &BackendStatus) -> String {
    let mut words = Vec::new();
    if status.disconnected.is_some() {
        words.push("disconnected".to_owned());
    }
    if let Some(drain) = &status.drain {
        words.push(match drain.phase() {
            Phase::Drained => "drained".to_owned(),
            Phase::Failed => "drain failed".to_owned(),
            _ => "draining".to_owned(),
        });
        words.extend(then(drain).map(|then| format!("then {then}")));
    }
    if words.is_empty() { choice(status.admin_state().as_str_name(), "ADMIN_STATE_") } else { words.join(", ") }
}

fn then(drain: &BackendDrain) -> Option<&'static str> {
    match drain.then() {
        Then::Disable => Some("disable"),
        Then::Remove => Some("remove"),
        Then::None | Then::Unspecified => None,
    }
}

fn disconnected(disconnected: &Disconnected) -> (&'static str, String) {
    ("disconnected", did(&disconnected.who, disconnected.since.as_ref(), "until it is enabled"))
}

fn drain(drain: &BackendDrain) -> Vec<(&'static str, String)> {
    let mut far = choice(drain.phase().as_str_name(), "PHASE_");
    if !drain.detail.is_empty() {
        far = format!("{far}: {}", drain.detail);
    }
    let deadline = drain.deadline.as_ref().map(|deadline| {
        let what = if drain.on_deadline() == OnDeadline::Close { "is closed" } else { "may go on" };
        format!("{}, what is left then {what}", moment(Some(deadline)))
    });
    vec![
        ("drain", did(&drain.who, drain.begun_at.as_ref(), &format!("{far}, {} in flight", drain.remaining))),
        ("drain deadline", deadline.unwrap_or_default()),
        ("drain then", then(drain).unwrap_or("none").to_owned()),
    ]
}

/// Who did something, when, and what else there is to say; what is not known is left out.
fn did(who: &str, since: Option<&Timestamp>, rest: &str) -> String {
    let by = Some(format!("by {who}")).filter(|_| !who.is_empty());
    let since = since.map(|since| format!("since {}", moment(Some(since))));
    by.into_iter().chain(since).chain([rest.to_owned()]).collect::<Vec<_>>().join(", ")
}

fn configured(backend: &Backend) -> Vec<(&'static str, String)> {
    let labels = backend.labels.as_ref().map(|labels| pairs(&labels.entries)).unwrap_or_default();
    let mut rows = vec![
        ("name", backend.name.clone().unwrap_or_default()),
        ("address", address(backend.host.as_deref(), backend.port)),
        ("scheme", choice(backend.scheme().as_str_name(), "SCHEME_")),
        ("weight", number(backend.weight)),
        ("active", number(backend.active)),
        ("max_conn", cap(backend.max_conn)),
        ("labels", labels),
    ];
    rows.push(("health check", backend.health_check.as_ref().map(check).unwrap_or_default()));
    rows
}

fn observed(status: &BackendStatus) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("state", state(status)),
        ("health", choice(status.health().as_str_name(), "HEALTH_STATE_")),
        ("health detail", status.health_detail.clone()),
        ("health checked", moment(status.health_checked_at.as_ref())),
        ("avoided until", future(status.ejected_until.as_ref())),
        ("resolved", status.addresses.join(" ")),
        ("in flight", status.in_flight.to_string()),
        ("effective max_conn", cap(Some(status.effective_max_conn))),
        ("idle connections", status.idle_connections.to_string()),
        ("admitted", status.admitted.to_string()),
        ("finished", status.finished.to_string()),
        ("failed", status.failed.to_string()),
        ("cancelled", status.cancelled.to_string()),
        ("revision", status.revision.to_string()),
    ];
    // Below the state, what an operator did to it.
    let done = status.disconnected.as_ref().map(disconnected).into_iter();
    let done = done.chain(status.drain.as_ref().map(drain).into_iter().flatten());
    rows.splice(1..1, done);
    if matches!(status.breaker(), BreakerState::Open | BreakerState::HalfOpen) {
        rows.insert(1, ("breaker", choice(status.breaker().as_str_name(), "BREAKER_STATE_")));
    }
    rows
}

/// The parts of a check that are set.
pub(super) fn check(check: &HealthCheck) -> String {
    let mut parts = vec![match check.r#type() {
        HealthCheckType::Off => return "off".to_owned(),
        HealthCheckType::Tcp => "tcp".to_owned(),
        HealthCheckType::Unspecified | HealthCheckType::Http => {
            format!("GET {}", if check.path.is_empty() { "/" } else { &check.path })
        }
    }];
    let optional = [
        ("every", span(check.interval.as_ref())),
        ("timeout", span(check.timeout.as_ref())),
        ("expect", check.expect_status.clone()),
        ("failures", number(Some(check.failures).filter(|count| *count > 0))),
        ("successes", number(Some(check.successes).filter(|count| *count > 0))),
    ];
    parts.extend(
        optional.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key} {value}")),
    );
    parts.join(", ")
}

fn performance(performance: &Performance) -> String {
    let fixed = [
        ("cpu_usage", number(performance.cpu_usage)),
        ("memory_usage", number(performance.memory_usage)),
        ("load_avg_1", number(performance.load_avg_1)),
        ("load_avg_5", number(performance.load_avg_5)),
        ("load_avg_15", number(performance.load_avg_15)),
        ("cpu_count", number(performance.cpu_count)),
        ("queue_depth", number(performance.queue_depth)),
        ("free_slots", number(performance.free_slots)),
    ];
    let mut parts: Vec<String> =
        fixed.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key}={value}")).collect();
    parts.extend(Some(pairs(&performance.custom)).filter(|custom| !custom.is_empty()));
    parts.join(" ")
}
