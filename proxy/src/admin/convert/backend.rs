//! What a request says of a backend.

use std::collections::BTreeMap;

use serde_json::Value;
use speedmimi_model::Edit;
use speedmimi_proto::v1;

use super::check::health_check;
use super::{Mask, values};
use crate::admin::status::Violations;

/// Fields of a backend that an update may name.
const FIELDS: [&str; 10] =
    ["name", "host", "port", "weight", "scheme", "active", "max_conn", "backup", "labels", "health_check"];

/// What an update does to each field.
pub(in crate::admin) fn edits(
    backend: v1::Backend,
    mask: Option<prost_types::FieldMask>,
    violations: &mut Violations,
) -> BTreeMap<String, Edit> {
    let mask = Mask::new(mask, &FIELDS, violations);
    if mask.names("backup") != Some(false) && backend.backup == Some(true) {
        violations.push("backend.backup", "true is not available in this version; false is");
    }
    let scheme = backend.scheme.and_then(|number| scheme(number, violations));
    let health_check = backend.health_check.map(|check| health_check("backend", check, violations));
    mask.edits([
        ("name", backend.name.map(Value::from)),
        ("host", backend.host.map(Value::from)),
        ("port", backend.port.map(Value::from)),
        ("weight", backend.weight.map(Value::from)),
        ("scheme", scheme.map(Value::from)),
        ("active", backend.active.map(Value::from)),
        ("max_conn", backend.max_conn.map(Value::from)),
        ("labels", backend.labels.map(|labels| labels.entries.into_iter().collect())),
        ("health_check", health_check),
    ])
}

/// The fields of a new backend: those that are set.
pub(in crate::admin) fn fields(backend: v1::Backend, violations: &mut Violations) -> BTreeMap<String, Value> {
    values(edits(backend, None, violations))
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
