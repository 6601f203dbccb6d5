//! A file that changes beneath what was changed through the API: read again, or found at the next start.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::Value;
use speedmimi_proto::v1::{DrainBackendRequest, RollbackConfigRequest, Route};

use crate::harness::{Config, Management, Proxy, eventually, gated, named};

fn config(backends: &[(&str, SocketAddr, i32)], conflict: &str) -> Config {
    let state = format!("state: {{dir: state, conflict: {conflict}}}");
    let one = |config: Config, (id, address, max_conn): &(&str, SocketAddr, i32)| {
        config.backend_with(id, *address, &format!("max_conn: {max_conn}"))
    };
    backends.iter().fold(Config::new(), one).top(&state)
}

/// The lines of the error log that are about this, as JSON.
fn lines(proxy: &Proxy, about: &str) -> Vec<Value> {
    let lines = proxy.log().into_iter().filter(|line| line.contains(about));
    lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn roll_back(management: &Management, revision: u64) {
    let request = RollbackConfigRequest { revision, options: None };
    management.call(management.config().rollback_config(request)).expect("it is kept");
}

#[test]
fn what_a_reload_leaves_out_once_is_in_force_again_with_the_next() {
    let (one, two) = (named("b1"), named("b2"));
    let whole = config(&[("b1", one.address(), 10), ("b2", two.address(), 10)], "overlay");
    let part = config(&[("b1", one.address(), 10)], "overlay");
    let whole = whole.backend_of("api", "a1", one.address(), "");
    let mut proxy = Proxy::start(&whole);
    let management = proxy.management();
    management.set_max_conn("b2", 77);
    let route =
        Route { name: "api".into(), upstream: Some("api".into()), path: Some("/api".into()), ..Route::default() };
    let rest = Route { name: "all".into(), upstream: Some("default".into()), ..Route::default() };
    for route in [rest, route] {
        management.add_route(route).expect("valid");
    }
    let before = management.shown();
    proxy.rewrite(&part.yaml());
    let answer = management.reload().expect("a valid file");
    for object in ["backend default/b2: ", "route api: "] {
        let told = answer.conflicts.iter().find(|told| told.starts_with(object)).expect(object);
        assert!(told.contains("has no effect now") && told.contains("tried again"), "{told}");
    }
    let waiting: Vec<_> = management.shown().overlay.into_iter().filter(|entry| !entry.problem.is_empty()).collect();
    assert_eq!(waiting.len(), 2, "{waiting:#?}");
    proxy.rewrite(&whole.yaml());
    management.reload().expect("a valid file");
    assert_eq!(management.backend("b2").max_conn, Some(77));
    let after = management.shown();
    assert_eq!((after.hash, after.overlay), (before.hash.clone(), before.overlay.clone()));
    // A start does the same.
    for file in [&part, &whole] {
        proxy.signal(Signal::KILL);
        proxy.wait_exit();
        proxy.rewrite(&file.yaml());
        proxy = proxy.restart();
    }
    let after = proxy.management().shown();
    assert_eq!((after.hash, after.overlay), (before.hash, before.overlay));
}

#[test]
fn a_file_edited_while_no_process_ran_is_taken_by_its_own_rule_and_that_is_told() {
    let backend = named("b1");
    for (rule, expected) in [("overlay", 10), ("file", 50)] {
        let mut proxy = Proxy::start(&config(&[("b1", backend.address(), 5)], rule));
        proxy.management().set_max_conn("b1", 10);
        proxy.signal(Signal::TERM);
        proxy.wait_exit();
        proxy.rewrite(&config(&[("b1", backend.address(), 50)], rule).yaml());
        proxy = proxy.restart();
        let management = proxy.management();
        assert_eq!(management.backend("b1").max_conn, Some(expected), "{rule}");
        assert_eq!(management.shown().revision, 3, "{rule}");
        let told = lines(&proxy, "default/b1: the file changed max_conn");
        assert!(told.len() == 1 && told[0]["level"] == "WARN", "{rule}: {told:#?}");
        let audit = lines(&proxy, "\"Start\"");
        assert_eq!(audit.len(), 1, "{rule}: {:#?}", proxy.log());
        let again = management.reload().expect("a valid file");
        assert!(again.conflicts.is_empty() && again.differences.is_empty(), "{rule}: {again:#?}");
        assert_eq!(management.shown().overlay.iter().any(|entry| entry.conflict), rule == "overlay");
    }
}

#[test]
fn what_the_file_catches_up_with_is_a_revision_to_go_back_to() {
    let backend = named("b1");
    let at = |max_conn| config(&[("b1", backend.address(), max_conn)], "overlay");
    let proxy = Proxy::start(&at(5));
    let management = proxy.management();
    management.set_max_conn("b1", 10);
    let revision = management.shown().revision;
    proxy.rewrite(&at(10).yaml());
    assert_eq!(management.reload().expect("a valid file").revision, revision + 1);
    assert!(!management.shown().has_overlay);
    assert_eq!(management.reload().expect("a valid file").revision, revision + 1, "nothing is new");
    proxy.rewrite(&at(30).yaml());
    management.reload().expect("a valid file");
    roll_back(&management, revision);
    assert_eq!(management.backend("b1").max_conn, Some(10), "it lies over the file again");
}

#[test]
fn going_back_brings_the_drains_of_that_revision() {
    let gate = crate::harness::Gate::default();
    let (one, two) = (named("b1"), gated("b2", &gate));
    let proxy = Proxy::start(&config(&[("b1", one.address(), 0), ("b2", two.address(), 0)], "overlay"));
    let management = proxy.management();
    let states = |management: &Management| -> BTreeMap<String, String> {
        let state = |id: &str| (id.to_owned(), management.status(id).admin_state().as_str_name().to_owned());
        ["b1", "b2"].map(state).into()
    };
    let request = DrainBackendRequest { backend_id: "b2".into(), ..DrainBackendRequest::default() };
    management.set_max_conn("b1", 9);
    let before = management.shown().revision;
    let watched = management.call(management.backends().drain_backend(request)).expect("it begins");
    drop(watched);
    let drained = management.shown().revision;
    let draining = states(&management);
    management.disable("b2");
    roll_back(&management, drained);
    assert_eq!(states(&management), draining, "it drains again");
    assert_eq!(proxy.get("/").text(), "b1");
    roll_back(&management, before);
    assert!(!states(&management)["b2"].contains("DRAINING"), "it began later");
    gate.open();
    eventually("it takes traffic", || proxy.get("/").text() == "b2");
    assert_eq!(management.shown().revision, drained + 3, "each is one revision");
}
