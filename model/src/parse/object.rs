//! One object from a document that comes from the API, by the same readers as the file.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::{backends, routing, sections};
use crate::config::Config;
use crate::fault::Fault;
use crate::object::Object;
use crate::read::{At, Section, Sink};
use crate::rules;
use crate::tree::Node;

/// Reads an object into a configuration, in the place of the one before or at the end. With a fault nothing is changed.
/// Faults are named as in the API: `backend.max_conn`. Answers with the object's name, which a backend may get only here.
pub(crate) fn object(object: &Object, document: &Value, config: &mut Config) -> Result<Object, Vec<Fault>> {
    let node = match object {
        // Sections are read where they stand in a file, so that each is known by its key.
        Object::Section(name) => Node::from_json(&serde_json::json!({ name: document })),
        _ => Node::from_json(document),
    };
    let sink = Sink::default();
    let path = if matches!(object, Object::Section(_)) { "" } else { object.prefix() };
    let at = At { sink: &sink, path, node: &node };
    let checked = |name: &str| {
        if let Err(message) = rules::name(name) {
            sink.add(&format!("{path}.name"), node.place, message);
        }
    };
    match object {
        Object::Backend { upstream, .. } => {
            let group_checks = config.upstreams.get(upstream).is_some_and(|group| group.health_check.is_some());
            let backend = backends::backend(at, upstream, &mut HashSet::new(), group_checks);
            let id = backend.id.clone();
            none(sink)?;
            let group = config.upstreams.entry(upstream.clone()).or_default();
            match group.backends.iter_mut().find(|known| known.id == id) {
                Some(known) => *known = Arc::new(backend),
                None => group.backends.push(Arc::new(backend)),
            }
            return Ok(Object::backend(upstream, id));
        }
        Object::Upstream(name) => {
            checked(name);
            let mut upstream = backends::upstream(at);
            none(sink)?;
            let known = config.upstreams.entry(name.clone()).or_default();
            upstream.backends = std::mem::take(&mut known.backends);
            *known = upstream;
        }
        Object::Route(name) => {
            checked(name);
            let (route, _) = routing::route(at, &config.upstreams);
            none(sink)?;
            config.routes.insert(name.clone(), route);
        }
        Object::Section(name) => {
            let mut root = Section::open(at);
            let mut read = Config::default();
            sections(&mut root, &mut read);
            root.finish();
            none(sink)?;
            match name.as_str() {
                "server" => config.server = read.server,
                "grpc" => config.grpc = read.grpc,
                "admin" => config.admin = read.admin,
                "log" => config.log = read.log,
                "access_log" => config.access_log = read.access_log,
                "state" => config.state = read.state,
                // A section of a later version asks for nothing, or it would have been a fault.
                _ => {}
            }
        }
    }
    Ok(object.clone())
}

fn none(sink: Sink) -> Result<(), Vec<Fault>> {
    let faults = sink.into_faults();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
