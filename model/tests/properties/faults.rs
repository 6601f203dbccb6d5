//! Everything that is wrong with a change, told at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use speedmimi_model::{Change, ChangeError, Config, Edit, Layers, Object, Origin};

fn layers() -> Layers {
    Layers::new(Config::for_backends([("10.0.0.1".into(), 80)]))
}

fn origin() -> Origin {
    Origin { who: "ann".into(), at: 1, revision: 2 }
}

fn backend(id: &str) -> Object {
    Object::backend("default", id)
}

fn add(object: Object, fields: Value) -> Change {
    let fields = fields.as_object().expect("fields").clone();
    Change::Add { object, fields: fields.into_iter().collect() }
}

fn fields(violations: Vec<speedmimi_model::Violation>) -> Vec<String> {
    let mut fields: Vec<String> = violations.into_iter().map(|violation| violation.field).collect();
    fields.sort();
    fields
}

#[test]
fn what_cannot_be_put_into_an_object_does_not_hide_its_other_faults() {
    let new = add(backend("n"), json!({ "host": "h", "port": 1 }));
    let layers = layers().apply(&new, &origin()).expect("valid").0;
    let edits = [("host", Edit::Reset), ("zork", Edit::Reset), ("weight", Edit::Set(0.into()))];
    let edits: BTreeMap<String, Edit> = edits.map(|(field, edit)| (field.to_owned(), edit)).into();
    let change = Change::Update { object: backend("n"), fields: edits };
    let Err(ChangeError::Invalid(violations)) = layers.apply(&change, &origin()) else { panic!("it has faults") };
    assert_eq!(violations, layers.violations(&change));
    assert_eq!(fields(violations), ["backend.host", "backend.weight", "backend.zork"]);
}

#[test]
fn one_that_is_not_there_is_blamed_for_what_is_asked_of_it_alone() {
    let layers = layers();
    let edits = [("host", Edit::Reset), ("zork", Edit::Set(1.into())), ("weight", Edit::Set(0.into()))];
    let edits: BTreeMap<String, Edit> = edits.map(|(field, edit)| (field.to_owned(), edit)).into();
    for id in ["", "nobody", "no name"] {
        let change = Change::Update { object: backend(id), fields: edits.clone() };
        assert_eq!(fields(layers.violations(&change)), ["backend.weight", "backend.zork"], "{id:?}");
    }
    let labels = json!({ "labels": { "": "x" }, "host": "x y" });
    let unnamed = layers.violations(&add(backend(""), labels));
    assert_eq!(fields(unnamed), ["backend.host", "backend.labels.", "backend.port"]);
    let route = layers.violations(&add(Object::Route(String::new()), json!({})));
    assert_eq!(fields(route), ["route.name", "route.upstream"]);
    assert!(layers.violations(&add(backend("n"), json!({ "host": "h", "port": 1 }))).is_empty());
}
