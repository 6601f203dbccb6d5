//! Changes one by one: what is refused and in which words, who set what, and what a reload makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use speedmimi_model::{
    Backend, Change, ChangeError, Config, Conflict, Edit, Kind, Layer, Layers, Object, Origin, Overlay, Presence,
    ReloadError, Selector, Upstream, parse,
};

fn one(id: &str, weight: u32, max_conn: i32) -> Config {
    let backend = Backend { id: id.into(), weight, max_conn, ..Backend::new("10.0.0.1", 80) };
    let upstream = Upstream { backends: vec![Arc::new(backend)], ..Upstream::default() };
    Config { upstreams: BTreeMap::from([("u".into(), upstream)]), ..Config::default() }
}

fn file(text: &str) -> Config {
    parse("file", text).unwrap_or_else(|faults| panic!("{}", faults.render("file", text, false)))
}

fn backend(id: &str) -> Object {
    Object::backend("u", id)
}

fn by(who: &str) -> Origin {
    Origin { who: who.into(), at: 1, revision: 2 }
}

fn set(object: &Object, fields: Value) -> Change {
    let fields = fields.as_object().expect("fields").iter();
    let fields = fields.map(|(field, value)| (field.clone(), Edit::Set(value.clone()))).collect();
    Change::Update { object: object.clone(), fields }
}

fn add(object: Object, fields: Value) -> Change {
    let fields = fields.as_object().expect("fields").clone();
    Change::Add { object, fields: fields.into_iter().collect() }
}

fn remove(object: Object, cascade: bool) -> Change {
    Change::Remove { object, cascade }
}

fn after(layers: &Layers, change: &Change) -> Layers {
    layers.apply(change, &by("ann")).unwrap_or_else(|refused| panic!("{refused}")).0
}

fn refused(layers: &Layers, change: &Change) -> ChangeError {
    layers.apply(change, &by("ann")).expect_err("it is refused")
}

fn fields_at_fault(layers: &Layers, change: &Change) -> Vec<String> {
    let ChangeError::Invalid(violations) = refused(layers, change) else { panic!("it is another refusal") };
    violations.into_iter().map(|violation| violation.field).collect()
}

fn conflicts(layers: &Layers, file: Config, rule: Conflict) -> Vec<String> {
    layers.reload(file, rule).expect("no restart").1.conflicts
}

#[test]
fn only_what_the_api_holds_at_another_value_is_a_conflict() {
    let layers = after(&Layers::new(one("b", 100, 10)), &Change::set(backend("b"), "max_conn", 20));
    let told = |file| conflicts(&layers, file, Conflict::Overlay);
    assert_eq!(told(one("b", 200, 10)), Vec::<String>::new(), "the weight is the file's");
    assert_eq!(told(one("b", 100, 20)), Vec::<String>::new(), "both say 20");
    assert_eq!(told(one("b", 200, 30)), ["backend u/b: the file changed max_conn; what was set through the API holds"]);
    let gone = "backend u/b: what was changed through the API has no effect now: the file no longer has it; \
                it is kept, and tried again at the next reload or start";
    assert_eq!(told(one("c", 100, 10)), [gone]);
    let gone = "backend u/b: the file no longer has it; what was changed through the API is forgotten";
    assert_eq!(conflicts(&layers, one("c", 100, 10), Conflict::File), [gone]);
    let (reloaded, _) = layers.reload(one("b", 200, 30), Conflict::Overlay).expect("no restart");
    let now = reloaded.effective().backend("u", "b").expect("it is there");
    assert_eq!((now.weight, now.max_conn), (200, 20));
    let reset = after(&reloaded, &Change::reset(backend("b"), "max_conn"));
    assert_eq!(reset.effective().backend("u", "b").map(|backend| backend.max_conn), Some(30));
    assert!(reset.overlay().is_empty());
}

#[test]
fn what_the_file_comes_to_say_itself_leaves_the_overlay() {
    let layers = after(&Layers::new(one("b", 100, 10)), &Change::set(backend("b"), "max_conn", 20));
    let (caught_up, summary) = layers.reload(one("b", 100, 20), Conflict::Overlay).expect("no restart");
    assert_eq!(summary, Default::default());
    assert!(caught_up.overlay().is_empty());
    let (on, summary) = caught_up.reload(one("b", 100, 30), Conflict::Overlay).expect("no restart");
    assert!(summary.conflicts.is_empty());
    assert_eq!(on.effective().backend("u", "b").map(|backend| backend.max_conn), Some(30));
}

