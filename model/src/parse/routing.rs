//! `routing`.

use std::collections::BTreeMap;

use super::backends::timeouts;
use super::later;
use crate::across;
use crate::config::{HeaderEdits, HeaderOps, HostPattern, PathMatch, Protocols, Route, Upstream};
use crate::read::{At, Section};
use crate::rules;
use crate::tree::{Place, Value};

pub(super) fn read(at: At<'_>, upstreams: &BTreeMap<String, Upstream>) -> BTreeMap<String, Route> {
    let mut routes: BTreeMap<String, Route> = BTreeMap::new();
    let mut taken: BTreeMap<(Option<HostPattern>, PathMatch), String> = BTreeMap::new();
    at.named("routes", &mut |name, place, at| {
        if let Err(message) = rules::name(name) {
            at.sink.add(at.path, place, message);
        }
        let (route, comparable) = route(at, upstreams);
        if !comparable {
            return;
        }
        let mut other = None;
        for target in across::targets(&route) {
            let first = taken.entry(target).or_insert_with(|| name.to_owned());
            other = other.or_else(|| (first != name).then(|| first.clone()));
        }
        if let Some(other) = other {
            at.sink.add(at.path, place, across::same_target(&other));
        }
        routes.insert(name.to_owned(), route);
    });
    routes
}

/// Reads a route, and whether its hosts and path are what they say. What is wrong has a placeholder here and a fault,
/// which keeps it from being used.
pub(super) fn route(at: At<'_>, upstreams: &BTreeMap<String, Upstream>) -> (Route, bool) {
    let mut section = Section::open(at);
    let before = at.sink.count();
    let mut hosts = Vec::new();
    for key in ["host", "hosts"] {
        section.visit(key, |at| {
            at.list(&mut |at| hosts.extend(at.rule("a host", rules::host_pattern)));
        });
    }
    let prefix = section.read("path", |at| at.rule("a path", rules::route_path));
    let exact = section.read("path_exact", |at| at.rule("a path", rules::route_path));
    if prefix.is_some() && exact.is_some() {
        section.fault("path_exact", "path and path_exact exclude each other");
    }
    let path = match exact {
        Some(exact) => PathMatch::Exact(exact),
        None => PathMatch::Prefix(prefix.unwrap_or_else(|| "/".into())),
    };
    let readable = matches!(at.node.value, Value::Mapping(_) | Value::Null);
    let comparable = readable && at.sink.count() == before;
    let names = || upstreams.keys().map(String::as_str).collect::<Vec<_>>();
    let upstream = section.read("upstream", |at| {
        at.rule("the name of an upstream", |text| match upstreams.contains_key(text) {
            true => Ok(text.to_owned()),
            false => Err(across::no_upstream(text, upstreams.keys())),
        })
    });
    if readable && !section.has("upstream") {
        section.fault("upstream", format!("a route needs an upstream; there are: {}", names().join(", ")));
    }
    let mut route = Route {
        hosts,
        path,
        upstream: upstream.unwrap_or_default(),
        load_balancer: section.read("load_balancer", |at| at.rule("an algorithm", rules::algorithm)),
        protocols: Protocols::default(),
        timeouts: Default::default(),
        headers: HeaderEdits::default(),
    };
    section.set("protocols", &mut route.protocols, |at| Some(protocols(at)));
    section.set("timeouts", &mut route.timeouts, |at| Some(timeouts(at)));
    section.set("headers", &mut route.headers, |at| Some(headers(at)));
    section.later(later::ROUTE);
    section.finish();
    (route, comparable)
}

fn protocols(at: At<'_>) -> Protocols {
    let mut section = Section::open(at);
    let protocols = Protocols {
        websocket: section.read("websocket", |at| at.rule("an algorithm", rules::algorithm)),
        sse: section.read("sse", |at| at.rule("an algorithm", rules::algorithm)),
    };
    section.later(later::PROTOCOLS);
    section.finish();
    protocols
}

fn headers(at: At<'_>) -> HeaderEdits {
    let mut section = Section::open(at);
    let mut edits = HeaderEdits::default();
    section.set("request", &mut edits.request, |at| Some(operations(at, true)));
    section.set("response", &mut edits.response, |at| Some(operations(at, false)));
    section.finish();
    edits
}

fn operations(at: At<'_>, request: bool) -> HeaderOps {
    let mut section = Section::open(at);
    let mut ops = HeaderOps::default();
    // A request has one Host.
    let name_beside_host = |name: &str| match request && name.eq_ignore_ascii_case("host") {
        true => Err("Host can be set, but neither added nor removed".to_owned()),
        false => rules::header_name(name),
    };
    section.visit("set", |at| {
        fields(at, &rules::header_name, &mut |at, place, name, value| {
            if ops.set.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                at.sink.add(at.path, place, format!("{name:?} is set twice: names of fields have no case"));
            }
            ops.set.push((name, value));
        });
    });
    section.visit("add", |at| {
        fields(at, &name_beside_host, &mut |_, _, name, value| ops.add.push((name, value)));
    });
    section.visit("remove", |at| {
        at.list(&mut |at| ops.remove.extend(at.rule("a header name", name_beside_host)));
    });
    section.finish();
    ops
}

fn fields(
    at: At<'_>,
    name_rule: &dyn Fn(&str) -> Result<String, String>,
    each: &mut dyn FnMut(At<'_>, Place, String, String),
) {
    at.named("fields", &mut |name, place, at| {
        let name = name_rule(name).map_err(|message| at.sink.add(at.path, place, message));
        let value = at.rule("a header value", rules::header_value);
        if let (Ok(name), Some(value)) = (name, value) {
            each(at, place, name, value);
        }
    });
}
