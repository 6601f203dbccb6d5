//! The schema and the reader know the same keys, and what the reader accepts in `configs/` the schema accepts.

#![allow(clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use speedmimi_model::{parse, schema};

#[test]
fn schema_and_reader_know_the_same_keys() {
    let schema = schema();
    let mut compared = 0;
    walk(&schema, &schema, &mut Vec::new(), &mut |path, keys| {
        let known = known_to_the_reader(path);
        assert_eq!(&known, keys, "at {path:?}");
        compared += 1;
    });
    assert!(compared >= 20, "{compared} sections compared");
}

/// Calls back for every section: where it stands, and the keys that the schema gives it.
fn walk(root: &Value, schema: &Value, path: &mut Vec<String>, each: &mut dyn FnMut(&[String], &BTreeSet<String>)) {
    let schema = resolve(root, schema);
    if let Some(alternatives) = schema["anyOf"].as_array() {
        // A single backend may stand where a list may: the section is the same.
        let sections = alternatives.iter().filter(|one| resolve(root, one)["enum"].is_null());
        return walk(root, sections.clone().next().unwrap_or(&Value::Null), path, each);
    }
    let mut below = |key: &str, schema: &Value, each: &mut dyn FnMut(&[String], &BTreeSet<String>)| {
        path.push(key.to_owned());
        walk(root, schema, path, each);
        path.pop();
    };
    match &schema["items"] {
        Value::Object(_) if schema["type"] == "array" => below("[]", &schema["items"], each),
        _ => {}
    }
    if schema["additionalProperties"].is_object() {
        below("some", &schema["additionalProperties"], each);
    }
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "a section lists all its keys");
        each(&path.clone(), &properties.keys().cloned().collect());
        for (key, schema) in properties {
            path.push(key.clone());
            walk(root, schema, path, each);
            path.pop();
        }
    }
}

/// What the reader says is allowed where a key stands that nobody knows.
fn known_to_the_reader(path: &[String]) -> BTreeSet<String> {
    let mut document = json!({ "no-such-key": 1 });
    for key in path.iter().rev() {
        document = if key == "[]" { json!([document]) } else { json!({ key: document }) };
    }
    let faults = parse("test", &document.to_string()).expect_err("nobody knows the key").0;
    let told = faults.iter().find(|fault| fault.path.ends_with("no-such-key"));
    let told = told.unwrap_or_else(|| panic!("no fault about the key at {path:?}: {faults:?}"));
    let (_, allowed) = told.message.split_once("allowed: ").expect("it says what is allowed");
    allowed.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_accepts_the_configurations_that_load() {
    let schema = schema();
    let mut count = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")).expect("configs/") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a readable file");
        let document: Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(faults(&schema, &schema, &document, ""), Vec::<String>::new(), "{}", path.display());
        let written = parse("test", &text).expect("it loads").to_json();
        assert_eq!(faults(&schema, &schema, &written, ""), Vec::<String>::new(), "{} as written", path.display());
        count += 1;
    }
    assert!(count >= 4, "{count} files");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = schema();
    let valid = json!({ "backends": { "default": [{ "host": "127.0.0.1", "port": 8081 }] } });
    assert!(faults(&schema, &schema, &valid, "").is_empty());
    for (pointer, value) in [
        ("server", json!({ "prot": 1 })),
        ("server", json!({ "port": 65536 })),
        ("server", json!({ "read_timeout": "30" })),
        ("server", json!({ "queue": { "size": 1 } })),
        ("ssl", json!({ "enabled": true })),
        ("listeners", json!({ "a": {} })),
        ("backends", json!({ "default": [{ "host": "a" }] })),
        ("backends", json!({ "default": [{ "host": "a", "port": 1, "scheme": "https" }] })),
        ("upstreams", json!({ "default": { "load_balancer": "consistent_hash" } })),
        ("upstreams", json!({ "default": { "retry": { "max_retries": 1 } } })),
        ("routing", json!({ "a": { "path": "/" } })),
        ("state", json!({ "conflict": "both" })),
        ("grpc", json!({ "tls": { "cert_file": "c" } })),
        ("grpc", json!({ "auth": { "token_file": "t" } })),
        ("admin", json!({ "auth": { "clients": [{ "san": "a", "role": "root" }] } })),
        ("log", json!("loud")),
        ("access_log", json!({ "sample": 0 })),
    ] {
        let mut document = valid.clone();
        document[pointer] = value;
        assert!(!faults(&schema, &schema, &document, "").is_empty(), "the schema accepts {document}");
        assert!(parse("test", &document.to_string()).is_err(), "the reader accepts {document}");
    }
}

fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).expect("a reference that leads somewhere"),
        None => schema,
    }
}

/// The keywords that our schema uses, as JSON Schema 2020-12 defines them.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolve(root, schema);
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{at}: {value} breaks {what} of {schema}"));
        }
    };
    let keywords = schema.as_object().into_iter().flatten();
    for (keyword, rule) in keywords.clone() {
        let number = |value: &Value| value.as_f64();
        let length = |rule: &Value| rule.as_u64().map_or(0, |length| length as usize);
        let holds = match keyword.as_str() {
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "enum" => rule.as_array().is_some_and(|allowed| allowed.contains(value)),
            "const" => rule == value,
            "minimum" => number(value) >= number(rule),
            "maximum" => number(value) <= number(rule),
            "exclusiveMinimum" => number(value) > number(rule),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= length(rule)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= length(rule)),
            "maxProperties" => value.as_object().is_none_or(|entries| entries.len() <= length(rule)),
            "pattern" => value.as_str().is_none_or(|text| {
                text.ends_with(|c: char| c.is_ascii_alphanumeric()) && {
                    // Durations and sizes: digits and then a unit; only durations need one.
                    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
                    unit.len() < text.len() && (!unit.is_empty() || rule.as_str().is_some_and(|p| p.ends_with("?$")))
                }
            }),
            "required" => {
                rule.as_array().into_iter().flatten().all(|key| value.get(key.as_str().unwrap_or("")).is_some())
            }
            "anyOf" => rule.as_array().into_iter().flatten().any(|schema| faults(root, schema, value, at).is_empty()),
            "properties" | "additionalProperties" | "items" => true,
            "description" | "default" | "examples" | "title" | "$schema" | "$defs" | "x-restart" => true,
            other => panic!("this test does not know the keyword {other}"),
        };
        must(holds, keyword);
    }
    if let Some(entries) = value.as_object() {
        for (key, value) in entries {
            let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
            match known {
                Some(Value::Bool(false)) => found.push(format!("{at}: {key} is unknown")),
                Some(schema) => found.extend(faults(root, schema, value, &format!("{at}.{key}"))),
                None => {}
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        found.extend(items.iter().flat_map(|item| faults(root, schema, item, &format!("{at}[]"))));
    }
    found
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("the name of a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("this test does not know the type {other}"),
    }
}
