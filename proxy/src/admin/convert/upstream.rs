//! What a request says of an upstream.

use std::collections::BTreeMap;

use serde_json::Value;
use speedmimi_model::Edit;
use speedmimi_proto::v1;

use super::check::health_check;
use super::{Mask, load_balancer, time, timeouts, values};
use crate::admin::status::Violations;

/// Fields of an upstream that an update may name.
const FIELDS: [&str; 9] = [
    "load_balancer",
    "timeouts.connect",
    "timeouts.first_byte",
    "timeouts.idle",
    "timeouts.total",
    "pool.max_idle",
    "pool.idle_timeout",
    "pool.max_requests",
    "health_check",
];

/// What an update does to each field.
pub(in crate::admin) fn edits(
    upstream: v1::Upstream,
    mask: Option<prost_types::FieldMask>,
    violations: &mut Violations,
) -> BTreeMap<String, Edit> {
    let mask = Mask::new(mask, &FIELDS, violations);
    let algorithm = load_balancer("upstream.load_balancer", upstream.load_balancer, violations);
    let [connect, first_byte, idle, total] = timeouts("upstream", upstream.timeouts, violations);
    let pool = upstream.pool.unwrap_or_default();
    let idle_timeout = time("upstream.pool.idle_timeout", pool.idle_timeout, violations);
    let health_check = upstream.health_check.map(|check| health_check("upstream", check, violations));
    mask.edits([
        ("load_balancer", algorithm),
        ("timeouts.connect", connect),
        ("timeouts.first_byte", first_byte),
        ("timeouts.idle", idle),
        ("timeouts.total", total),
        ("pool.max_idle", pool.max_idle.map(Value::from)),
        ("pool.idle_timeout", idle_timeout),
        ("pool.max_requests", pool.max_requests.map(Value::from)),
        ("health_check", health_check),
    ])
}

/// The fields of a new upstream: those that are set.
pub(in crate::admin) fn fields(upstream: v1::Upstream, violations: &mut Violations) -> BTreeMap<String, Value> {
    values(edits(upstream, None, violations))
}
