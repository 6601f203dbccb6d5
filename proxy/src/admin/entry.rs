//! A backend as the API shows it: what is configured, and what is observed.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use speedmimi_model::{Algorithm, Backend, HealthCheck, HealthCheckKind, Kind, Scheme};
use speedmimi_policy::effective_cap;
use speedmimi_proto::v1;
use tonic::Status;

use super::status;
use crate::control::feed::Seen;
use crate::control::reports::{Performance, Report};
use crate::control::{Admin, Control, Object, Store};
use crate::live::{BackendState, Health};

mod kept_out;
pub(super) mod route;
pub(super) mod source;
pub(super) mod upstream;

/// Finds a backend of a store, or says what there is.
pub(super) fn find<'a>(store: &'a Store, upstream: &str, id: &str) -> Result<&'a Arc<Backend>, Status> {
    let config = store.config();
    let Some(group) = config.upstreams.get(upstream) else {
        return Err(status::not_found(Kind::Upstream, upstream, config.upstreams.keys().cloned().collect()));
    };
    group.backends.iter().find(|backend| backend.id == id).ok_or_else(|| {
        let known = group.backends.iter().map(|backend| format!("{upstream}/{}", backend.id)).collect();
        status::not_found(Kind::Backend, &format!("{upstream}/{id}"), known)
    })
}

/// The entry of a backend of a store.
pub(super) fn entry(control: &Control, store: &Store, upstream: &str, backend: &Backend) -> v1::BackendEntry {
    v1::BackendEntry {
        upstream: upstream.to_owned(),
        backend: Some(configured(backend)),
        status: Some(observed(control, store, upstream, backend)),
    }
}

fn configured(backend: &Backend) -> v1::Backend {
    let scheme = match backend.scheme {
        Scheme::Http => v1::Scheme::Http,
    };
    v1::Backend {
        id: backend.id.clone(),
        name: backend.name.clone(),
        host: Some(backend.host.clone()),
        port: Some(backend.port.into()),
        weight: Some(backend.weight),
        scheme: Some(scheme.into()),
        active: Some(backend.active),
        max_conn: Some(backend.max_conn),
        backup: Some(false),
        labels: Some(v1::Labels { entries: backend.labels.clone().into_iter().collect() }),
        health_check: backend.health_check.as_ref().map(health_check),
    }
}

fn health_check(check: &HealthCheck) -> v1::HealthCheck {
    let kind = match check.kind {
        HealthCheckKind::Http => v1::HealthCheckType::Http,
        HealthCheckKind::Tcp => v1::HealthCheckType::Tcp,
    };
    v1::HealthCheck {
        r#type: kind.into(),
        path: check.path.clone(),
        expect_status: check.expect_status.to_string(),
        interval: Some(duration(check.interval)),
        timeout: Some(duration(check.timeout)),
        failures: check.failures,
        successes: check.successes,
    }
}

fn observed(control: &Control, store: &Store, upstream: &str, backend: &Backend) -> v1::BackendStatus {
    let object = Object::Backend { upstream: upstream.to_owned(), id: backend.id.clone() };
    // What a backend will be like that no worker knows yet: an answer may be written before it is published.
    let checked = store.config().upstreams.get(upstream).is_some_and(|group| backend.health_check(group).is_some());
    let expected = if checked { v1::HealthState::Unknown } else { v1::HealthState::Up };
    let cap = effective_cap(&[i64::from(backend.max_conn)]);
    let common = v1::BackendStatus {
        admin_state: admin_state(store.admin_of(upstream, backend)).into(),
        effective_max_conn: i32::try_from(cap).unwrap_or(i32::MAX),
        health: expected.into(),
        breaker: v1::BreakerState::Closed.into(),
        revision: store.revision_of(&object),
        drain: kept_out::drain(control, store, upstream, &backend.id),
        disconnected: kept_out::disconnected(control, store, upstream, &backend.id),
        ..v1::BackendStatus::default()
    };
    let Some(state) = control.live().find_backend(upstream, &backend.id) else { return common };
    let finding = control.finding(state.uid);
    let slots = state.slots.view();
    v1::BackendStatus {
        health: health(state.health()).into(),
        in_flight: slots.in_flight,
        admitted: state.total(|cells| cells.admitted.get()),
        finished: state.total(|cells| cells.finished.get()),
        failed: state.total(|cells| cells.failed.get()),
        cancelled: state.total(|cells| cells.cancelled.get()),
        idle_connections: u32::try_from(state.total(|cells| cells.idle.get())).unwrap_or(u32::MAX),
        addresses: addresses(control, upstream, &state),
        health_detail: finding.as_ref().map(|finding| finding.detail.clone()).unwrap_or_default(),
        health_checked_at: finding.map(|finding| finding.at.into()),
        ejected_until: ejected_until(control, &state),
        report: control.reports().lock().of(state.uid).first().map(report),
        ..common
    }
}