#[test]
fn with_the_other_rule_the_file_holds_where_it_was_changed() {
    let change = set(&backend("b"), json!({ "max_conn": 20, "weight": 7 }));
    let layers = after(&Layers::new(one("b", 100, 10)), &change);
    let layers = after(&layers, &add(backend("new"), json!({ "host": "h", "port": 1 })));
    let (next, summary) = layers.reload(one("b", 100, 30), Conflict::File).expect("no restart");
    let told = "backend u/b: the file changed max_conn; what was set through the API is forgotten";
    assert_eq!(summary.conflicts, [told]);
    let now = next.effective().backend("u", "b").expect("it is there");
    assert_eq!((now.weight, now.max_conn), (7, 30), "what the file did not change stays");
    assert!(next.effective().backend("u", "new").is_some(), "the file says nothing of it");
    let gone = after(&Layers::new(one("b", 100, 10)), &remove(backend("b"), false));
    let told = |rule| conflicts(&gone, one("b", 100, 30), rule);
    assert_eq!(
        told(Conflict::Overlay),
        ["backend u/b: the file changed it; it was removed through the API and stays away"]
    );
    assert_eq!(told(Conflict::File), ["backend u/b: the file changed it; it is back, though removed through the API"]);
    let (back, _) = gone.reload(one("b", 100, 30), Conflict::File).expect("no restart");
    assert!(back.overlay().is_empty() && back.effective().backend("u", "b").is_some());
}

#[test]
fn a_backend_that_went_and_came_again_is_the_one_added() {
    let layers = Layers::new(one("b", 100, 10));
    let gone = after(&layers, &remove(backend("b"), false));
    assert_eq!(gone.effective().backend("u", "b"), None);
    let again = add(backend("b"), json!({ "host": "[::1]", "port": 81 }));
    let back = after(&gone, &again);
    let expected = Backend { id: "b".into(), ..Backend::new("::1", 81) };
    assert_eq!(back.effective().backend("u", "b").map(|backend| &**backend), Some(&expected));
    assert!(matches!(refused(&back, &again), ChangeError::AlreadyExists { kind: Kind::Backend, id } if id == "u/b"));
    let reset = BTreeMap::from(["weight", "host"].map(|field| (field.to_owned(), Edit::Reset)));
    let reset = after(&back, &Change::Update { object: backend("b"), fields: reset });
    assert_eq!(reset.effective().backend("u", "b").map(|b| b.host.as_str()), Some("10.0.0.1"), "as in the file");
    let told = |layers: &Layers, file| conflicts(layers, file, Conflict::Overlay).len();
    assert_eq!(told(&back, one("b", 100, 10)), 0);
    assert_eq!(told(&back, one("b", 7, 10)), 1);
    assert_eq!(told(&back, one("c", 7, 10)), 1);
    let (kept, _) = back.reload(one("c", 7, 10), Conflict::Overlay).expect("no restart");
    assert_eq!(
        kept.effective().backend("u", "b").map(|backend| &**backend),
        Some(&expected),
        "it holds without the file"
    );
    assert_eq!(told(&gone, one("c", 7, 10)), 0, "gone is what both want");
    assert_eq!(after(&back, &remove(backend("b"), false)).effective().backend("u", "b"), None);
}

