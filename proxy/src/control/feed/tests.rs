use std::time::Duration;

use speedmimi_model::{Change, Config};

use super::*;
use crate::control::Guard;
use crate::control::drain::{Board, OnDeadline, Plan, Then};
use crate::control::store::Admin;
use crate::health::Findings;
use crate::live::Live;
use crate::snapshot::Addresses;

fn store() -> Store {
    Store::new(Config::for_backends([("127.0.0.1".into(), 81), ("127.0.0.1".into(), 82)]))
}

fn max_conn(store: &Store, max_conn: i32) -> Store {
    let change = Change::set(Object::backend("default", "127.0.0.1:81"), "max_conn", max_conn);
    store.change(&change, &Guard::default(), 7).expect("valid").0
}

fn push(feed: &Feed, before: &Store, after: &Store) {
    push_all(feed, &[Step::new(before.clone(), after.clone())]);
}

fn push_all(feed: &Feed, steps: &[Step]) {
    let live = Live::new(1);
    let config = steps.last().expect("one at least").after.config();
    let snapshot = Snapshot::compile(config, 1, &live, &Addresses::default(), 100);
    let (findings, kept_out) = (Findings::default(), Board::default());
    feed.push(&Known { live: &live, snapshot: &snapshot, findings: &findings, kept_out: &kept_out }, steps);
}

#[test]
fn each_revision_is_one_record_and_a_batch_keeps_their_order() {
    let feed = Feed::new(1);
    let one = store();
    let two = max_conn(&one, 5);
    let three = max_conn(&two, 6);
    let steps = [(&one, &two), (&two, &three)].map(|(before, after)| Step::new(before.clone(), after.clone()));
    push_all(&feed, &steps);
    let revisions: Vec<u64> =
        (0..2).map(|number| feed.record(number).expect("kept").expect("there").revision()).collect();
    assert_eq!(revisions, [2, 3]);
    assert!(matches!(feed.record(2), Ok(None)), "yet to come");
    assert_eq!((feed.since(1), feed.since(0)), (Some(0), None), "nothing before the start is known");
}

#[test]
fn whoever_is_behind_the_ring_has_to_begin_anew() {
    let feed = Feed::new(1);
    let mut before = store();
    for count in 0..CHANGES.0 as i32 + 1 {
        let after = max_conn(&before, 5 + count);
        push(&feed, &before, &after);
        before = after;
    }
    assert_eq!(feed.record(0).err(), Some(Lost));
    assert_eq!((feed.since(1), feed.since(2)), (None, Some(1)));
}

#[test]
fn whoever_may_have_missed_what_was_observed_has_to_begin_anew() {
    let feed = Feed::new(1);
    let one = store();
    let cut = one.disconnect("default", "127.0.0.1:81", false, &Guard::default()).expect("it exists");
    for _ in 0..CHANGES.0 {
        push(&feed, &one, &cut);
    }
    assert_eq!(feed.since(1), Some(0), "all of it is kept");
    push(&feed, &one, &cut);
    assert_eq!(feed.since(1), None, "one was dropped, which revision 1 says nothing of");
    let two = max_conn(&cut, 5);
    push(&feed, &cut, &two);
    assert_eq!((feed.since(1), feed.since(2)), (None, Some(2)), "a revision later, all before was seen");
}

#[test]
fn a_change_of_very_many_objects_is_told_as_too_much() {
    let feed = Feed::new(1);
    let before = store();
    let many = Config::for_backends((1000..1100).map(|port| ("127.0.0.1".to_owned(), port)));
    let (after, _) = before.reload(many, &Guard::default()).expect("valid");
    push(&feed, &before, &after);
    let record = feed.record(0).expect("kept").expect("there");
    assert!(matches!(*record, Record::Revision { what: None, .. }), "{record:?}");
    assert!(record.bytes() < 1024);
}

#[test]
fn a_backend_whose_name_leads_elsewhere_now_is_told() {
    let feed = Feed::new(1);
    let store = Store::new(Config::for_backends([("one".into(), 81), ("two".into(), 82)]));
    let live = Live::new(1);
    let leads = |one: &str| {
        let mut addresses = Addresses::default();
        addresses.insert("one".into(), 81, [one.parse().expect("an address")].into());
        Snapshot::compile(store.config(), 1, &live, &addresses, 100)
    };
    let (before, after) = (leads("192.0.2.1:81"), leads("192.0.2.2:81"));
    let (findings, kept_out) = (Findings::default(), Board::default());
    let known = Known { live: &live, snapshot: &after, findings: &findings, kept_out: &kept_out };
    feed.moved(&known, &store, &before);
    let record = feed.record(0).expect("kept").expect("there");
    let Record::Observed { revision: 1, seen } = &*record else { panic!("{record:?}") };
    assert_eq!((seen.backend.host.as_str(), &*seen.addresses), ("one", &["192.0.2.2:81".parse().expect("one")][..]));
    assert!(matches!(feed.record(1), Ok(None)), "the other one leads nowhere, as before");
}

#[test]
fn a_drain_is_part_of_the_store_and_can_be_kept() {
    let guard = Guard::default();
    let plan =
        Plan { deadline: Some(Duration::from_secs(30)), on_deadline: Some(OnDeadline::Close), ..Plan::default() };
    let store = store();
    let (draining, attached) = store.drain("default", "127.0.0.1:81", &plan, &guard, 1_000_000).expect("valid");
    assert_eq!((draining.revision(), attached), (2, false));
    let text = serde_json::to_string(draining.drain_of("default", "127.0.0.1:81").expect("it drains")).expect("JSON");
    assert_eq!(
        text,
        r#"{"by":"speedmimi","begun_at":1000000,"deadline_at":31000000,"on_deadline":"close","then":"none"}"#
    );
    let backend = draining.config().backend("default", "127.0.0.1:81").expect("there").clone();
    assert_eq!(
        (draining.admits("default", &backend), draining.admin_of("default", &backend)),
        (false, Admin::Draining)
    );
    let other = Plan { then: Some(Then::Remove), ..Plan::default() };
    assert!(draining.drain("default", "127.0.0.1:81", &other, &guard, 2).is_err());
    let replaced = Plan { replace: true, ..other };
    assert_eq!(draining.drain("default", "127.0.0.1:81", &replaced, &guard, 2).expect("it may").0.revision(), 3);
    let enable = Change::set(Object::backend("default", "127.0.0.1:81"), "active", true);
    let (enabled, _) = draining.change(&enable, &guard, 7).expect("valid");
    assert!(enabled.draining().is_empty() && enabled.admits("default", &backend) && enabled.revision() == 3);
    let remove = Change::Remove { object: Object::backend("default", "127.0.0.1:81"), cascade: false };
    assert!(draining.change(&remove, &guard, 7).expect("valid").0.draining().is_empty());
}
