//! Rules between objects: what each of them may say, but not all of them together.

use std::collections::BTreeMap;

use crate::config::{Config, HostPattern, PathMatch, Route};
use crate::object::Object;
use crate::rules;

/// Something that cannot be.
#[derive(Debug)]
pub(crate) struct Clash {
    /// The object that says it; none: all of them together.
    pub(crate) object: Option<Object>,
    /// The other object in it, if there is one.
    pub(crate) other: Option<Object>,
    /// The key of the object, where it is one; of the file, where it is none.
    pub(crate) field: &'static str,
    /// What is wrong.
    pub(crate) told: String,
}

/// Everything that cannot be.
pub(crate) fn clashes(config: &Config) -> Vec<Clash> {
    let whole = |field, told| Clash { object: None, other: None, field, told };
    if config.upstreams.is_empty() {
        return vec![whole("backends", no_backend())];
    }
    if config.routes.is_empty() && config.implicit_upstream().is_none() {
        return vec![whole("routing", nowhere(config))];
    }
    let mut found = Vec::new();
    let mut taken: BTreeMap<(Option<HostPattern>, PathMatch), &str> = BTreeMap::new();
    for (name, route) in &config.routes {
        let object = || Some(Object::Route(name.clone()));
        if !config.upstreams.contains_key(&route.upstream) {
            let other = Some(Object::Upstream(route.upstream.clone()));
            let told = no_upstream(&route.upstream, config.upstreams.keys());
            found.push(Clash { object: object(), other, field: "upstream", told });
        }
        let mut rival = None;
        for target in targets(route) {
            let first = *taken.entry(target).or_insert(name);
            rival = rival.or_else(|| (first != name).then_some(first));
        }
        if let Some(rival) = rival {
            let other = Some(Object::Route(rival.to_owned()));
            found.push(Clash { object: object(), other, field: "path", told: same_target(rival) });
        }
    }
    found.extend(limits(config));
    found
}

/// Callers that are limited to upstreams that are not there.
fn limits(config: &Config) -> impl Iterator<Item = Clash> + '_ {
    clients(config).filter(|(_, upstream)| !config.upstreams.contains_key(*upstream)).map(|(section, upstream)| Clash {
        object: Some(Object::Section(section.to_owned())),
        other: Some(Object::Upstream(upstream.to_owned())),
        field: "auth.clients",
        told: no_upstream(upstream, config.upstreams.keys()),
    })
}

/// The upstreams that callers with certificates are limited to, by section.
pub(crate) fn clients(config: &Config) -> impl Iterator<Item = (&'static str, &str)> {
    [("grpc", &config.grpc), ("admin", &config.admin)].into_iter().flat_map(|(section, management)| {
        let clients = management.auth.iter().flat_map(|auth| &auth.clients);
        clients.flat_map(move |client| client.upstreams.iter().map(move |upstream| (section, upstream.as_str())))
    })
}

pub(crate) fn no_backend() -> String {
    "there is no backend: name at least one, with host and port".into()
}

pub(crate) fn nowhere(config: &Config) -> String {
    let names: Vec<&str> = config.upstreams.keys().map(String::as_str).collect();
    format!("where requests go is not said: add routes to {}, or name one of them default", names.join(", "))
}

pub(crate) fn no_upstream<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    rules::unknown("upstream", name, &known.map(String::as_str).collect::<Vec<_>>())
}

pub(crate) fn same_target(other: &str) -> String {
    format!("takes the same host and path as route {other:?}: one of them is never reached")
}

/// What a route takes: each of its hosts, or any, with its path, as routes are compared.
pub(crate) fn targets(route: &Route) -> Vec<(Option<HostPattern>, PathMatch)> {
    let path = match &route.path {
        PathMatch::Prefix(path) => PathMatch::Prefix(path.trim_end_matches('/').to_owned()),
        PathMatch::Exact(path) => PathMatch::Exact(path.clone()),
    };
    if route.hosts.is_empty() {
        return vec![(None, path)];
    }
    route.hosts.iter().map(|host| (Some(host.clone()), path.clone())).collect()
}