#[test]
fn every_field_that_cannot_be_is_named() {
    let layers = Layers::new(one("b", 100, 10));
    let check = json!({ "path": "health", "interval": "500µs", "timeout": "999d", "failures": 0 });
    let change = set(
        &backend("b"),
        json!({ "host": "a b", "port": 0, "weight": 1001, "health_check": check, "name": "a\u{7}", "id": "c",
                "labels": { "": "x", "y": "a\nb", "z": "z".repeat(2000) }, "wieght": 1, "labels.zone": "a" }),
    );
    let mut found = fields_at_fault(&layers, &change);
    found.sort();
    let health = ["failures", "interval", "path", "timeout"].map(|field| format!("backend.health_check.{field}"));
    let labels = ["", "y", "z", "zone"].map(|label| format!("backend.labels.{label}"));
    let mut expected: Vec<String> = health.into_iter().chain(labels).collect();
    expected.extend(["host", "id", "name", "port", "weight", "wieght"].map(|field| format!("backend.{field}")));
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(
        fields_at_fault(&layers, &add(backend("a/b"), json!({}))),
        ["backend.id", "backend.host", "backend.port"]
    );
    assert_eq!(fields_at_fault(&layers, &Change::reset(backend("b"), "colour")), ["backend.colour"]);
    let added = after(&layers, &add(backend("n"), json!({ "host": "h", "port": 1 })));
    assert_eq!(fields_at_fault(&added, &Change::reset(backend("n"), "host")), ["backend.host"]);
    let route = add(Object::Route("a/b".into()), json!({ "path": "x", "path_exact": "/y", "upstream": "v" }));
    assert_eq!(fields_at_fault(&layers, &route), ["route.name", "route.path", "route.upstream"]);
    let server = set(&Object::Section("server".into()), json!({ "max_conn": 0, "limits.body": "1 TB" }));
    assert_eq!(fields_at_fault(&layers, &server), ["server.max_conn", "server.limits.body"]);
    let later = set(&Object::Upstream("u".into()), json!({ "queue.size": 5 }));
    assert_eq!(fields_at_fault(&layers, &later), ["upstream.queue.size"]);
    let idle = after(&layers, &set(&Object::Upstream("u".into()), json!({ "queue.size": 0 })));
    assert!(idle.overlay().is_empty(), "it asks for nothing");
    assert!(matches!(
        refused(&layers, &Change::set(Object::Section("servr".into()), "port", 1)),
        ChangeError::NotFound { kind: Kind::Section, .. }
    ));
}

#[test]
fn a_path_that_holds_several_fields_stands_for_all_of_them() {
    let layers = Layers::new(file("{backends: {u: []}, upstreams: {u: {timeouts: {connect: 3s, idle: 4s}}}}"));
    let upstream = Object::Upstream("u".into());
    let next = after(&layers, &Change::set(upstream.clone(), "timeouts", json!({ "connect": "5s" })));
    let timeouts = &next.effective().upstreams["u"].timeouts;
    assert_eq!((timeouts.connect, timeouts.idle), (Some(std::time::Duration::from_secs(5)), None));
    let back = after(&next, &Change::reset(upstream, "timeouts"));
    assert!(back.overlay().is_empty());
}

#[test]
fn an_upstream_in_use_is_not_removed() {
    let text = "{backends: {u: [{id: a, host: h, port: 1}], v: []}, routing: {r: {upstream: u}}}";
    let layers = Layers::new(file(text));
    let upstream = Object::Upstream("u".into());
    for cascade in [false, true] {
        let told = refused(&layers, &remove(upstream.clone(), cascade)).to_string();
        assert_eq!(told, "upstream u is in use by route r; lead these routes elsewhere first");
    }
    let moved = after(&layers, &set(&Object::Route("r".into()), json!({ "upstream": "v" })));
    let told = refused(&moved, &remove(upstream.clone(), false)).to_string();
    assert!(told.starts_with("upstream u is in use by backend u/a;"), "{told}");
    let (gone, touched) = moved.apply(&remove(upstream.clone(), true), &by("bob")).expect("nobody needs it");
    assert_eq!(touched, [Object::backend("u", "a"), upstream.clone()]);
    assert_eq!(gone.overlay().entries().count(), 2, "one tombstone, and the route");
    let empty = after(&gone, &add(upstream.clone(), json!({})));
    assert!(empty.effective().upstreams["u"].backends.is_empty(), "the file's backends do not come back with it");
    let (loaded, _) = Layers::load(layers.file().clone(), empty.overlay().clone());
    assert_eq!(loaded.effective(), empty.effective(), "nor after a restart");
    let back = after(&gone, &Change::Clear(Selector::Object(upstream.clone())));
    assert_eq!(back.effective().upstreams["u"], layers.file().upstreams["u"]);
    let last = refused(&Layers::new(one("b", 1, 1)), &remove(Object::Upstream("u".into()), true));
    assert!(matches!(last, ChangeError::Unroutable(_)), "{last}");
    let nowhere = refused(&gone, &Change::Clear(Selector::Object(Object::Route("r".into()))));
    assert!(nowhere.to_string().contains("route r: unknown upstream \"u\""), "{nowhere}");
}

