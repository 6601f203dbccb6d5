//! Going back where the file is another one since.

use proptest::prelude::*;
use serde_json::json;
use speedmimi_model::{Change, ChangeError, Conflict, Layers, Object, Origin, ReloadError, Selector, parse};

/// Whether an earlier overlay fits these layers as it is: over the same file, with nothing that waits.
pub(crate) fn is_exact(then: &Layers, now: &Layers) -> bool {
    then.file() == now.file() && waiting(then).next().is_none()
}

/// What has no effect.
pub(crate) fn waiting(layers: &Layers) -> impl Iterator<Item = &Object> {
    layers.overlay().entries().filter(|(_, entry)| entry.parked.is_some()).map(|(object, _)| object)
}

/// The layers without what waits, which makes no difference.
pub(crate) fn without_waiting(layers: &Layers, origin: &Origin) -> Result<Layers, TestCaseError> {
    let mut layers = layers.clone();
    for object in waiting(&layers).cloned().collect::<Vec<_>>() {
        let clear = Change::Clear(Selector::Object(object));
        let (cleared, touched) = layers.apply(&clear, origin).expect("it had no effect");
        prop_assert_eq!(touched, vec![]);
        layers = cleared;
    }
    Ok(layers)
}

/// Goes back to the overlay of that time, which comes to what a reload would make of it; none where both are refused.
pub(crate) fn over_another_file(now: &Layers, then: &Layers, origin: &Origin) -> Result<Option<Layers>, TestCaseError> {
    let back = |layers: &Layers, to: &Layers| layers.apply(&Change::Restore(Box::new(to.overlay().clone())), origin);
    let reloaded = then.reload(now.file().clone(), Conflict::Overlay);
    let (next, touched) = match (back(now, then), &reloaded) {
        (Ok(done), Ok(_)) => done,
        (Err(ChangeError::Unroutable(told)), Err(ReloadError::Unfit { .. })) => {
            prop_assert!(!told.is_empty());
            return Ok(None);
        }
        (got, expected) => return Err(TestCaseError::fail(format!("{got:#?} but {expected:#?}"))),
    };
    let (expected, _) = reloaded.expect("it is not refused");
    prop_assert_eq!(next.file(), now.file());
    prop_assert_eq!(next.effective(), expected.effective());
    prop_assert_eq!(waiting(&next).collect::<Vec<_>>(), waiting(&expected).collect::<Vec<_>>());
    prop_assert_eq!(touched, now.effective().changed_objects(next.effective()));
    let (started, _) = Layers::load(next.file().clone(), next.overlay().clone());
    prop_assert_eq!((started.overlay(), started.effective()), (next.overlay(), next.effective()));
    let (again, touched) = back(&next, &next).expect("it fitted before");
    prop_assert_eq!((again.overlay(), touched), (next.overlay(), vec![]), "it is so already");
    Ok(Some(next))
}

fn layers(text: &str) -> Layers {
    Layers::new(parse("file", text).unwrap_or_else(|faults| panic!("{}", faults.render("file", text, false))))
}

fn at(revision: u64) -> Origin {
    Origin { who: "ann".into(), at: revision, revision }
}

const BOTH: &str = "{backends: {default: [{id: b1, host: h, port: 1}, {id: b2, host: h, port: 2}]}}";
const FIRST: &str = "{backends: {default: [{id: b1, host: h, port: 1}]}}";

fn weight(layers: &Layers, id: &str, weight: u32, revision: u64) -> Layers {
    layers.apply(&Change::set(Object::backend("default", id), "weight", weight), &at(revision)).expect("valid").0
}

#[test]
fn what_the_file_no_longer_has_waits_as_after_a_reload() {
    let second = weight(&layers(BOTH), "b2", 7, 2);
    let third = weight(&second, "b1", 5, 3);
    let (fourth, summary) = third.reload(layers(FIRST).file().clone(), Conflict::Overlay).expect("it fits");
    assert_eq!(summary.conflicts.len(), 1, "{:?}", summary.conflicts);
    let fifth = weight(&fourth, "b1", 9, 5);
    let back = |to: &Layers| Change::Restore(Box::new(to.overlay().clone()));
    let (next, touched) = fifth.apply(&back(&third), &at(6)).expect("what does not fit waits");
    assert_eq!(touched, [Object::backend("default", "b1")]);
    assert_eq!(next.effective().backend("default", "b1").map(|one| one.weight), Some(5));
    let b2 = Object::backend("default", "b2");
    assert_eq!(waiting(&next).collect::<Vec<_>>(), [&b2]);
    let entry = next.overlay().entry(&b2).expect("it is kept");
    let told = "the file no longer has it; it is kept, and tried again at the next reload or start";
    assert_eq!(entry.parked.as_deref(), Some(told));
    assert_eq!(entry.fields["weight"].origin, at(2), "it was there all the time");
    let (full, _) = next.reload(layers(BOTH).file().clone(), Conflict::Overlay).expect("it fits");
    assert_eq!(full.effective().backend("default", "b2").map(|one| one.weight), Some(7));
    // What waited then fits again now.
    let (last, _) = full.apply(&back(&next), &at(8)).expect("it fits");
    assert_eq!((last.effective(), last.overlay()), (full.effective(), full.overlay()));
}

#[test]
fn what_would_leave_requests_nowhere_is_refused_for_all_together() {
    let old = layers("{backends: {u: [], v: []}, routing: {r: {upstream: u}, s: {upstream: u, path: /s}}}");
    let remove = Change::Remove { object: Object::Route("r".into()), cascade: false };
    let without = old.apply(&remove, &at(2)).expect("another is left").0;
    let all = Change::Clear(Selector::All);
    let cleared = without.apply(&all, &at(3)).expect("the file is valid").0;
    let file = layers("{backends: {u: [], v: []}, routing: {r: {upstream: u}}}").file().clone();
    let (now, _) = cleared.reload(file, Conflict::Overlay).expect("it fits");
    let refused =
        now.apply(&Change::Restore(Box::new(without.overlay().clone())), &at(5)).expect_err("no route is left");
    assert!(matches!(&refused, ChangeError::Unroutable(told) if told.contains("add routes to u, v")), "{refused}");
    // One by one they wait.
    let update = Change::Update {
        object: Object::Route("r".into()),
        fields: [("upstream".to_owned(), speedmimi_model::Edit::Set(json!("v")))].into(),
    };
    let led = old.apply(&update, &at(6)).expect("valid").0;
    let smaller = layers("{backends: {u: []}, routing: {r: {upstream: u}}}");
    let (next, _) = smaller.apply(&Change::Restore(Box::new(led.overlay().clone())), &at(7)).expect("it waits");
    assert_eq!(waiting(&next).collect::<Vec<_>>(), [&Object::Route("r".into())]);
    assert_eq!(next.effective(), smaller.effective());
}
