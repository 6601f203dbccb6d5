//! Random histories of changes over a file, against the reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use speedmimi_model::{
    Backend, Change, Config, Conflict, Edit, Layer, Layers, Object, Origin, Overlay, Presence, Route, Selector,
    Upstream, diff, parse,
};

use crate::back;
use crate::generate;
use crate::reference::{Reference, things};

const UPSTREAMS: [&str; 3] = ["blue", "default", "green"];
const IDS: [&str; 3] = ["one", "two", "three"];
const ROUTES: [&str; 3] = ["a", "b", "c.d"];

fn object() -> impl Strategy<Value = Object> {
    let backend = || (select(UPSTREAMS.to_vec()), select(IDS.to_vec())).prop_map(|(u, id)| Object::backend(u, id));
    prop_oneof![
        4 => backend(),
        2 => select(UPSTREAMS.to_vec()).prop_map(|name| Object::Upstream(name.into())),
        2 => select(ROUTES.to_vec()).prop_map(|name| Object::Route(name.into())),
        1 => Just(Object::Section("server".into())),
    ]
}

/// Fields with values, some of them wrong.
fn field(object: &Object) -> BoxedStrategy<(String, Value)> {
    let of = |choices: Vec<(&'static str, Value)>| select(choices).prop_map(|(f, v)| (f.to_owned(), v)).boxed();
    match object {
        Object::Backend { .. } => of(vec![
            ("name", json!("One")),
            ("name", Value::Null),
            ("host", json!("10.0.0.1")),
            ("host", json!("web.internal")),
            ("host", json!("no host")),
            ("port", json!(81)),
            ("port", json!(0)),
            ("weight", json!(5)),
            ("weight", json!(100)),
            ("weight", json!(1001)),
            ("weight", Value::Null),
            ("max_conn", json!(9)),
            ("max_conn", json!(-1)),
            ("active", json!(false)),
            ("active", json!(true)),
            ("labels", json!({ "zone": "a", "b.c": "" })),
            ("labels", json!({})),
            ("health_check", json!({ "interval": "7s" })),
            ("health_check", Value::Null),
            ("no_such", json!(1)),
        ]),
        Object::Upstream(_) => of(vec![
            ("load_balancer", json!("round_robin")),
            ("load_balancer", json!("least_connections_weight")),
            ("load_balancer", json!("no_such")),
            ("load_balancer", Value::Null),
            ("timeouts.connect", json!("3s")),
            ("timeouts.total", json!("off")),
            ("timeouts.total", json!("9s")),
            ("pool.max_idle", json!(7)),
            ("pool.max_idle", json!(50)),
        ]),
        Object::Route(_) => of(vec![
            ("path", json!("/")),
            ("path", json!("/a")),
            ("path", json!("/b/")),
            ("path_exact", json!("/a")),
            ("upstream", json!("blue")),
            ("upstream", json!("green")),
            ("upstream", json!("default")),
            ("hosts", json!(["a.example"])),
            ("hosts", json!(["a.example", "b.example"])),
            ("hosts", json!([])),
            ("headers.request.set", json!({ "x-a": "1" })),
        ]),
        Object::Section(_) => of(vec![
            ("read_timeout", json!("7s")),
            ("limits.body", json!(1024)),
            ("limits.body", Value::Null),
            ("max_conn", json!(10)),
            ("max_conn", json!(0)),
        ]),
    }
}

/// What may go back to the file.
fn resettable(field: &str) -> bool {
    !["path", "path_exact", "no_such"].contains(&field)
}

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    /// Goes back to the overlay of an earlier step.
    Back(prop::sample::Index),
    /// Another file.
    Reload(Box<Config>, Conflict),
    /// Stored, and loaded by the next process.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let added = object().prop_flat_map(|object| {
        let mut needed = BTreeMap::new();
        if let Object::Backend { .. } = &object {
            needed.extend([("host".to_owned(), json!("10.0.0.9")), ("port".to_owned(), json!(9))]);
        }
        if let Object::Route(name) = &object {
            needed.extend([("upstream".to_owned(), json!("blue")), ("hosts".to_owned(), json!([name]))]);
        }
        vec(field(&object), 0..3).prop_map(move |fields| {
            let mut all = needed.clone();
            all.extend(fields);
            if all.contains_key("path_exact") {
                all.remove("path");
            }
            Change::Add { object: object.clone(), fields: all }
        })
    });
    let update = object().prop_flat_map(|object| {
        vec((field(&object), prop::bool::weighted(0.3)), 1..4).prop_map(move |fields| {
            let edit = |((field, value), reset): ((String, Value), bool)| {
                let edit = if reset && resettable(&field) { Edit::Reset } else { Edit::Set(value) };
                (field, edit)
            };
            let mut fields: BTreeMap<String, Edit> = fields.into_iter().map(edit).collect();
            if fields.contains_key("path_exact") {
                fields.remove("path");
            }
            Change::Update { object: object.clone(), fields }
        })
    });
    let remove = (object(), any::<bool>()).prop_map(|(object, cascade)| Change::Remove { object, cascade });
    let change = prop_oneof![
        6 => added,
        10 => update,
        4 => remove,
        2 => config().prop_map(|document| Change::Apply(Box::new(document))),
        1 => Just(Change::Clear(Selector::All)),
        3 => object().prop_map(|object| Change::Clear(Selector::Object(object))),
        2 => object().prop_flat_map(|object| {
            let field = field(&object).prop_filter("one that goes back", |(field, _)| resettable(field));
            field.prop_map(move |(field, _)| Change::Clear(Selector::Field(object.clone(), field)))
        }),
    ];
    let rule = select(vec![Conflict::Overlay, Conflict::File]);
    prop_oneof![
        20 => change.prop_map(Step::Change),
        2 => any::<prop::sample::Index>().prop_map(Step::Back),
        2 => (config(), rule).prop_map(|(file, rule)| Step::Reload(Box::new(file), rule)),
        1 => Just(Step::Restart),
    ]
}

