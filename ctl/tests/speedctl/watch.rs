//! Verbs that follow what happens.

use speedmimi_proto::v1::{AdminState, DrainDeadline, DrainPhase, DrainThen, EventType, Severity};
use tonic::{Code, Status};

use crate::double::{Call, Double, Script, entry};
use crate::{Outcome, on};

fn one() -> Double {
    Double::start(Script::with(vec![entry("default", "b1")]))
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON, one a line")).collect()
}

#[test]
fn backends_are_followed_over_a_lost_connection() {
    let double = one();
    let Outcome { code, out, err } = on(&double, "backend watch");
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows.len(), 3, "{out}");
    assert_eq!(rows[0], "6  is  default/b1  127.0.0.1:8001  weight=100  enabled  up  max_conn=50");
    assert!(rows[1].starts_with("7  updated  default/b1") && rows[2].starts_with("8  removed  default/b1"), "{out}");
    assert!(err.contains("interrupted") && err.contains("connected again"), "{err}");
    assert!(err.contains("no more for you"), "what will not go away ends it: {err}");
    assert_eq!(code, 1);
    let resumed = double.calls().into_iter().filter_map(|call| match call {
        Call::WatchBackends(request) => Some(request.watch.map(|watch| (watch.resume_revision, watch.resume_instance))),
        _ => None,
    });
    assert_eq!(resumed.collect::<Vec<_>>(), [None, Some((Some(6), "one".to_owned()))]);
}

#[test]
fn backends_are_followed_as_lines_of_json() {
    let double = one();
    let out = on(&double, "-o json backend watch default/b1").out;
    let all = lines(&out);
    assert_eq!(all.len(), 3, "{out}");
    assert_eq!(all[0]["resync"]["backends"][0]["backend"]["max_conn"], 50);
    assert_eq!(all[2]["events"]["events"][0]["type"], "WATCH_EVENT_TYPE_REMOVED");
    let Call::WatchBackends(request) = &double.calls()[0] else { panic!("{:?}", double.calls()) };
    assert_eq!((request.upstream.as_str(), request.backend_id.as_str()), ("default", "b1"));
}

#[test]
fn the_configuration_is_followed() {
    let out = on(&one(), "config watch").out;
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows[0], "revision 6 is in force: 1 keys");
    assert!(rows[1].starts_with("revision 7 by ann"), "{out}");
    assert_eq!(rows[2], "  ~ backends.default.b1.max_conn: 50 → 200");
    let json = lines(&on(&one(), "-o json config watch").out);
    assert_eq!(json[1]["event"]["differences"][0]["after"], "200");
}

#[test]
fn events_are_followed() {
    let double = one();
    let out = on(&double, "events --type backend-health --type config_changed --severity warning --recent 3").out;
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows[0].ends_with("info  config-changed  revision 7: backend default/b1  (by ann)"), "{out}");
    assert!(rows[1].ends_with("warning  backend-health  default/b1 is down: ?[2J"), "{out}");
    let Call::WatchEvents(request) = &double.calls()[0] else { panic!("{:?}", double.calls()) };
    assert_eq!(request.types, [EventType::BackendHealth.into(), EventType::ConfigChanged.into()] as [i32; 2]);
    assert_eq!((request.severity(), request.recent), (Severity::Warning, 3));
    let json = lines(&on(&one(), "-o json events").out);
    assert_eq!(json[1]["severity"], "SEVERITY_WARNING");
    let wrong = on(&double, "events --type nothing").failed(2);
    assert!(wrong.contains("backend-drain"), "{wrong}");
}

