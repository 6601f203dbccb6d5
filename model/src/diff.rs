//! What differs between two configurations, key by key.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Config;

/// One key with another value; `None` is a key that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key; backends are named by their ids: `backends.default.b1.weight`.
    pub path: String,
    /// Value before.
    pub old: Option<String>,
    /// Value after.
    pub new: Option<String>,
}

/// Every difference, in the order of the keys. A list of values is one value; the order of backends is none.
pub fn diff(old: &Config, new: &Config) -> Vec<Difference> {
    leaves(old, new).into_iter().map(|Leaf { path, old, new }| Difference { path: path.join("."), old, new }).collect()
}

/// A difference whose path is still in parts: names may have dots in them.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// Every difference, in the order of the keys.
pub(crate) fn leaves(old: &Config, new: &Config) -> Vec<Leaf> {
    let (mut old, mut new) = (flat(old), flat(new));
    let mut paths: Vec<Vec<String>> = old.keys().chain(new.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    let both = paths.into_iter().map(|path| Leaf { old: old.remove(&path), new: new.remove(&path), path });
    both.filter(|leaf| leaf.old != leaf.new).collect()
}

fn flat(config: &Config) -> BTreeMap<Vec<String>, String> {
    let mut leaves = BTreeMap::new();
    flatten(&config.to_json(), &mut Vec::new(), &mut leaves);
    leaves
}

fn flatten(value: &Value, path: &mut Vec<String>, leaves: &mut BTreeMap<Vec<String>, String>) {
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
        Value::String(text) => drop(leaves.insert(path.clone(), text.clone())),
        other => drop(leaves.insert(path.clone(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn told(old: &str, new: &str) -> Vec<String> {
        let [old, new] = [old, new].map(|text| parse("test", text).expect("a valid configuration"));
        let word = |value: Option<String>| value.unwrap_or_else(|| "nothing".into());
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
    fn dots_in_names_do_not_mix_keys_up() {
        let old = "backends: {a: [{id: b.port, host: h, port: 1}, {id: b, host: h, port: 2}]}";
        let new = "backends: {a: [{id: b.port, host: i, port: 1}, {id: b, host: h, port: 3}]}";
        assert_eq!(told(old, new), ["backends.a.b.port: 2 to 3", "backends.a.b.port.host: h to i"]);
    }
}