/// A small configuration over the same few names, so that histories meet.
fn config() -> impl Strategy<Value = Config> {
    let backends = btree_map((select(UPSTREAMS.to_vec()), select(IDS.to_vec())), generate::backend(), 0..6);
    let groups = btree_map(select(UPSTREAMS.to_vec()), any::<bool>(), 1..4);
    let routes = btree_map(select(ROUTES.to_vec()), any::<prop::sample::Index>(), 0..3);
    (backends, groups, routes, 1u32..3).prop_map(|(backends, groups, routes, max_conn)| {
        let mut config = Config::default();
        config.server.max_conn = max_conn;
        for (name, robin) in groups {
            let of_this = backends.iter().filter(|((upstream, _), _)| *upstream == name);
            let named = |id: &str, backend: &Backend| Arc::new(Backend { id: id.into(), ..backend.clone() });
            let backends = of_this.map(|((_, id), backend)| named(id, backend)).collect();
            let load_balancer = robin.then_some(speedmimi_model::Algorithm::RoundRobin);
            let upstream = Upstream { backends, load_balancer, ..Upstream::default() };
            config.upstreams.insert(name.into(), upstream);
        }
        let names: Vec<String> = config.upstreams.keys().cloned().collect();
        for (name, upstream) in routes {
            let hosts = vec![speedmimi_model::HostPattern::Exact(format!("{name}.file"))];
            config.routes.insert(name.into(), Route { hosts, ..Route::to(upstream.get(&names).as_str()) });
        }
        if config.routes.is_empty() && config.implicit_upstream().is_none() {
            config.routes.insert("a".into(), Route::to(&names[0]));
        }
        parse("written", &config.to_yaml()).expect("a valid file")
    })
}

fn origin(step: usize) -> Origin {
    Origin { who: format!("step {step}"), at: step as u64, revision: step as u64 + 1 }
}

/// What must hold of any layers.
fn holds(layers: &Layers) -> Result<(), TestCaseError> {
    let effective = layers.effective();
    let yaml = effective.to_yaml();
    let exported =
        parse("export", &yaml).map_err(|faults| TestCaseError::fail(faults.render("export", &yaml, false)))?;
    prop_assert_eq!(&exported, &**effective, "the export reproduces it");
    let stored = serde_json::to_string(layers.overlay()).expect("it can be stored");
    let loaded: Overlay = serde_json::from_str(&stored).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&loaded, layers.overlay(), "{}", stored);
    let (again, problems) = Layers::load(layers.file().clone(), loaded);
    prop_assert_eq!(problems, vec![]);
    prop_assert_eq!(again.effective(), effective, "every change by itself is the same as all at once");
    prop_assert_eq!(again.overlay(), layers.overlay());
    explained(layers)
}

