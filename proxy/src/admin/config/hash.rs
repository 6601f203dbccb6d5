//! One number for a configuration, to see at a glance whether two are the same.

use serde_json::{Map, Value};
use speedmimi_model::Config;
use xxhash_rust::xxh3::xxh3_64;

/// XXH3 (64 bits, hexadecimal) of the canonical form: JSON with every key, keys in order, backends by id. Two
/// configurations between which nothing differs have the same.
pub(super) fn of(config: &Config) -> String {
    let mut document = config.to_json();
    for backends in document.get_mut("backends").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(backends) = backends.as_array_mut() {
            backends.sort_by(|one, two| id(one).cmp(id(two)));
        }
    }
    format!("{:016x}", xxh3_64(ordered(document).to_string().as_bytes()))
}

fn id(backend: &Value) -> &str {
    backend.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn ordered(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(String, Value)> =
                entries.into_iter().map(|(key, value)| (key, ordered(value))).collect();
            entries.sort_by(|(one, _), (two, _)| one.cmp(two));
            entries.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(ordered).collect(),
        leaf => leaf,
    }
}

#[cfg(test)]
mod tests {
    use speedmimi_model::parse;

    use super::*;

    fn hash(text: &str) -> String {
        of(&parse("test", text).expect("a valid configuration"))
    }

    #[test]
    fn it_tells_what_is_configured_and_not_how_it_is_written() {
        let short = "backends: {a: [{id: x, host: h, port: 1}, {id: y, host: h, port: 2}]}";
        let long = "{server: {port: 8080}, backends: {a: [{weight: 100, port: 2, host: h, id: y}, {id: x, host: h, port: 1}]}}";
        assert_eq!(hash(short), hash(long));
        assert_eq!(hash(short).len(), 16);
        assert_ne!(hash(short), hash(&short.replace("port: 2", "port: 3")));
        let config = parse("test", short).expect("valid");
        assert_eq!(hash(&config.to_yaml()), of(&config));
    }
}
