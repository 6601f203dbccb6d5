//! What differs between two configurations, key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use crate::config::Config;
use crate::fields;
use crate::object::Object;

/// One key with another value; `None` is a key that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose key it is.
    pub object: Object,
    /// The key inside the object, as in `timeouts.connect`.
    pub field: String,
    /// The key; backends are named by their ids: `backends.default.b1.weight`.
    pub path: String,
    /// Value before.
    pub old: Option<Value>,
    /// Value after.
    pub new: Option<Value>,
}

impl fmt::Display for Difference {
    /// A line as operators read it: `~ backends.default.b1.max_conn: 100 → 200`, `+ KEY: NEW`, `- KEY: OLD`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (self.old.as_ref().map(plain), self.new.as_ref().map(plain)) {
            (Some(old), Some(new)) => write!(formatter, "~ {path}: {old} → {new}"),
            (None, Some(new)) => write!(formatter, "+ {path}: {new}"),
            (Some(old), None) => write!(formatter, "- {path}: {old}"),
            (None, None) => write!(formatter, "  {path}"),
        }
    }
}

/// A value as people read it: a word without its quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Every difference, in the order of the keys. A list of values is one value; the order of backends is none.
pub fn diff(old: &Config, new: &Config) -> Vec<Difference> {
    compare(flat(old), flat(new))
}

/// The differences of these objects alone, in the same order: what a change touched is known, and the rest of a large
/// configuration need not be looked at.
pub fn diff_of<'a>(old: &Config, new: &Config, objects: impl IntoIterator<Item = &'a Object>) -> Vec<Difference> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for object in objects {
        let (mut one, mut two) = (part(old, object), part(new, object));
        leave_out_same(&mut one, &mut two);
        flatten(&one, &mut path(object), &mut before);
        flatten(&two, &mut path(object), &mut after);
        without_backends(old, object, &mut before);
        without_backends(new, object, &mut after);
    }
    compare(before, after)
}

type Leaves = BTreeMap<Vec<String>, Value>;

fn compare(mut old: Leaves, mut new: Leaves) -> Vec<Difference> {
    let paths: BTreeSet<Vec<String>> = old.keys().chain(new.keys()).cloned().collect();
    let both = paths.into_iter().map(|path| (old.remove(&path), new.remove(&path), path));
    both.filter(|(old, new, _)| old != new)
        .map(|(old, new, path)| {
            let (object, field) = split(&path);
            Difference { object, field, path: path.join("."), old, new }
        })
        .collect()
}

/// Every key of a configuration, as what differs from nothing.
pub fn leaves(config: &Config) -> Vec<Difference> {
    told(flat(config))
}

/// The keys of a document that stands at a path, as what differs from nothing.
pub(crate) fn leaves_at(mut path: Vec<String>, document: &Value) -> Vec<Difference> {
    let mut leaves = BTreeMap::new();
    flatten(document, &mut path, &mut leaves);
    told(leaves)
}

fn told(leaves: Leaves) -> Vec<Difference> {
    let leaf = |(path, new): (Vec<String>, Value)| {
        let (object, field) = split(&path);
        Difference { object, field, path: path.join("."), old: None, new: Some(new) }
    };
    leaves.into_iter().map(leaf).collect()
}

/// Whether a field has another value.
pub(crate) fn differ(one: &Value, two: &Value, field: &str) -> bool {
    fields::get(one, field) != fields::get(two, field)
}

/// The object and its key; a path comes in parts because names may have dots in them.
fn split(path: &[String]) -> (Object, String) {
    let part = |index: usize| path.get(index).cloned().unwrap_or_default();
    let (object, rest) = match part(0).as_str() {
        "backends" if path.len() > 2 => (Object::backend(part(1), part(2)), 3),
        "backends" => (Object::Upstream(part(1)), 0),
        "upstreams" => (Object::Upstream(part(1)), 2),
        "routing" => (Object::Route(part(1)), 2),
        section => (Object::Section(section.to_owned()), 1),
    };
    let field = if rest == 0 { part(0) } else { path.get(rest..).unwrap_or_default().join(".") };
    (object, field)
}

/// Where an object stands in the whole.
fn path(object: &Object) -> Vec<String> {
    match object {
        Object::Backend { upstream, id } => vec!["backends".into(), upstream.clone(), id.clone()],
        Object::Upstream(name) => vec!["upstreams".into(), name.clone()],
        Object::Route(name) => vec!["routing".into(), name.clone()],
        Object::Section(name) => vec![name.clone()],
    }
}