#[test]
fn a_drain_is_followed_to_its_end() {
    let double = one();
    let out = on(&double, "backend drain --deadline 30s --on-deadline close --then remove").done();
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows[0], "default/b1 draining: 2 in flight, the oldest for 12s, 3s since it began");
    assert_eq!(rows[2], "default/b1 drained after 3s (revision 7)");
    let Call::Drain(request) = double.last() else { panic!("{:?}", double.calls()) };
    assert_eq!((request.on_deadline(), request.then()), (DrainDeadline::Close, DrainThen::Remove));
    assert_eq!(request.deadline, Some(prost_types::Duration { seconds: 30, nanos: 0 }));
    let json = lines(&on(&double, "-o json backend drain b1").done());
    assert_eq!((json[0]["remaining"].as_u64(), json[2]["phase"].as_str()), (Some(2), Some("DRAIN_PHASE_DRAINED")));
    let detached = on(&double, "backend drain b1 --detach").done();
    assert_eq!(detached.lines().count(), 1, "{detached}");
}

#[test]
fn a_drain_that_is_not_done_says_why() {
    for (phase, why) in [(DrainPhase::Cancelled, "was enabled"), (DrainPhase::Disabled, "was disabled")] {
        let double = Double::start(Script { drain_ends: phase, ..Script::with(vec![entry("default", "b1")]) });
        let Outcome { code, err, .. } = on(&double, "backend drain b1");
        assert!(code == 1 && err.contains(why), "{err}");
    }
    on(&one(), "backend drain b1 --on-deadline close").failed(2);
}

/// A drain whose connection is lost while two are left, and what is there when it is back.
fn lost(words: &str, state: AdminState, in_flight: u32) -> (Outcome, Vec<Call>) {
    let mut backend = entry("default", "b1");
    let status = backend.status.get_or_insert_default();
    (status.admin_state, status.in_flight) = (state.into(), in_flight);
    let double = Double::start(Script { drain_ends: DrainPhase::Draining, ..Script::with(vec![backend]) });
    (on(&double, words), double.calls())
}

#[test]
fn a_drain_whose_end_nobody_saw_is_done_only_where_it_left_what_was_asked_for() {
    for (words, state, in_flight, code, why) in [
        ("backend drain b1", AdminState::Enabled, 0, 1, "it is enabled again"),
        ("backend drain b1 --then disable", AdminState::Enabled, 0, 1, "it is enabled again"),
        ("backend drain b1 --then disable", AdminState::Disabled, 0, 0, "disabled now"),
        ("backend drain b1 --then disable", AdminState::Disabled, 1, 1, "1 in flight"),
        ("backend drain b1", AdminState::Disabled, 0, 1, "it is disabled"),
        ("backend drain b1 --then remove", AdminState::Disabled, 0, 1, "it is disabled"),
        ("backend drain b1 --watch-only", AdminState::Enabled, 0, 1, "it is enabled again"),
    ] {
        let (Outcome { code: ended, err, .. }, calls) = lost(words, state, in_flight);
        assert!(ended == code && err.contains(why), "{words}, {state:?}: {ended} {err}");
        let begun = calls.iter().filter(|call| matches!(call, Call::Drain(_))).count();
        assert_eq!(begun, 1, "it is not begun a second time: {calls:?}");
    }
}

#[test]
fn a_drain_is_looked_on_at_without_beginning_one() {
    let double = one();
    on(&double, "backend drain b1 --watch-only").done();
    let Call::Drain(request) = double.last() else { panic!("{:?}", double.calls()) };
    assert!(request.watch_only && request.options.is_none(), "{request:?}");
    for flag in ["--then disable", "--deadline 1s", "--replace", "--detach", "--dry-run", "--request-id x"] {
        on(&double, &format!("backend drain b1 --watch-only {flag}")).failed(2);
    }
}

#[test]
fn a_watch_that_cannot_begin_fails_as_any_call() {
    let double = Double::start(Script::refusing(Status::new(Code::NotFound, "no such backend")));
    for words in ["backend watch b1", "config watch", "events", "backend drain b1", "stats server --watch"] {
        let err = on(&double, words).failed(4);
        assert!(err.contains("no such backend"), "{words}: {err}");
    }
}
