//! A configuration piece by piece, for whoever tells a large one without holding all of its keys at once.

use serde_json::Value;

use crate::config::{Backend, Config, Route, Upstream};
use crate::diff::{Difference, leaves_at};
use crate::object::Object;
use crate::write;

/// One object, as a configuration holds it.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// A section that holds none of the others.
    Section(&'a Config, &'static str),
    /// An upstream, without its backends.
    Upstream(&'a str, &'a Upstream),
    /// A backend, behind the name of its upstream.
    Backend(&'a str, &'a Backend),
    /// A route.
    Route(&'a str, &'a Route),
}

/// Sections that are neither upstreams, backends nor routes.
const SECTIONS: [&str; 6] = ["server", "grpc", "admin", "log", "access_log", "state"];

/// All of them, always in the same order: together they have the keys that [`crate::leaves`] has. To look at one costs
/// nothing before its keys are asked for.
pub fn pieces(config: &Config) -> impl Iterator<Item = Piece<'_>> {
    let sections = SECTIONS.into_iter().map(move |name| Piece::Section(config, name));
    let groups = config.upstreams.iter().flat_map(|(name, group)| {
        let backends = group.backends.iter().map(move |backend| Piece::Backend(name, backend));
        std::iter::once(Piece::Upstream(name, group)).chain(backends)
    });
    sections.chain(groups).chain(config.routes.iter().map(|(name, route)| Piece::Route(name, route)))
}

impl Piece<'_> {
    /// Its keys, as what differs from nothing.
    pub fn leaves(self) -> Vec<Difference> {
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Section(config, name) => match config.part(&Object::Section(name.to_owned())) {
                // Off, and not written.
                Some(Value::String(_)) | None => Vec::new(),
                Some(document) => leaves_at(path(&[name]), &document),
            },
            Self::Upstream(name, group) => {
                let mut leaves = leaves_at(path(&["upstreams", name]), &write::upstream(group));
                // One without backends is written as an empty list.
                if group.backends.is_empty() {
                    leaves.extend(leaves_at(path(&["backends", name]), &Value::Array(Vec::new())));
                }
                leaves
            }
            Self::Backend(upstream, backend) => {
                leaves_at(path(&["backends", upstream, &backend.id]), &write::backend(backend))
            }
            Self::Route(name, route) => leaves_at(path(&["routing", name]), &write::route(route)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{leaves, parse};

    #[test]
    fn the_pieces_have_all_keys_and_no_other() {
        for text in [
            "backends: {a: [{id: x, host: h, port: 1}, {id: y, host: h, port: 2}], b: []}\nrouting: {r: {upstream: a}}",
            "backends: {a: [{id: x, host: h, port: 1}]}\nupstreams: {a: {load_balancer: random}}\naccess_log: {file: f}",
        ] {
            let config = parse("test", text).expect("a valid configuration");
            let by_path = |mut all: Vec<Difference>| {
                all.sort_by(|one, other| one.path.cmp(&other.path));
                all
            };
            assert_eq!(by_path(pieces(&config).flat_map(Piece::leaves).collect()), by_path(leaves(&config)));
        }
    }
}
