//! A route as the API shows it: what it says itself; what it leaves to its upstream is not set.

use speedmimi_model::{HeaderOps, Kind, Object, PathMatch, Route, TimeoutsPatch};
use speedmimi_proto::v1;
use tonic::Status;

use super::{duration, load_balancer};
use crate::admin::sight::Sight;
use crate::admin::status;
use crate::control::Store;

/// Finds a route of a store, or says what there is.
pub(in crate::admin) fn find<'a>(store: &'a Store, name: &str) -> Result<&'a Route, Status> {
    let routes = &store.config().routes;
    routes.get(name).ok_or_else(|| status::not_found(Kind::Route, name, routes.keys().cloned().collect()))
}

/// The entry of a route of a store.
pub(in crate::admin) fn entry(store: &Store, name: &str, route: &Route, sight: Sight) -> v1::RouteEntry {
    let revision = store.revision_of(&Object::Route(name.to_owned()));
    v1::RouteEntry { route: Some(configured(name, &sight.route(route))), revision }
}

/// The entry of the route of this name.
pub(in crate::admin) fn named(store: &Store, name: &str, sight: Sight) -> Result<v1::RouteEntry, Status> {
    Ok(entry(store, name, find(store, name)?, sight))
}

fn configured(name: &str, route: &Route) -> v1::Route {
    let (path, path_exact) = match &route.path {
        PathMatch::Prefix(path) => (Some(path.clone()), None),
        PathMatch::Exact(path) => (None, Some(path.clone())),
    };
    v1::Route {
        name: name.to_owned(),
        hosts: Some(v1::Hosts { names: route.hosts.iter().map(ToString::to_string).collect() }),
        path,
        path_exact,
        upstream: Some(route.upstream.clone()),
        load_balancer: route.load_balancer.map(load_balancer),
        protocols: Some(v1::Protocols {
            websocket: route.protocols.websocket.map(load_balancer),
            sse: route.protocols.sse.map(load_balancer),
        }),
        timeouts: Some(timeouts(&route.timeouts)),
        headers: Some(v1::HeaderRules {
            request: Some(edits(&route.headers.request)),
            response: Some(edits(&route.headers.response)),
        }),
    }
}

fn timeouts(timeouts: &TimeoutsPatch) -> v1::Timeouts {
    v1::Timeouts {
        connect: timeouts.connect.map(duration),
        first_byte: timeouts.first_byte.map(duration),
        idle: timeouts.idle.map(duration),
        total: timeouts.total.map(|total| duration(total.unwrap_or_default())),
    }
}

fn edits(ops: &HeaderOps) -> v1::HeaderEdits {
    v1::HeaderEdits {
        set: ops.set.iter().cloned().collect(),
        add: ops.add.iter().cloned().collect(),
        remove: ops.remove.clone(),
    }
}
