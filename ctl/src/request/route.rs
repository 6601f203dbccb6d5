//! Changes of routes.

use speedmimi_proto::v1::{AddRouteRequest, HeaderEdits, HeaderRules, Hosts, Protocols, Route, UpdateRouteRequest};

use super::{given_timeouts, mask, options, timeouts};
use crate::args::{HeaderFields, Mutation, RouteFields, UpdateRouteArguments};
use crate::failure::Failure;

/// A new route.
pub(crate) fn add(name: String, fields: &RouteFields, mutation: &Mutation) -> AddRouteRequest {
    AddRouteRequest { route: Some(route(name, fields)), options: options(mutation) }
}

/// The fields that were given and no others.
pub(crate) fn update(arguments: &UpdateRouteArguments) -> Result<UpdateRouteRequest, Failure> {
    let UpdateRouteArguments { route: name, fields, reset, mutation } = arguments;
    let [connect, first_byte, idle, total] = given_timeouts(&fields.timeouts);
    let headers = rules(&fields.headers).unwrap_or_default();
    let given = [
        ("hosts", !fields.hosts.is_empty()),
        ("path", fields.path.is_some()),
        ("path_exact", fields.path_exact.is_some()),
        ("upstream", fields.upstream.is_some()),
        ("load_balancer", fields.load_balancer.is_some()),
        ("protocols.websocket", fields.websocket.is_some()),
        ("protocols.sse", fields.sse.is_some()),
        connect,
        first_byte,
        idle,
        total,
        ("headers.request", headers.request.is_some()),
        ("headers.response", headers.response.is_some()),
    ];
    Ok(UpdateRouteRequest {
        route: Some(route(name.clone(), fields)),
        update_mask: Some(mask(&given, reset.iter().map(String::as_str), "--upstream default")?),
        options: options(mutation),
    })
}

fn route(name: String, fields: &RouteFields) -> Route {
    let protocols = Protocols { websocket: fields.websocket.map(Into::into), sse: fields.sse.map(Into::into) };
    Route {
        name,
        hosts: (!fields.hosts.is_empty()).then(|| Hosts { names: fields.hosts.clone() }),
        path: fields.path.clone(),
        path_exact: fields.path_exact.clone(),
        upstream: fields.upstream.clone(),
        load_balancer: fields.load_balancer.map(Into::into),
        protocols: (protocols != Protocols::default()).then_some(protocols),
        timeouts: timeouts(&fields.timeouts),
        headers: rules(&fields.headers),
    }
}

/// The directions of which an edit was given; none when none was.
fn rules(fields: &HeaderFields) -> Option<HeaderRules> {
    let edits = |set: &[(String, String)], add: &[(String, String)], remove: &[String]| {
        let edits = HeaderEdits {
            set: set.iter().cloned().collect(),
            add: add.iter().cloned().collect(),
            remove: remove.to_vec(),
        };
        (edits != HeaderEdits::default()).then_some(edits)
    };
    let rules = HeaderRules {
        request: edits(&fields.request_set, &fields.request_add, &fields.request_remove),
        response: edits(&fields.response_set, &fields.response_add, &fields.response_remove),
    };
    (rules != HeaderRules::default()).then_some(rules)
}
