//! Requests into valid types: what cannot be meant is found here, all of it at once, with the field's name.

use std::time::Duration;

use speedmimi_model::{BackendPatch, HealthCheck, HealthCheckKind, Patch, Scheme, StatusRanges};
use speedmimi_proto::v1;

use super::status::Violations;
use crate::control::Guard;

/// Fields of a backend that an update may name.
const FIELDS: [&str; 10] =
    ["name", "host", "port", "weight", "scheme", "active", "max_conn", "backup", "labels", "health_check"];

/// The name of an upstream; empty is `default`.
pub(super) fn upstream(name: &str) -> &str {
    if name.is_empty() { "default" } else { name }
}

/// The id of a backend that exists.
pub(super) fn backend_id<'a>(field: &str, id: &'a str, violations: &mut Violations) -> &'a str {
    if id.is_empty() {
        violations.push(field, "is needed");
    }
    id
}

/// Conditions of a change.
pub(super) fn guard(options: Option<v1::MutationOptions>, violations: &mut Violations) -> Guard {
    let options = options.unwrap_or_default();
    if !options.request_id.is_empty() {
        violations.push("options.request_id", "not available in this version; leave it empty");
    }
    Guard { validate_only: options.validate_only, expected_revision: options.expected_revision }
}

/// What an update does to each field: those in the mask, or those that are set where there is no mask. A field in the
/// mask that is not set goes back to the file's value.
pub(super) fn patch(
    backend: v1::Backend,
    mask: Option<prost_types::FieldMask>,
    violations: &mut Violations,
) -> BackendPatch {
    let mask = mask.map(|mask| mask.paths);
    for (index, path) in mask.iter().flatten().enumerate() {
        if !FIELDS.contains(&path.as_str()) {
            let field = format!("update_mask.paths[{index}]");
            violations.push(&field, format!("{path:?} is not one of {}", FIELDS.join(", ")));
        }
    }
    let masked = |field: &str| mask.as_ref().map(|paths| paths.iter().any(|path| path == field));
    if masked("backup") != Some(false) && backend.backup == Some(true) {
        violations.push("backend.backup", "true is not available in this version; false is");
    }
    let scheme = backend.scheme.and_then(|number| scheme(number, violations));
    let health_check = backend.health_check.map(|check| health_check(check, violations));
    BackendPatch {
        name: decide(backend.name, masked("name")),
        host: decide(backend.host, masked("host")),
        port: decide(backend.port, masked("port")),
        weight: decide(backend.weight, masked("weight")),
        scheme: decide(scheme, masked("scheme")),
        active: decide(backend.active, masked("active")),
        max_conn: decide(backend.max_conn, masked("max_conn")),
        labels: decide(backend.labels.map(|labels| labels.entries.into_iter().collect()), masked("labels")),
        health_check: decide(health_check.map(Some), masked("health_check")),
    }
}

fn decide<T>(value: Option<T>, masked: Option<bool>) -> Patch<T> {
    match (value, masked) {
        (Some(value), None | Some(true)) => Patch::Set(value),
        (None, Some(true)) => Patch::Reset,
        (_, Some(false)) | (None, None) => Patch::Keep,
    }
}

fn scheme(number: i32, violations: &mut Violations) -> Option<Scheme> {
    match v1::Scheme::try_from(number) {
        Ok(v1::Scheme::Http) => Some(Scheme::Http),
        Ok(v1::Scheme::Unspecified) => None,
        Err(_) => {
            violations.push("backend.scheme", format!("{number} is not available in this version; SCHEME_HTTP is"));
            None
        }
    }
}

fn health_check(check: v1::HealthCheck, violations: &mut Violations) -> HealthCheck {
    let default = HealthCheck::default();
    let kind = match v1::HealthCheckType::try_from(check.r#type) {
        Ok(v1::HealthCheckType::Tcp) => HealthCheckKind::Tcp,
        Ok(v1::HealthCheckType::Http | v1::HealthCheckType::Unspecified) => HealthCheckKind::Http,
        Err(_) => {
            let allowed = "HEALTH_CHECK_TYPE_HTTP and HEALTH_CHECK_TYPE_TCP are";
            violations
                .push("backend.health_check.type", format!("{} is not available in this version; {allowed}", check.r#type));
            HealthCheckKind::Http
        }
    };
    let expect_status = if check.expect_status.is_empty() {
        StatusRanges::default()
    } else {
        check.expect_status.parse().unwrap_or_else(|description: String| {
            violations.push("backend.health_check.expect_status", description);
            StatusRanges::default()
        })
    };
    let mut time = |field: &str, given: Option<prost_types::Duration>, default: Duration| {
        given.map_or(default, |given| {
            duration(given).unwrap_or_else(|description| {
                violations.push(&format!("backend.health_check.{field}"), description);
                default
            })
        })
    };
    HealthCheck {
        kind,
        path: if check.path.is_empty() { default.path } else { check.path },
        expect_status,
        interval: time("interval", check.interval, default.interval),
        timeout: time("timeout", check.timeout, default.timeout),
        failures: if check.failures == 0 { default.failures } else { check.failures },
        successes: if check.successes == 0 { default.successes } else { check.successes },
    }
}

/// A duration that is not negative.
pub(super) fn duration(given: prost_types::Duration) -> Result<Duration, String> {
    Duration::try_from(given).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests;
