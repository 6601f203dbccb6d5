use serde_json::json;
use speedmimi_model::{ChangeError, Upstream};

use super::*;
use crate::control::drain::{OnDeadline, Plan};

fn store() -> Store {
    let backends = ["a", "b"].map(|id| Arc::new(Backend { id: id.into(), ..Backend::new("127.0.0.1", 80) }));
    let upstream = Upstream { backends: backends.into(), ..Upstream::default() };
    Store::new(Config { upstreams: [("default".to_owned(), upstream)].into(), ..Config::default() })
}

fn backend(upstream: &str, id: &str) -> Object {
    Object::backend(upstream, id)
}

fn max_conn(id: &str, max_conn: i32) -> Change {
    Change::set(backend("default", id), "max_conn", max_conn)
}

fn add(id: &str, port: u32) -> Change {
    let fields = [("host".to_owned(), json!("127.0.0.1")), ("port".to_owned(), json!(port))].into();
    Change::Add { object: backend("default", id), fields }
}

fn active(id: &str, active: bool) -> Change {
    Change::set(backend("default", id), "active", active)
}

fn change(store: &Store, change: &Change, guard: &Guard) -> Result<(Store, Object), Refused> {
    let (next, object) = store.change(change, guard, 7)?;
    Ok((next, object.expect("changes here name an object")))
}

fn expect(revision: u64) -> Guard {
    Guard { expected_revision: Some(revision), ..Guard::default() }
}

#[test]
fn one_counter_and_each_object_keeps_its_own_revision() {
    let free = Guard::default();
    let (one, object) = change(&store(), &max_conn("a", 5), &free).expect("valid");
    assert_eq!((one.revision(), one.revision_of(&object)), (2, 2));
    assert_eq!(one.revision_of(&backend("default", "b")), FIRST_REVISION);
    let (two, other) = change(&one, &max_conn("b", 5), &free).expect("valid");
    assert_eq!((two.revision(), two.revision_of(&other), two.revision_of(&object)), (3, 3, 2));
}

#[test]
fn what_is_so_already_makes_no_revision() {
    let (one, _) = change(&store(), &max_conn("a", 5), &Guard::default()).expect("valid");
    let (two, object) = change(&one, &max_conn("a", 5), &Guard::default()).expect("valid");
    assert_eq!((two.revision(), two.revision_of(&object)), (2, 2));
}

#[test]
fn another_revision_than_expected_is_a_conflict_that_names_the_current_one() {
    let (one, _) = change(&store(), &max_conn("a", 5), &expect(1)).expect("it is at 1");
    let refused = change(&one, &max_conn("a", 6), &expect(1)).expect_err("it is at 2");
    assert!(matches!(refused, Refused::Conflict { expected: 1, current: 2, .. }), "{refused}");
    assert_eq!(one.config().backend("default", "a").map(|backend| backend.max_conn), Some(5));
    change(&one, &max_conn("b", 6), &expect(1)).expect("others do not matter");
}

#[test]
fn what_does_not_exist_is_at_zero() {
    change(&store(), &add("c", 81), &expect(0)).expect("it does not exist");
    assert!(matches!(change(&store(), &add("c", 81), &expect(1)), Err(Refused::Conflict { current: 0, .. })));
    let stale = change(&store(), &max_conn("c", 1), &expect(7));
    assert!(matches!(stale, Err(Refused::Conflict { expected: 7, current: 0, .. })));
    let missing = change(&store(), &max_conn("c", 1), &expect(0));
    assert!(matches!(missing, Err(Refused::Change(ChangeError::NotFound { .. }))));
}

#[test]
fn an_added_backend_without_id_is_named_by_its_address() {
    let (one, object) = change(&store(), &add("", 81), &Guard::default()).expect("valid");
    assert_eq!(object, backend("default", "127.0.0.1:81"));
    assert_eq!(one.revision_of(&object), 2);
}

#[test]
fn a_removed_backend_has_no_revision_and_comes_back_with_a_new_one() {
    let remove = Change::Remove { object: backend("default", "a"), cascade: false };
    let (one, object) = change(&store(), &remove, &Guard::default()).expect("it exists");
    assert_eq!((one.revision(), one.revision_of(&object)), (2, 0));
    let (two, object) = change(&one, &add("a", 81), &Guard::default()).expect("it is gone");
    assert_eq!(two.revision_of(&object), 3);
}

#[test]
fn a_disconnected_backend_stays_out_until_it_is_enabled() {
    let store = store();
    let admits = |store: &Store| store.admits("default", store.config().backend("default", "a").expect("there"));
    let cut = store.disconnect("default", "a", false, &expect(1)).expect("it exists");
    assert_eq!((cut.revision_of(&backend("default", "a")), cut.revision(), admits(&cut)), (1, 1, false));
    let kept = store.disconnect("default", "a", true, &Guard::default()).expect("it exists");
    assert!(admits(&kept));
    let (still, _) = change(&cut, &max_conn("a", 5), &Guard::default()).expect("valid");
    assert!(!admits(&still));
    let (back, object) = change(&still, &active("a", true), &Guard::default()).expect("valid");
    assert!(admits(&back));
    assert_eq!(back.revision_of(&object), 3, "enabling is a change, though the configuration says so already");
    let missing = store.disconnect("default", "x", false, &Guard::default());
    assert!(matches!(missing, Err(Refused::Change(ChangeError::NotFound { .. }))));
}

