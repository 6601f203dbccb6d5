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

/// Every difference, in the order of the keys.
pub fn diff(old: &Config, new: &Config) -> Vec<Difference> {
    let (old, new) = (flat(old), flat(new));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Difference { path: key.clone(), old: old.get(key).cloned(), new: new.get(key).cloned() })
        .collect()
}

fn flat(config: &Config) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    flatten(&config.to_json(), String::new(), &mut leaves);
    leaves
}

fn flatten(value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                flatten(value, below(key), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let id = item.get("id").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
                flatten(item, below(&id), leaves);
            }
        }
        Value::String(text) => drop(leaves.insert(path, text.clone())),
        other => drop(leaves.insert(path, other.to_string())),
    }
}
