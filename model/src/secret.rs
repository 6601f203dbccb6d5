//! Values that not everybody may read: what routes set headers to, which may be the credentials of a backend.

use serde_json::Value;

use crate::config::{Config, HeaderEdits, Route};

/// Stands in the place of a value that its reader may not see. No value of a header itself, so that what was read
/// cannot be stored by mistake.
pub const MASK: &str = "***";

/// Puts [`MASK`] in the place of every secret in a value that stands at this key of a document; the empty key is that
/// of the whole document. What it cannot tell from a secret, it hides.
pub fn hide(path: &str, value: &mut Value) {
    let mut keys: Vec<String> = path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    walk(&mut keys, value);
}

impl Config {
    /// With [`MASK`] in the place of every secret.
    pub fn without_secrets(&self) -> Self {
        let mut config = self.clone();
        for route in config.routes.values_mut() {
            cover(&mut route.headers);
        }
        config
    }
}

impl Route {
    /// With [`MASK`] in the place of every secret.
    pub fn without_secrets(&self) -> Self {
        let mut route = self.clone();
        cover(&mut route.headers);
        route
    }
}

fn cover(headers: &mut HeaderEdits) {
    for ops in [&mut headers.request, &mut headers.response] {
        for (_, value) in ops.set.iter_mut().chain(&mut ops.add) {
            MASK.clone_into(value);
        }
    }
}

fn walk(keys: &mut Vec<String>, value: &mut Value) {
    if is_secret(keys) {
        return blot(value);
    }
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                keys.push(key.clone());
                walk(keys, value);
                keys.pop();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| walk(keys, value)),
        _ => {}
    }
}

/// Whether what headers are set to begins here. The name of a route may have dots in it, so it is looked for anywhere.
fn is_secret(keys: &[String]) -> bool {
    let begins = |keys: &[String]| match keys {
        [headers, way, what] => {
            headers == "headers" && (way == "request" || way == "response") && (what == "set" || what == "add")
        }
        _ => false,
    };
    keys.first().is_some_and(|first| first == "routing") && keys.windows(3).any(begins)
}

fn blot(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Object(entries) => entries.values_mut().for_each(blot),
        Value::Array(values) => values.iter_mut().for_each(blot),
        leaf => *leaf = MASK.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::leaves;
    use crate::parse;

    const FILE: &str = "backends: {default: [{id: a, host: h, port: 1, labels: {set: s1}}]}\n\
        routing: {a.b: {upstream: default, headers: {request: {set: {Authorization: Bearer s3cr3t, x.y: s3cr3t}, \
        add: {X-A: s3cr3t}, remove: [X-B]}, response: {set: {X-C: s3cr3t}, add: {X-D: s3cr3t}}}}}";

    #[test]
    fn a_document_and_a_configuration_are_hidden_alike() {
        let config = parse("test", FILE).expect("valid");
        let mut document = config.to_json();
        hide("", &mut document);
        let covered = config.without_secrets();
        assert_eq!(document, covered.to_json());
        let text = covered.to_yaml();
        assert!(!text.contains("s3cr3t") && text.contains("Authorization: \"***\""), "{text}");
        assert!(text.contains("set: s1") && text.contains("X-B"), "what is no secret is shown: {text}");
        assert_eq!(config.routes["a.b"].without_secrets(), covered.routes["a.b"]);
    }

    #[test]
    fn every_key_is_hidden_as_it_is_in_the_document() {
        let config = parse("test", FILE).expect("valid");
        let mut hidden = 0;
        for found in leaves(&config) {
            let mut value = found.new.expect("everything is new");
            let secret = value.to_string().contains("s3cr3t");
            hide(&found.path, &mut value);
            assert!(!value.to_string().contains("s3cr3t"), "{}: {value}", found.path);
            assert_eq!(value == MASK, secret, "{}: {value}", found.path);
            hidden += usize::from(secret);
        }
        assert_eq!(hidden, 5);
    }

    #[test]
    fn a_whole_field_and_a_whole_object_are_hidden() {
        let hidden = |path: &str, mut value: Value| {
            hide(path, &mut value);
            value
        };
        assert_eq!(hidden("routing.r.headers.request.set", json!({"X": "a", "Y": 5})), json!({"X": MASK, "Y": MASK}));
        assert_eq!(hidden("routing.r.headers.request.set", json!({})), json!({}));
        let whole = json!({"upstream": "u", "headers": {"response": {"add": {"X": "a"}, "remove": ["Y"]}}});
        let shown = json!({"upstream": "u", "headers": {"response": {"add": {"X": MASK}, "remove": ["Y"]}}});
        assert_eq!(hidden("routing.r", whole), shown);
        assert_eq!(hidden("backends.u.headers.request.set", json!(7)), json!(7));
    }
}