#[test]
fn routes_do_not_hide_each_other() {
    let text = "{backends: {u: []}, routing: {r: {upstream: u, path: /a/}}}";
    let layers = Layers::new(file(text));
    let told = refused(&layers, &add(Object::Route("a".into()), json!({ "upstream": "u", "path": "/a" }))).to_string();
    assert_eq!(told, "route.path: takes the same host and path as route \"r\": one of them is never reached");
    let exact = after(&layers, &set(&Object::Route("r".into()), json!({ "path_exact": "/a" })));
    after(&exact, &add(Object::Route("a".into()), json!({ "upstream": "u", "host": ["x.y"], "path": "/a" })));
    let both = set(&Object::Route("r".into()), json!({ "path_exact": "/a", "path": "/b" }));
    assert_eq!(fields_at_fault(&layers, &both), ["route.path_exact"]);
}

#[test]
fn added_backends_stand_behind_the_others_in_the_order_of_adding() {
    let mut layers = Layers::new(one("m", 1, 1));
    for id in ["z", "a", "k"] {
        layers = after(&layers, &add(backend(id), json!({ "host": "h", "port": 1 })));
    }
    let unnamed = layers.apply(&add(backend(""), json!({ "host": "h", "port": 1 })), &by("ann")).expect("valid");
    assert_eq!(unnamed.1, [backend("h:1")]);
    layers = after(&unnamed.0, &Change::set(backend("a"), "weight", 9));
    let stored = serde_json::to_value(layers.overlay()).expect("it can be stored");
    let overlay: Overlay = serde_json::from_value(stored).expect("it can be read");
    let (layers, _) = Layers::load(one("m", 1, 1), overlay);
    let ids: Vec<_> = layers.effective().upstreams["u"].backends.iter().map(|backend| backend.id.as_str()).collect();
    assert_eq!(ids, ["m", "z", "a", "k", "h:1"]);
}

#[test]
fn what_becomes_the_files_again_stands_where_the_file_has_it() {
    let text = "{backends: {u: [{id: a, host: h, port: 1}, {id: b, host: h, port: 2}]}}";
    let layers = Layers::new(file(text));
    let again = after(&layers, &remove(backend("a"), false));
    let again = after(&again, &add(backend("a"), json!({ "host": "h", "port": 3 })));
    let ids = |layers: &Layers| {
        let backends = &layers.effective().upstreams["u"].backends;
        backends.iter().map(|backend| backend.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&again), ["b", "a"]);
    let same = after(&again, &Change::set(backend("a"), "port", 1));
    assert!(same.overlay().is_empty());
    assert_eq!(ids(&same), ["a", "b"]);
}

#[test]
fn each_field_says_where_it_comes_from() {
    let layers = Layers::new(file("{backends: {u: [{id: b, host: h, port: 1, weight: 100, max_conn: 5}]}}"));
    let layers = layers.apply(&Change::set(backend("b"), "max_conn", 9), &by("bob")).expect("valid").0;
    let layers = after(&layers, &set(&backend("b"), json!({ "max_conn": 9, "name": "B" })));
    let explained = layers.explain(&backend("b"));
    let find = |field: &str| explained.iter().find(|known| known.field == field).expect("a field");
    assert_eq!((find("weight").layer, &find("weight").value), (Layer::File, &json!(100)), "a default spelled out");
    assert_eq!((find("active").layer, &find("active").value), (Layer::Default, &json!(true)));
    let max_conn = find("max_conn");
    assert_eq!((max_conn.layer, &max_conn.value, &max_conn.file_value), (Layer::Overlay, &json!(9), &Some(json!(5))));
    assert_eq!(max_conn.origin, Some(by("bob")), "who set it to what it is");
    assert_eq!((find("name").origin.clone(), &find("name").file_value), (Some(by("ann")), &None));
    let upstream = layers.explain(&Object::Upstream("u".into()));
    let connect = upstream.iter().find(|known| known.field == "timeouts.connect").expect("a field");
    assert_eq!((connect.layer, &connect.value), (Layer::Default, &json!("10s")));
    assert!(layers.explain(&backend("none")).is_empty());
}