/// What is explained is true: take the layer away, and the value is what the one below says.
fn explained(layers: &Layers) -> Result<(), TestCaseError> {
    let file = layers.file();
    for object in layers.effective().objects() {
        let now = layers.effective().part(&object).expect("it is there");
        let below = file.part(&object);
        let entry = layers.overlay().entry(&object);
        let get =
            |document: &Value, path: &str| path.split('.').fold(document.clone(), |value, key| value[key].clone());
        let all = layers.explain(&object);
        prop_assert!(!all.is_empty(), "{object}");
        for field in all {
            let value = get(&now, &field.field);
            prop_assert!(value == field.value || value.is_null() && field.value == field.default, "{object} {field:?}");
            let in_file = below.as_ref().map(|below| get(below, &field.field));
            match field.layer {
                Layer::Overlay => {
                    let held = &entry.expect("an entry").fields[&field.field];
                    prop_assert_eq!(Some(&held.origin), field.origin.as_ref());
                    prop_assert_eq!(&held.value, &value);
                    let added = matches!(entry.map(|entry| &entry.presence), Some(Presence::Added { .. }));
                    prop_assert!(added || in_file != Some(value), "{object} {field:?} is the file's");
                }
                Layer::File => prop_assert_eq!(in_file, Some(value), "{} {:?}", object, field),
                Layer::Default => prop_assert_eq!(&field.value, &field.default, "{} {:?}", object, field),
            }
            prop_assert_eq!(field.layer == Layer::Overlay, field.origin.is_some());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_time: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn histories_come_to_what_the_reference_says(file in config(), steps in vec(step(), 0..25)) {
        let mut reference = Reference::new(&file);
        let mut layers = Layers::new(file);
        let mut past = vec![(layers.clone(), reference.now.clone())];
        for (index, step) in steps.into_iter().enumerate() {
            let (change, earlier) = match step {
                Step::Change(change) => (change, Vec::new()),
                Step::Back(to) => {
                    let (then, now) = to.get(&past).clone();
                    if back::is_exact(&then, &layers) {
                        (Change::Restore(Box::new(then.overlay().clone())), vec![now])
                    } else {
                        let Some(next) = back::over_another_file(&layers, &then, &origin(index))? else { continue };
                        layers = back::without_waiting(&next, &origin(index))?;
                        reference = Reference { file: things(layers.file()), now: things(layers.effective()) };
                        past.extend([next, layers.clone()].map(|layers| (layers, reference.now.clone())));
                        holds(&layers)?;
                        continue;
                    }
                }
                Step::Reload(file, rule) => {
                    let Ok((next, summary)) = layers.reload((*file).clone(), rule) else { continue };
                    let differs = !diff(layers.effective(), next.effective()).is_empty();
                    let changed = layers.effective().changed_objects(next.effective());
                    let parts = speedmimi_model::diff_of(layers.effective(), next.effective(), &changed);
                    prop_assert_eq!(parts, diff(layers.effective(), next.effective()), "of what changed and of all");
                    let told = !(summary.added.is_empty() && summary.removed.is_empty() && summary.changed.is_empty());
                    prop_assert_eq!(differs, told);
                    let (again, nothing) = next.reload(*file, rule).expect("it fitted before");
                    prop_assert_eq!(nothing, Default::default(), "nothing is left hanging");
                    prop_assert_eq!(again.overlay(), next.overlay());
                    if rule == Conflict::Overlay {
                        kept(&reference, &layers, &next, &summary.conflicts)?;
                    }
                    let (started, problems) = Layers::load(next.file().clone(), next.overlay().clone());
                    prop_assert_eq!((started.overlay(), started.effective()), (next.overlay(), next.effective()));
                    prop_assert_eq!(problems.len(), back::waiting(&next).count());
                    // What waits may come back later, which the reference does not know.
                    layers = back::without_waiting(&next, &origin(index))?;
                    reference = Reference { file: things(layers.file()), now: things(layers.effective()) };
                    past.extend([next, layers.clone()].map(|layers| (layers, reference.now.clone())));
                    holds(&layers)?;
                    continue;
                }
                Step::Restart => {
                    let (next, problems) = Layers::load(layers.file().clone(), layers.overlay().clone());
                    prop_assert_eq!(problems, vec![]);
                    layers = next;
                    continue;
                }
            };
            let before = (layers.overlay().clone(), layers.effective().clone());
            let origin = origin(index);
            match (layers.apply(&change, &origin), reference.apply(&change, &earlier)) {
                (Ok((next, touched)), Some(after)) => {
                    let objects = reference.now.keys().chain(after.now.keys());
                    let differ = objects.filter(|object| reference.now.get(object) != after.now.get(object));
                    let mut differ: Vec<Object> = differ.cloned().collect();
                    differ.sort();
                    differ.dedup();
                    prop_assert_eq!(&touched, &differ, "{:?}", change);
                    for object in &touched {
                        signed(&layers, &next, object, &origin)?;
                    }
                    reference = after;
                    layers = next;
                    past.push((layers.clone(), reference.now.clone()));
                }
                (Err(refused), None) => prop_assert!(!refused.to_string().is_empty()),
                (got, expected) => prop_assert!(false, "{change:?}: {got:#?} but {expected:#?}"),
            }
            // The old value is still what it was.
            prop_assert_eq!(things(layers.effective()), reference.now.clone(), "{:?}", change);
            drop(before);
            holds(&layers)?;
        }
        let (cleared, _) = layers.apply(&Change::Clear(Selector::All), &origin(99)).expect("the file is valid");
        prop_assert_eq!(&**cleared.effective(), layers.file());
        prop_assert!(cleared.overlay().is_empty());
    }

    #[test]
    fn an_applied_document_is_what_is_in_force(file in config(), one in config(), two in config()) {
        let layers = Layers::new(file);
        let mut now = layers.clone();
        for (index, document) in [one, two].into_iter().enumerate() {
            now = now.apply(&Change::Apply(Box::new(document.clone())), &origin(index)).expect("valid").0;
            prop_assert!(diff(now.effective(), &document).is_empty());
            prop_assert_eq!(things(now.effective()), things(&document));
            let (again, touched) = now.apply(&Change::Apply(Box::new(document)), &origin(9)).expect("valid");
            prop_assert_eq!((again.overlay(), touched), (now.overlay(), vec![]), "it is so already");
        }
        let file = now.file().clone();
        let (back, _) = now.apply(&Change::Apply(Box::new(file)), &origin(3)).expect("valid");
        prop_assert!(back.overlay().is_empty(), "what equals the file gets no entry: {:?}", back.overlay());
        prop_assert_eq!(back.effective(), layers.effective());
    }

    #[test]
    fn an_overlay_over_another_file_leaves_out_what_does_not_fit(
        file in config(), other in config(), changes in vec(step(), 0..15),
    ) {
        let mut layers = Layers::new(file);
        for step in changes {
            if let Step::Change(change) = step
                && let Ok((next, _)) = layers.apply(&change, &origin(1))
            {
                layers = next;
            }
        }
        let (loaded, problems) = Layers::load(other.clone(), layers.overlay().clone());
        parse("export", &loaded.effective().to_yaml()).map_err(|faults| TestCaseError::fail(faults.to_string()))?;
        for problem in &problems {
            prop_assert!(!problem.told().is_empty());
            let entry = loaded.overlay().entry(&problem.object).expect("it is kept");
            prop_assert!(entry.parked.is_some());
        }
        let parked = loaded.overlay().entries().filter(|(_, entry)| entry.parked.is_some()).count();
        prop_assert_eq!(parked, problems.len());
        // Over the file that they fit they are in force again.
        if !problems.is_empty() {
            let stored = serde_json::to_string(loaded.overlay()).expect("it can be stored");
            let overlay: Overlay = serde_json::from_str(&stored).expect("it can be read");
            prop_assert_eq!(&overlay, loaded.overlay());
        }
        let (cleared, _) = loaded.apply(&Change::Clear(Selector::All), &origin(2)).expect("the file is valid");
        prop_assert_eq!(&**cleared.effective(), &other);
        prop_assert!(cleared.overlay().is_empty());
    }
}

/// What the API set is what it was after a reload, and the rest is the new file's, but for what is reported as gone.
fn kept(reference: &Reference, old: &Layers, new: &Layers, told: &[String]) -> Result<(), TestCaseError> {
    let (file, now) = (things(new.file()), things(new.effective()));
    let gone = |object: &Object| {
        let beginning = format!("{object}: ");
        let gone = |line: &String| line.starts_with(&beginning) && line.contains("has no effect now");
        told.iter().any(gone)
    };
    for object in file.keys().chain(reference.now.keys()) {
        // A backend is there only where its upstream is.
        let upstream = match object {
            Object::Backend { upstream, .. } => Some(Object::Upstream(upstream.clone())),
            _ => None,
        };
        if upstream.as_ref().is_some_and(|upstream| gone(upstream) || !now.contains_key(upstream)) || gone(object) {
            continue;
        }
        // What was removed and added again is of the API as a whole, which the reference does not know.
        let again = old.overlay().entry(object).is_some_and(|entry| matches!(entry.presence, Presence::Added { .. }));
        let expected = match again {
            true => reference.now.get(object).cloned(),
            false => reference.reloaded(object, &file),
        };
        prop_assert_eq!(now.get(object), expected.as_ref(), "{}", object);
    }
    Ok(())
}

/// Whatever a change put into the overlay bears its origin, and nothing else does.
fn signed(before: &Layers, after: &Layers, object: &Object, origin: &Origin) -> Result<(), TestCaseError> {
    let (old, new) = (before.overlay().entry(object), after.overlay().entry(object));
    let Some(new) = new else { return Ok(()) };
    for (field, held) in &new.fields {
        let same = old.and_then(|old| old.fields.get(field)).filter(|old| old.value == held.value);
        prop_assert_eq!(&held.origin, same.map_or(origin, |same| &same.origin), "{} {}", object, field);
    }
    Ok(())
}
