//! What a request says of a route.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use speedmimi_model::Edit;
use speedmimi_proto::v1;

use super::{Mask, load_balancer, timeouts, values};
use crate::admin::status::Violations;

/// Fields of a route that an update may name.
const FIELDS: [&str; 13] = [
    "hosts",
    "path",
    "path_exact",
    "upstream",
    "load_balancer",
    "protocols.websocket",
    "protocols.sse",
    "timeouts.connect",
    "timeouts.first_byte",
    "timeouts.idle",
    "timeouts.total",
    "headers.request",
    "headers.response",
];

/// What an update does to each field.
pub(in crate::admin) fn edits(
    route: v1::Route,
    mask: Option<prost_types::FieldMask>,
    violations: &mut Violations,
) -> BTreeMap<String, Edit> {
    let mask = Mask::new(mask, &FIELDS, violations);
    let algorithm = load_balancer("route.load_balancer", route.load_balancer, violations);
    let protocols = route.protocols.unwrap_or_default();
    let websocket = load_balancer("route.protocols.websocket", protocols.websocket, violations);
    let sse = load_balancer("route.protocols.sse", protocols.sse, violations);
    let [connect, first_byte, idle, total] = timeouts("route", route.timeouts, violations);
    let v1::HeaderRules { request, response } = route.headers.unwrap_or_default();
    mask.edits([
        ("hosts", route.hosts.map(|hosts| hosts.names.into())),
        ("path", route.path.map(Value::from)),
        ("path_exact", route.path_exact.map(Value::from)),
        ("upstream", route.upstream.map(Value::from)),
        ("load_balancer", algorithm),
        ("protocols.websocket", websocket),
        ("protocols.sse", sse),
        ("timeouts.connect", connect),
        ("timeouts.first_byte", first_byte),
        ("timeouts.idle", idle),
        ("timeouts.total", total),
        ("headers.request", request.map(header_edits)),
        ("headers.response", response.map(header_edits)),
    ])
}

/// The fields of a new route: those that are set.
pub(in crate::admin) fn fields(route: v1::Route, violations: &mut Violations) -> BTreeMap<String, Value> {
    values(edits(route, None, violations))
}

/// Edits as the file writes them, in the order of their names: a map on the wire has none.
fn header_edits(edits: v1::HeaderEdits) -> Value {
    json!({ "set": edits.set, "add": edits.add, "remove": edits.remove })
}