#[test]
fn the_stored_form_is_stable() {
    let layers = Layers::new(one("b", 100, 10));
    let layers = after(&layers, &Change::set(backend("b"), "max_conn", 20));
    let layers = after(&layers, &add(Object::Route("r".into()), json!({ "upstream": "u" })));
    let layers = after(&layers, &add(Object::Upstream("v".into()), json!({ "load_balancer": "round_robin" })));
    let layers = after(&layers, &remove(backend("b"), false));
    let origin = json!({ "who": "ann", "at": 1, "revision": 2 });
    let expected = json!({ "version": 1, "entries": [
        { "object": { "kind": "backend", "upstream": "u", "id": "b" }, "change": "removed", "origin": origin },
        { "object": { "kind": "upstream", "name": "v" }, "change": "added", "order": 1, "origin": origin,
          "fields": { "load_balancer": { "value": "round_robin", "origin": origin } } },
        { "object": { "kind": "route", "name": "r" }, "change": "added", "order": 0, "origin": origin,
          "fields": { "upstream": { "value": "u", "origin": origin } } },
    ]});
    assert_eq!(serde_json::to_value(layers.overlay()).expect("it can be stored"), expected);
    let mut newer = expected.clone();
    newer["version"] = json!(2);
    let told = serde_json::from_value::<Overlay>(newer).expect_err("nobody knows what it means").to_string();
    assert!(told.contains("version 2"), "{told}");
    let mut twice = expected;
    let first = twice["entries"][0].clone();
    twice["entries"].as_array_mut().expect("entries").push(first);
    assert!(serde_json::from_value::<Overlay>(twice).is_err());
}

fn reloaded(layers: &Layers, file: Config, rule: Conflict) -> Layers {
    layers.reload(file, rule).expect("no restart").0
}

#[test]
fn what_a_file_leaves_out_for_a_while_is_in_force_again_with_the_next_that_has_it() {
    let layers = after(&Layers::new(one("b", 100, 10)), &Change::set(backend("b"), "max_conn", 77));
    let without = reloaded(&layers, one("c", 100, 10), Conflict::Overlay);
    assert!(without.overlay().entry(&backend("b")).is_some_and(|entry| entry.parked.is_some()));
    let (again, told) = without.reload(one("c", 100, 10), Conflict::Overlay).expect("no restart");
    assert_eq!((again.overlay(), told), (without.overlay(), Default::default()), "it is told once");
    let back = reloaded(&again, one("b", 100, 10), Conflict::Overlay);
    assert_eq!(back.overlay(), layers.overlay());
    assert_eq!(back.effective().backend("u", "b").map(|b| b.max_conn), Some(77));
    let forgotten = reloaded(&layers, one("c", 100, 10), Conflict::File);
    assert!(forgotten.overlay().is_empty());
    let (forgotten, told) = without.reload(one("d", 100, 10), Conflict::File).expect("no restart");
    let gone = "backend u/b: the file no longer has it; what was changed through the API is forgotten";
    assert!(forgotten.overlay().is_empty() && told.conflicts == [gone], "{told:?}");
}

#[test]
fn a_route_whose_upstream_vanished_for_one_reload_comes_back() {
    let both = || file("{backends: {u: [], v: []}, routing: {r: {upstream: u}}}");
    let route = Object::Route("new".into());
    let layers = after(&Layers::new(both()), &add(route.clone(), json!({ "upstream": "v", "path": "/v" })));
    let layers = after(&layers, &add(Object::backend("v", "x"), json!({ "host": "h", "port": 1 })));
    let one = reloaded(&layers, file("{backends: {u: []}, routing: {r: {upstream: u}}}"), Conflict::Overlay);
    assert_eq!((one.effective().routes.len(), one.overlay().entries().count()), (1, 2));
    let two = reloaded(&one, both(), Conflict::Overlay);
    assert_eq!((two.effective(), two.overlay()), (layers.effective(), layers.overlay()));
    // So does it where the API makes room for it.
    let (again, touched) = one.apply(&add(Object::Upstream("v".into()), json!({})), &by("eve")).expect("valid");
    assert_eq!(touched, [Object::backend("v", "x"), Object::Upstream("v".into()), route.clone()]);
    let entry = again.overlay().entry(&route).expect("an entry");
    assert_eq!((entry.origin(), &entry.parked), (Some(&by("ann")), &None), "it is whose it was");
}

