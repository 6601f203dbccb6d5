//! Which object a key of a document names.

use std::collections::BTreeSet;

use speedmimi_model::{ChangeError, Layers, Object, Violation};

use super::source;
use crate::control::Refused;

/// The object that is called so, among those that lie over the file, are in it, or are in force: names may have dots,
/// so that a key says which object it is only beside all others.
pub(super) fn find(layers: &Layers, name: &str) -> Result<Object, Refused> {
    let overlay: BTreeSet<Object> = layers.overlay().entries().map(|(object, _)| object.clone()).collect();
    let all: BTreeSet<Object> =
        overlay.iter().cloned().chain(layers.effective().objects()).chain(layers.file().objects()).collect();
    let mut called = all.into_iter().filter(|object| source::path(object) == name);
    match (called.next(), called.next()) {
        (Some(object), None) => Ok(object),
        (Some(one), Some(other)) => {
            let description =
                format!("{name:?} may be {one} as well as {other}; update or remove the one that is meant");
            Err(ChangeError::Invalid(vec![Violation { field: "object".into(), description }]).into())
        }
        (None, _) => {
            let known = overlay.iter().map(source::path).collect();
            let missing = missing(layers, name);
            Err(ChangeError::NotFound { kind: missing.kind(), id: missing.name(), known }.into())
        }
    }
}

/// The object that a key would name, were it there.
fn missing(layers: &Layers, name: &str) -> Object {
    match name.split_once('.') {
        Some(("backends", rest)) => {
            let groups = layers.effective().upstreams.keys().chain(layers.file().upstreams.keys());
            let id = |group: &String| Some((group.clone(), rest.strip_prefix(group)?.strip_prefix('.')?));
            let known = groups.filter_map(id).max_by_key(|(group, _)| group.len());
            let (upstream, id) = known.unwrap_or_else(|| {
                let (upstream, id) = rest.split_once('.').unwrap_or((rest, ""));
                (upstream.to_owned(), id)
            });
            Object::backend(upstream, id)
        }
        Some(("upstreams", rest)) => Object::Upstream(rest.to_owned()),
        Some(("routing", rest)) => Object::Route(rest.to_owned()),
        _ => Object::Section(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use speedmimi_model::parse;
    use tonic::Code;

    use crate::admin::status;

    use super::*;

    #[test]
    fn a_key_names_an_object_unless_it_may_be_two() {
        let text = "backends: {a: [{id: b.c, host: h, port: 1}, {id: x.y, host: h, port: 1}], a.b: [{id: c, host: h, port: 1}]}\n\
                    routing: {all: {upstream: a}}";
        let layers = Layers::new(parse("test", text).expect("a valid configuration"));
        let found = |name: &str| find(&layers, name).map_err(|error| status::refused(&error).code());
        assert_eq!(found("backends.a.x.y"), Ok(Object::backend("a", "x.y")));
        assert_eq!(found("upstreams.a.b"), Ok(Object::Upstream("a.b".into())));
        assert_eq!(found("routing.all"), Ok(Object::Route("all".into())));
        assert_eq!(found("server"), Ok(Object::Section("server".into())));
        assert_eq!(found("backends.a.b.c"), Err(Code::InvalidArgument));
        assert_eq!(found("backends.a.nobody"), Err(Code::NotFound));
        let missing = ["backends.a.b.d", "backends.c.d.e", "upstreams.c", "routing.c.d", "c"];
        let named = missing.map(|name| super::missing(&layers, name).to_string());
        assert_eq!(named, ["backend a.b/d", "backend c/d.e", "upstream c", "route c.d", "c"]);
    }
}
