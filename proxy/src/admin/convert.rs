//! Requests into valid types: what cannot be meant is found here, all of it at once, with the field's name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use speedmimi_model::Edit;
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
pub(super) fn edits(
    backend: v1::Backend,
    mask: Option<prost_types::FieldMask>,
    violations: &mut Violations,
) -> BTreeMap<String, Edit> {
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
    let values: [(&str, Option<Value>); 9] = [
        ("name", backend.name.map(Value::from)),
        ("host", backend.host.map(Value::from)),
        ("port", backend.port.map(Value::from)),
        ("weight", backend.weight.map(Value::from)),
        ("scheme", scheme.map(Value::from)),
        ("active", backend.active.map(Value::from)),
        ("max_conn", backend.max_conn.map(Value::from)),
        ("labels", backend.labels.map(|labels| labels.entries.into_iter().collect())),
        ("health_check", health_check),
    ];
    let decide = |(field, value): (&str, Option<Value>)| {
        let edit = match (value, masked(field)) {
            (Some(value), None | Some(true)) => Edit::Set(value),
            (None, Some(true)) => Edit::Reset,
            (_, Some(false)) | (None, None) => return None,
        };
        Some((field.to_owned(), edit))
    };
    values.into_iter().filter_map(decide).collect()
}

/// The fields of a new backend: those that are set.
pub(super) fn fields(backend: v1::Backend, violations: &mut Violations) -> BTreeMap<String, Value> {
    let set = |(field, edit)| match edit {
        Edit::Set(value) => Some((field, value)),
        Edit::Reset => None,
    };
    edits(backend, None, violations).into_iter().filter_map(set).collect()
}

fn scheme(number: i32, violations: &mut Violations) -> Option<&'static str> {
    match v1::Scheme::try_from(number) {
        Ok(v1::Scheme::Http) => Some("http"),
        Ok(v1::Scheme::Unspecified) => None,
        Err(_) => {
            violations.push("backend.scheme", format!("{number} is not available in this version; SCHEME_HTTP is"));
            None
        }
    }
}

/// A check as the file writes it; what is not set is left out.
fn health_check(check: v1::HealthCheck, violations: &mut Violations) -> Value {
    let mut written = Map::new();
    let mut write = |key: &str, value: Value| drop(written.insert(key.to_owned(), value));
    match v1::HealthCheckType::try_from(check.r#type) {
        Ok(v1::HealthCheckType::Tcp) => write("type", "tcp".into()),
        Ok(v1::HealthCheckType::Http) => write("type", "http".into()),
        Ok(v1::HealthCheckType::Unspecified) => {}
        Err(_) => {
            let allowed = "HEALTH_CHECK_TYPE_HTTP and HEALTH_CHECK_TYPE_TCP are";
            violations.push(
                "backend.health_check.type",
                format!("{} is not available in this version; {allowed}", check.r#type),
            );
        }
    }
    for (key, text) in [("path", check.path), ("expect_status", check.expect_status)] {
        if !text.is_empty() {
            write(key, text.into());
        }
    }
    for (key, given) in [("interval", check.interval), ("timeout", check.timeout)] {
        match given.map(duration) {
            None => {}
            Some(Ok(duration)) => write(key, spelled(duration).into()),
            Some(Err(description)) => violations.push(&format!("backend.health_check.{key}"), description),
        }
    }
    for (key, number) in [("failures", check.failures), ("successes", check.successes)] {
        if number > 0 {
            write(key, number.into());
        }
    }
    Value::Object(written)
}

/// A duration as the file writes it. One that is no whole number of milliseconds cannot be written there, and is
/// refused by the same rule.
fn spelled(duration: Duration) -> String {
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{duration:?}")
    }
}

/// A duration that is not negative.
pub(super) fn duration(given: prost_types::Duration) -> Result<Duration, String> {
    Duration::try_from(given).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests;