#[test]
fn what_waits_does_not_drive_out_what_is_in_force() {
    let with = |path: &str| {
        file(&format!("{{backends: {{u: []}}, routing: {{r: {{upstream: u}}, s: {{upstream: u, path: {path}}}}}}}"))
    };
    let route = Object::Route("new".into());
    let layers = after(&Layers::new(with("/s")), &add(route.clone(), json!({ "upstream": "u", "path": "/a" })));
    let (next, told) = layers.reload(with("/a"), Conflict::Overlay).expect("no restart");
    assert!(told.conflicts[0].starts_with("route new: what was changed through the API has no effect now"), "{told:?}");
    assert_eq!(next.effective().routes["s"].path, with("/a").routes["s"].path);
    let other = after(&next, &set(&Object::Route("s".into()), json!({ "path": "/b" })));
    assert!(other.effective().routes.contains_key("new"), "there is room for it");
    let taken = after(&next, &add(Object::Route("late".into()), json!({ "upstream": "u", "path": "/c" })));
    assert!(!taken.effective().routes.contains_key("new"));
    assert_eq!(reloaded(&taken, with("/a"), Conflict::Overlay).effective(), taken.effective());
}

#[test]
fn what_the_file_was_changed_beneath_is_marked_until_they_agree() {
    let layers = after(&Layers::new(one("b", 100, 10)), &set(&backend("b"), json!({ "max_conn": 20, "weight": 7 })));
    let marks = |layers: &Layers| {
        let entries = layers.overlay().entries();
        let fields = entries.flat_map(|(_, entry)| entry.fields.iter().filter(|(_, held)| held.contradicted));
        fields.map(|(field, _)| field.clone()).collect::<Vec<_>>()
    };
    assert!(marks(&layers).is_empty());
    let next = reloaded(&layers, one("b", 100, 30), Conflict::Overlay);
    assert_eq!(marks(&next), ["max_conn"]);
    let stored = serde_json::to_value(next.overlay()).expect("it can be stored");
    let overlay: Overlay = serde_json::from_value(stored).expect("it can be read");
    let (loaded, _) = Layers::load(one("b", 100, 30), overlay);
    assert_eq!(marks(&reloaded(&loaded, one("b", 100, 30), Conflict::Overlay)), ["max_conn"], "a mark stays");
    let explained = loaded.explain(&backend("b"));
    assert!(explained.iter().all(|field| field.contradicted == (field.field == "max_conn")));
    assert!(marks(&reloaded(&loaded, one("b", 100, 20), Conflict::Overlay)).is_empty(), "they agree");
    let anew = after(&loaded, &Change::set(backend("b"), "max_conn", 25));
    assert!(marks(&anew).is_empty(), "it was set in sight of what the file says");
    assert_eq!(marks(&after(&loaded, &Change::set(backend("b"), "weight", 8))), ["max_conn"]);
    let gone = after(&Layers::new(one("b", 100, 10)), &remove(backend("b"), false));
    let gone = reloaded(&gone, one("b", 100, 30), Conflict::Overlay);
    assert!(gone.overlay().entry(&backend("b")).is_some_and(|entry| entry.contradicted));
    assert!(reloaded(&gone, one("b", 100, 30), Conflict::Overlay).overlay() == gone.overlay());
}

#[test]
fn an_overlay_that_does_not_fit_does_not_stop_the_start() {
    let layers = Layers::new(file("{backends: {u: [], v: []}, routing: {r: {upstream: u}}}"));
    let layers = after(&layers, &set(&Object::Route("r".into()), json!({ "upstream": "v" })));
    let layers = after(&layers, &add(Object::backend("v", "x"), json!({ "host": "h", "port": 1 })));
    let layers = after(&layers, &Change::set(Object::Section("server".into()), "max_conn", 5));
    let smaller = || file("{backends: {u: []}, routing: {r: {upstream: u}}}");
    let (loaded, mut problems) = Layers::load(smaller(), layers.overlay().clone());
    problems.sort_by(|one, two| one.object.cmp(&two.object));
    let told: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.object, problem.told())).collect();
    assert_eq!(
        told,
        [
            "backend v/x: there is no upstream \"v\" any more; it is kept, and tried again at the next reload or start",
            "route r: route.upstream: unknown upstream \"v\"; did you mean \"u\"? allowed: u; it is kept, and tried again \
             at the next reload or start"
        ]
    );
    assert_eq!(loaded.effective().server.max_conn, 5, "the rest is in force");
    assert_eq!(loaded.effective().routes["r"].upstream, "u");
    let parked = loaded.overlay().entry(&Object::Route("r".into())).and_then(|entry| entry.parked.clone());
    assert!(parked.is_some_and(|told| told.contains("unknown upstream")));
    let (again, problems) = Layers::load(layers.file().clone(), loaded.overlay().clone());
    assert_eq!((again.overlay(), problems), (layers.overlay(), vec![]), "where it fits it is in force again");
    let cleared = after(&loaded, &Change::Clear(Selector::Object(Object::Route("r".into()))));
    assert_eq!(cleared.overlay().entries().count(), 2);
    let anew = after(&loaded, &Change::set(Object::Route("r".into()), "path", "/a"));
    let entry = anew.overlay().entry(&Object::Route("r".into())).expect("an entry");
    assert_eq!((&entry.presence, &entry.parked), (&Presence::Patched, &None));
}