#[test]
fn a_reload_moves_the_revision_of_what_differs_alone() {
    let store = store();
    let (same, summary) = store.reload(store.config().clone(), &expect(1)).expect("valid");
    assert_eq!((same.revision(), summary), (1, ReloadSummary::default()));
    let refused = store.reload(store.config().clone(), &expect(9)).expect_err("it is at 1");
    assert!(matches!(refused, Refused::Conflict { object: None, expected: 9, current: 1 }), "{refused}");
    let mut file = store.config().clone();
    Arc::make_mut(&mut file.upstreams.get_mut("default").expect("there").backends[1]).weight = 7;
    let (next, _) = store.reload(file, &Guard::default()).expect("valid");
    assert_eq!(next.revision(), 2);
    assert_eq!(next.revision_of(&backend("default", "b")), 2);
    assert_eq!(next.revision_of(&backend("default", "a")), 1);
    assert_eq!(next.revision_of(&Object::Upstream("default".into())), 1);
}

#[test]
fn a_refused_reload_names_what_needs_a_restart() {
    let store = store();
    let mut file = store.config().clone();
    file.server.port = 1;
    file.grpc.port = 2;
    let refused = store.reload(file, &Guard::default()).expect_err("ports need a restart");
    let text = refused.to_string();
    assert!(text.contains("server.port") && text.contains("grpc"), "{text}");
}

#[test]
fn a_reload_keeps_what_was_changed_and_cut_off() {
    let (one, _) = change(&store(), &max_conn("a", 5), &Guard::default()).expect("valid");
    let two = one.disconnect("default", "b", false, &Guard::default()).expect("it exists");
    let mut file = store().config().clone();
    Arc::make_mut(&mut file.upstreams.get_mut("default").expect("there").backends[0]).weight = 7;
    let (three, _) = two.reload(file, &Guard::default()).expect("valid");
    let a = three.config().backend("default", "a").expect("there");
    assert_eq!((a.max_conn, a.weight), (5, 7));
    assert!(three.is_disconnected("default", "b"));
}

#[test]
fn what_the_file_catches_up_with_makes_a_revision() {
    let (one, _) = change(&store(), &max_conn("a", 5), &Guard::default()).expect("valid");
    let mut file = store().config().clone();
    Arc::make_mut(&mut file.upstreams.get_mut("default").expect("there").backends[0]).max_conn = 5;
    let (two, _) = one.reload(file.clone(), &Guard::default()).expect("valid");
    assert_eq!((two.revision(), two.layers().overlay().is_empty(), two.touched().len()), (3, true, 0));
    assert_eq!(two.reload(file, &Guard::default()).expect("valid").0.revision(), 3);
}

#[test]
fn going_back_restores_drains_and_ends_those_that_began_later() {
    let plan = |deadline| Plan { deadline, on_deadline: Some(OnDeadline::Close), ..Plan::default() };
    let minute = Some(std::time::Duration::from_secs(60));
    let free = Guard::default();
    let one = store();
    let (two, _) = one.drain("default", "a", &plan(minute), &free, 7).expect("there");
    let (three, _) = change(&two, &active("a", false), &free).expect("valid");
    assert!(three.draining().is_empty());
    let back = |store: &Store, to: &Store, at| {
        let drains = (**to.draining()).clone();
        store.restore(to.layers().overlay().clone(), drains, &free, at).expect("it fits")
    };
    let four = back(&three, &two, 8);
    assert_eq!((four.revision(), four.draining()), (4, two.draining()));
    assert_eq!(four.revision_of(&backend("default", "a")), 4);
    assert_eq!(four.config().backend("default", "a").map(|a| a.active), Some(true));
    let five = back(&four, &one, 9);
    assert_eq!((five.revision(), five.draining().len()), (5, 0));
    assert!(five.admits("default", five.config().backend("default", "a").expect("there")));
    let late = back(&five, &two, 61_000_007);
    let drain = late.drain_of("default", "a").expect("it drains");
    assert_eq!((drain.on_deadline, drain.deadline_at), (OnDeadline::Keep, Some(60_000_007)), "nothing is cut");
    assert_eq!(back(&late, &late, 99_000_000).revision(), late.revision(), "it is so already");
    let gone = Change::Remove { object: backend("default", "b"), cascade: false };
    let (without, _) = change(&one, &gone, &free).expect("valid");
    let (with, _) = one.drain("default", "b", &plan(None), &free, 7).expect("there");
    let drains = (**with.draining()).clone();
    let none = without.restore(without.layers().overlay().clone(), drains, &free, 8).expect("it fits");
    assert_eq!((none.revision(), none.draining().len()), (2, 0), "a backend that is gone does not drain");
}