/// A backend as a watch shows it: what is configured, and of what is observed that which does not change all the time.
pub(super) fn seen(seen: &Seen) -> v1::BackendEntry {
    let status = v1::BackendStatus {
        admin_state: admin_state(seen.admin).into(),
        health: health(seen.health).into(),
        breaker: v1::BreakerState::Closed.into(),
        effective_max_conn: i32::try_from(effective_cap(&[seen.backend.max_conn.into()])).unwrap_or(i32::MAX),
        revision: seen.revision,
        addresses: seen.addresses.iter().map(ToString::to_string).collect(),
        health_detail: seen.finding.as_ref().map(|finding| finding.detail.clone()).unwrap_or_default(),
        health_checked_at: seen.finding.as_ref().map(|finding| finding.at.into()),
        ejected_until: seen.ejected_until.map(Into::into),
        drain: seen.drain.as_ref().map(kept_out::wanted),
        disconnected: seen.disconnected.then(|| kept_out::cut(seen.cut.as_ref())),
        ..v1::BackendStatus::default()
    };
    v1::BackendEntry { upstream: seen.upstream.clone(), backend: Some(configured(&seen.backend)), status: Some(status) }
}

fn admin_state(admin: Admin) -> v1::AdminState {
    match admin {
        Admin::Enabled => v1::AdminState::Enabled,
        Admin::Disabled => v1::AdminState::Disabled,
        Admin::Draining => v1::AdminState::Draining,
    }
}

/// What active checks say, on the wire.
pub(super) fn health(health: Health) -> v1::HealthState {
    match health {
        Health::Up => v1::HealthState::Up,
        Health::Down => v1::HealthState::Down,
        Health::Unknown => v1::HealthState::Unknown,
    }
}

/// Where connections go, as workers were told.
fn addresses(control: &Control, upstream: &str, state: &BackendState) -> Vec<String> {
    let view = control.view();
    let group = view.snapshot.upstreams.iter().find(|group| &*group.name == upstream);
    let backend = group.and_then(|group| group.backends.iter().find(|backend| backend.state.uid == state.uid));
    backend.map(|backend| backend.addresses.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn ejected_until(control: &Control, state: &BackendState) -> Option<prost_types::Timestamp> {
    let now = control.live().origin.elapsed().as_millis() as u64;
    let left = state.passive.until().checked_sub(now).filter(|&left| left > 0)?;
    Some((SystemTime::now() + Duration::from_millis(left)).into())
}

/// A report as it is shown.
pub(super) fn report(report: &Report) -> v1::ReportStatus {
    let now = Instant::now();
    v1::ReportStatus {
        performance: Some(performance(&report.performance)),
        source: report.origin.source.clone(),
        age: Some(duration(now.saturating_duration_since(report.received))),
        fresh: !report.is_stale(now),
    }
}

fn performance(known: &Performance) -> v1::Performance {
    let [load_avg_1, load_avg_5, load_avg_15] = known.load_avg;
    v1::Performance {
        cpu_usage: known.cpu_usage,
        memory_usage: known.memory_usage,
        load_avg_1,
        load_avg_5,
        load_avg_15,
        cpu_count: known.cpu_count,
        queue_depth: known.queue_depth,
        free_slots: known.free_slots,
        custom: known.custom.clone().into_iter().collect(),
    }
}

/// An algorithm on the wire.
pub(super) fn load_balancer(algorithm: Algorithm) -> i32 {
    let name = format!("LOAD_BALANCER_{}", algorithm.as_str().to_ascii_uppercase());
    v1::LoadBalancer::from_str_name(&name).unwrap_or_default().into()
}

/// A duration on the wire; the longest there is where it does not fit.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}