#[test]
fn going_back_signs_what_it_changes() {
    let layers = Layers::new(one("b", 100, 10));
    let first = layers.apply(&set(&backend("b"), json!({ "max_conn": 20, "weight": 5 })), &by("bob")).expect("valid").0;
    let second = after(&first, &Change::set(backend("b"), "max_conn", 30));
    let restore = Change::Restore(Box::new(first.overlay().clone()));
    let (back, touched) = second.apply(&restore, &by("eve")).expect("it fits");
    assert_eq!((back.effective(), touched), (first.effective(), vec![backend("b")]));
    let fields = &back.overlay().entry(&backend("b")).expect("an entry").fields;
    assert_eq!((&fields["max_conn"].origin, &fields["weight"].origin), (&by("eve"), &by("bob")));
}

#[test]
fn what_needs_a_restart_is_named_key_by_key() {
    let old = one("b", 100, 10);
    let mut new = one("b", 200, 10);
    new.server.port = 81;
    new.server.workers = std::num::NonZeroUsize::new(3);
    new.server.max_conn = 5;
    new.grpc.port = 1;
    new.log.level = speedmimi_model::Level::Debug;
    new.state.persist = false;
    new.state.conflict = Conflict::File;
    new.access_log = file("{backends: {u: []}, access_log: on}").access_log;
    let layers = Layers::new(old.clone());
    let Err(ReloadError::RestartNeeded { fields }) = layers.reload(new.clone(), Conflict::Overlay) else {
        panic!("it is refused")
    };
    let named = ["access_log", "grpc.port", "log.level", "server.port", "server.workers", "state.persist"];
    assert_eq!(fields, named);
    let applied = refused(&layers, &Change::Apply(Box::new(new)));
    assert_eq!(applied, ChangeError::RestartNeeded { fields: named.map(str::to_owned).to_vec() });
    let port = refused(&layers, &Change::set(Object::Section("server".into()), "port", 81));
    assert_eq!(port, ChangeError::RestartNeeded { fields: vec!["server.port".into()] });
    let same = after(&layers, &Change::set(Object::Section("server".into()), "port", 8080));
    assert!(same.overlay().is_empty(), "it is so already");
    after(&layers, &Change::set(Object::Section("state".into()), "conflict", "file"));
    let marked = |path: &str| {
        path.split('.').fold(speedmimi_model::schema(), |s, key| s["properties"][key].clone())["x-restart"] == true
    };
    for section in ["server.host", "server.port", "server.workers", "grpc", "admin", "log", "access_log", "state.dir"] {
        assert!(marked(section), "{section}");
    }
    assert!(!marked("server.max_conn") && !marked("state.conflict"));
    assert!(old.restart_differences(&one("c", 1, 1)).is_empty());
}

/// The shortest of many is what the work costs, whatever else the machine does.
#[test]
fn a_change_among_five_hundred_backends_takes_less_than_five_milliseconds() {
    let backends =
        (0..500).map(|n| Arc::new(Backend { id: format!("b{n}"), ..Backend::new("10.0.0.1", 80) })).collect();
    let upstream = Upstream { backends, ..Upstream::default() };
    let config = Config { upstreams: BTreeMap::from([("u".into(), upstream)]), ..Config::default() };
    let mut layers = Layers::new(config);
    for n in 0..250 {
        layers = after(&layers, &set(&backend(&format!("b{n}")), json!({ "max_conn": 7, "labels": { "zone": "a" } })));
    }
    let cost = (0..50).map(|n| {
        let begin = std::time::Instant::now();
        layers = after(&layers, &Change::set(backend("b400"), "max_conn", n + 1));
        begin.elapsed()
    });
    let shortest = cost.min().expect("there were fifty");
    println!("{shortest:?}");
    assert!(shortest < std::time::Duration::from_millis(5), "{shortest:?}");
}
