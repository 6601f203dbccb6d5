//! Which keys a file spells out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Config;
use crate::fields;
use crate::object::Object;
use crate::tree::{Node, Value};

/// Which keys the file spells out, so that a default that stands there can be told from one that does not. It is how a
/// configuration was written, not what it says: two that differ in this alone are equal.
#[derive(Debug, Clone, Default)]
pub struct Spelled(Arc<BTreeMap<Object, BTreeSet<&'static str>>>);

impl PartialEq for Spelled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Spelled {
    /// Whether a field of an object stands in the file.
    pub fn has(&self, object: &Object, field: &str) -> bool {
        self.0.get(object).is_some_and(|fields| fields.contains(field))
    }

    /// Of a document that was read into this configuration without a fault.
    pub(crate) fn of(root: &Node, config: &Config) -> Self {
        let mut all = BTreeMap::new();
        let mut see = |object: Object, node: &Node| {
            let stands = |path: &str| match (&object, &node.value) {
                (Object::Route(_), _) if path == "hosts" => node.at("hosts").or(node.at("host")).is_some(),
                // `log: debug` is short for its level.
                (Object::Section(name), Value::Scalar(_)) => name == "log" && path == "level",
                _ => path.split('.').try_fold(node, |node, key| node.at(key)).is_some(),
            };
            let fields = fields::of(&object).iter().map(|field| field.path.as_str()).filter(|path| stands(path));
            let fields: BTreeSet<&'static str> = fields.collect();
            all.insert(object, fields);
        };
        for name in fields::sections() {
            if let Some(node) = root.at(name) {
                see(Object::Section(name.into()), node);
            }
        }
        for (name, upstream) in &config.upstreams {
            if let Some(node) = root.at("upstreams").and_then(|all| all.at(name)) {
                see(Object::Upstream(name.clone()), node);
            }
            let Some(list) = root.at("backends").and_then(|all| all.at(name)) else { continue };
            let nodes = match &list.value {
                Value::Sequence(items) => items.as_slice(),
                _ => std::slice::from_ref(list),
            };
            for (backend, node) in upstream.backends.iter().zip(nodes) {
                see(Object::backend(name, &backend.id), node);
            }
        }
        for name in config.routes.keys() {
            if let Some(node) = root.at("routing").and_then(|all| all.at(name)) {
                see(Object::Route(name.clone()), node);
            }
        }
        Self(Arc::new(all))
    }
}