/// What is written of an object; an empty document where that is nothing.
fn part(config: &Config, object: &Object) -> Value {
    match (object, config.part(object)) {
        // Off, and not written.
        (Object::Section(_), Some(Value::String(_))) | (_, None) => Value::Object(Map::new()),
        (_, Some(document)) => document,
    }
}

/// Most of an object is as it was: that need not be spelled out to be compared.
fn leave_out_same(one: &mut Value, two: &mut Value) {
    let (Value::Object(one), Value::Object(two)) = (one, two) else { return };
    one.retain(|key, value| {
        let same = two.get(key) == Some(value);
        if same {
            two.shift_remove(key);
        }
        !same
    });
}

/// An upstream without backends is written as an empty list.
fn without_backends(config: &Config, object: &Object, leaves: &mut Leaves) {
    let (Object::Backend { upstream, .. } | Object::Upstream(upstream)) = object else { return };
    if config.upstreams.get(upstream).is_some_and(|group| group.backends.is_empty()) {
        leaves.insert(vec!["backends".into(), upstream.clone()], Value::Array(Vec::new()));
    }
}

fn flat(config: &Config) -> Leaves {
    let mut leaves = BTreeMap::new();
    flatten(&config.to_json(), &mut Vec::new(), &mut leaves);
    leaves
}

fn flatten(value: &Value, path: &mut Vec<String>, leaves: &mut Leaves) {
    let mut below = |key: &str, value: &Value| {
        path.push(key.to_owned());
        flatten(value, path, leaves);
        path.pop();
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                below(item.get("id").and_then(Value::as_str).unwrap_or_default(), item);
            }
        }
        leaf => drop(leaves.insert(path.clone(), leaf.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn told(old: &str, new: &str) -> Vec<String> {
        let [old, new] = [old, new].map(|text| parse("test", text).expect("a valid configuration"));
        let word = |value: Option<Value>| value.as_ref().map_or_else(|| "nothing".into(), plain);
        let both = diff(&old, &new).into_iter();
        both.map(|difference| format!("{}: {} to {}", difference.path, word(difference.old), word(difference.new)))
            .collect()
    }

    #[test]
    fn each_key_is_told_once_and_backends_by_their_ids() {
        let old = "server: {trusted_proxies: [10.0.0.0/8]}\nbackends: {a: [{id: x, host: h, port: 1}, {id: y, host: h, port: 2}]}";
        let new = "server: {trusted_proxies: []}\nbackends: {a: [{id: y, host: h, port: 2, name: Y}, {id: x, host: h, port: 3}]}";
        assert_eq!(
            told(old, new),
            [
                "backends.a.x.port: 1 to 3",
                "backends.a.y.name: nothing to Y",
                "server.trusted_proxies: [\"10.0.0.0/8\"] to []"
            ]
        );
        assert!(told(old, old).is_empty());
    }

    #[test]
    fn the_differences_of_what_changed_are_all_there_are() {
        let texts = [
            "backends: {a: [{id: x, host: h, port: 1}, {id: y, host: h, port: 2}], b: []}\nrouting: {r: {upstream: a}}",
            "backends: {a: [{id: y, host: h, port: 2}], b: []}\nrouting: {r: {upstream: a, path: /x}}",
            "backends: {a: []}\nserver: {max_conn: 5}\nrouting: {r: {upstream: a}}",
            "backends: {a: [{id: x, host: h, port: 1}], b: [{id: x, host: h, port: 1}]}\nupstreams: {a: {load_balancer: random}}\nrouting: {r: {upstream: a}, s: {upstream: b, path: /s}}",
        ];
        let configs = texts.map(|text| parse("test", text).expect("a valid configuration"));
        for old in &configs {
            for new in &configs {
                assert_eq!(diff_of(old, new, &old.changed_objects(new)), diff(old, new));
            }
            assert_eq!(leaves(old).len(), flat(old).len());
        }
    }

    #[test]
    fn dots_in_names_do_not_mix_keys_up() {
        let old = "backends: {a: [{id: b.port, host: h, port: 1}, {id: b, host: h, port: 2}]}";
        let new = "backends: {a: [{id: b.port, host: i, port: 1}, {id: b, host: h, port: 3}]}";
        assert_eq!(told(old, new), ["backends.a.b.port: 2 to 3", "backends.a.b.port.host: h to i"]);
    }
}
