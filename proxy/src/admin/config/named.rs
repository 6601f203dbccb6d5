//! Which object a key of a document names.

use std::collections::BTreeSet;

use speedmimi_model::{ChangeError, Kind, Layers, Object, Violation};

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
            Err(ChangeError::NotFound { kind: kind(name), id: name.to_owned(), known }.into())
        }
    }
}

fn kind(name: &str) -> Kind {
    match name.split_once('.') {
        Some(("backends", _)) => Kind::Backend,
        Some(("upstreams", _)) => Kind::Upstream,
        Some(("routing", _)) => Kind::Route,
        _ => Kind::Section,
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
    }
}
