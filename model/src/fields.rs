//! The fields of each kind of object, taken from the schema: a field is the path of a key inside its object, as in
//! `timeouts.connect`. Lists, free mappings and `health_check` are one field each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::object::Object;
use crate::schema::{self, schema};

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its path: `timeouts.connect`.
    pub(crate) path: String,
    /// What is so where nobody says it; nothing where that depends on something else.
    pub(crate) default: Value,
    /// Whether only a restart can change it.
    pub(crate) restart: bool,
}

struct Tables {
    backend: Vec<Field>,
    upstream: Vec<Field>,
    route: Vec<Field>,
    sections: BTreeMap<String, Vec<Field>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let root = schema();
    let of = |name: &str| fields(&root, &root["$defs"][name]);
    let mut route = of("route");
    // Its upstream's, where it says nothing.
    for field in route.iter_mut().filter(|field| field.path.starts_with("timeouts.")) {
        field.default = Value::Null;
    }
    let objects = ["backends", "upstreams", "routing"];
    let entries = root["properties"].as_object().into_iter().flatten();
    let sections = entries.filter(|(name, schema)| !objects.contains(&name.as_str()) && !schema::is_later(schema));
    let mut backend = of("backend");
    backend.retain(|field| field.path != "id");
    // `host` is another way to write `hosts`.
    route.retain(|field| field.path != "host");
    Tables {
        backend,
        upstream: of("upstream"),
        route,
        sections: sections.map(|(name, schema)| (name.clone(), fields(&root, schema))).collect(),
    }
});

/// The fields of an object, without its name.
pub(crate) fn of(object: &Object) -> &'static [Field] {
    match object {
        Object::Backend { .. } => &TABLES.backend,
        Object::Upstream(_) => &TABLES.upstream,
        Object::Route(_) => &TABLES.route,
        Object::Section(name) => TABLES.sections.get(name).map_or(&[], Vec::as_slice),
    }
}

/// Names of the sections.
pub(crate) fn sections() -> impl Iterator<Item = &'static str> {
    TABLES.sections.keys().map(String::as_str)
}

fn fields(root: &Value, schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    let section = match schema["anyOf"].as_array() {
        Some(alternatives) => alternatives.iter().find(|one| one["properties"].is_object()).unwrap_or(&Value::Null),
        None => schema,
    };
    collect(root, section, "", schema["x-restart"] == true, &mut found);
    found
}

fn collect(root: &Value, section: &Value, path: &str, restart: bool, found: &mut Vec<Field>) {
    for (key, schema) in section["properties"].as_object().into_iter().flatten() {
        if schema::is_later(schema) {
            continue;
        }
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let restart = restart || schema["x-restart"] == true;
        let target = match schema["$ref"].as_str() {
            Some(reference) => root.pointer(&reference[1..]).unwrap_or(&Value::Null),
            None => schema,
        };
        if target["properties"].is_object() {
            collect(root, target, &path, restart, found);
        } else {
            let default = schema.get("default").or_else(|| target.get("default")).cloned().unwrap_or_default();
            found.push(Field { path, default, restart });
        }
    }
}

/// The value at a path; nothing where there is none.
pub(crate) fn get<'d>(document: &'d Value, path: &str) -> &'d Value {
    path.split('.').fold(document, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// Puts a value at a path; nothing takes the key away.
pub(crate) fn put(document: &mut Value, path: &str, value: Value) {
    let entries = match document {
        Value::Object(entries) => entries,
        other if value.is_null() && other.is_null() => return,
        other => {
            *other = Map::new().into();
            let Value::Object(entries) = other else { return };
            entries
        }
    };
    match path.split_once('.') {
        Some((key, rest)) if value.is_null() => {
            if let Some(inner @ Value::Object(_)) = entries.get_mut(key) {
                put(inner, rest, value);
            }
        }
        Some((key, rest)) => put(entries.entry(key).or_insert(Value::Null), rest, value),
        None if value.is_null() => drop(entries.shift_remove(path)),
        None => drop(entries.insert(path.to_owned(), value)),
    }
}

/// `path` and `path_exact` of a route exclude each other: who says one takes the other away.
pub(crate) fn rival(object: &Object, path: &str) -> Option<&'static str> {
    match (object, path) {
        (Object::Route(_), "path") => Some("path_exact"),
        (Object::Route(_), "path_exact") => Some("path"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(object: &Object) -> Vec<&'static str> {
        of(object).iter().map(|field| field.path.as_str()).collect()
    }

    #[test]
    fn fields_are_the_keys_of_the_file() {
        let backend = paths(&Object::backend("", ""));
        assert!(backend.contains(&"max_conn") && backend.contains(&"health_check") && backend.contains(&"labels"));
        assert!(!backend.contains(&"id") && !backend.contains(&"backup"), "{backend:?}");
        let route = paths(&Object::Route(String::new()));
        assert!(route.contains(&"headers.request.set") && route.contains(&"timeouts.connect"), "{route:?}");
        assert!(route.contains(&"hosts") && !route.contains(&"host"), "{route:?}");
        let sections: Vec<_> = sections().collect();
        assert_eq!(sections, ["access_log", "admin", "grpc", "log", "server", "state"]);
        let restart = |name: &str| {
            let fields = of(&Object::Section(name.into())).iter();
            fields.filter(|field| field.restart).map(|field| field.path.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(restart("server"), ["host", "port", "workers"]);
        assert_eq!(restart("state"), ["dir", "persist"]);
        assert_eq!(restart("log"), ["level", "format", "file"]);
    }

    #[test]
    fn values_are_put_and_taken_away_by_their_path() {
        let mut document = json!({ "a": 1 });
        put(&mut document, "b.c.d", json!([1]));
        assert_eq!(document, json!({ "a": 1, "b": { "c": { "d": [1] } } }));
        put(&mut document, "b.c.d", Value::Null);
        put(&mut document, "x.y", Value::Null);
        put(&mut document, "a.b", Value::Null);
        assert_eq!(document, json!({ "a": 1, "b": { "c": {} } }));
        assert_eq!((get(&document, "a"), get(&document, "b.x.y")), (&json!(1), &Value::Null));
    }
}
