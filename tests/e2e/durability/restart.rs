//! A process goes on where the one before ended, however it ended.

use rustix::process::Signal;
use speedmimi_proto::v1::{
    AdminState, DrainBackendRequest, DrainThen, ExplainPickRequest, GetServerInfoRequest, ListRevisionsRequest,
    MutationOptions, RollbackConfigRequest, SkipReason, UpdateBackendRequest, explain_pick_request,
};

use super::mutation::{FILE, Mutation};
use crate::harness::{Dice, Proxy, named};

fn state() -> &'static str {
    "state: {dir: state}"
}

#[test]
fn everything_changed_through_the_api_is_there_after_a_stop_and_after_a_kill() {
    let dice = Dice::new();
    for signal in [Signal::TERM, Signal::KILL] {
        let mut proxy = Proxy::start_in(tempfile::tempdir().expect("a folder"), FILE);
        let management = proxy.management();
        for _ in 0..40 {
            let _ = Mutation::any(&dice).send(&management, MutationOptions::default());
        }
        let before = management.shown();
        proxy.signal(signal);
        proxy.wait_exit();
        proxy = proxy.restart();
        assert_eq!(proxy.management().shown(), before, "{dice}");
    }
}

#[test]
fn a_backend_that_was_cut_off_stays_out_and_what_is_enabled_comes_back() {
    let (one, two) = (named("b1"), named("b2"));
    let config = crate::harness::Config::new().backend("b1", one.address()).backend("b2", two.address()).top(state());
    let mut proxy = Proxy::start(&config);
    proxy.management().disconnect("b1", false);
    proxy.signal(Signal::KILL);
    proxy.wait_exit();
    proxy = proxy.restart();
    for _ in 0..4 {
        assert_eq!(proxy.get("/").text(), "b2");
    }
    proxy.management().enable("b1");
    proxy.signal(Signal::KILL);
    proxy.wait_exit();
    proxy = proxy.restart();
    proxy.management().disable("b2");
    assert_eq!(proxy.get("/").text(), "b1");
}

#[test]
fn a_file_changed_in_between_lies_below_what_was_changed_and_makes_a_revision() {
    let backend = named("b1");
    let config = |more: &str| crate::harness::Config::new().backend_with("b1", backend.address(), more).top(state());
    let mut proxy = Proxy::start(&config("weight: 50, max_conn: 7"));
    proxy.management().set_max_conn("b1", 20);
    let before = proxy.management().shown().revision;
    proxy.signal(Signal::TERM);
    proxy.wait_exit();
    proxy.rewrite(&config("weight: 60, max_conn: 8").yaml());
    proxy = proxy.restart();
    let management = proxy.management();
    let now = management.backend("b1");
    assert_eq!((now.weight, now.max_conn), (Some(60), Some(20)));
    assert_eq!(management.shown().revision, before + 1);
    assert_eq!(management.status("b1").revision, before + 1);
}

#[test]
fn the_history_tells_who_did_what_and_leads_back() {
    let backend = named("b1");
    let config = crate::harness::Config::new().backend_with("b1", backend.address(), "max_conn: 7").top(state());
    let mut proxy = Proxy::start(&config);
    proxy.management().set_max_conn("b1", 20);
    proxy.management().set_max_conn("b1", 30);
    proxy.signal(Signal::KILL);
    proxy.wait_exit();
    proxy = proxy.restart();
    let management = proxy.management();
    let history = management.call(management.config().list_revisions(ListRevisionsRequest::default()));
    let history = history.expect("it can be read").revisions;
    assert_eq!(history.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((&*history[0].what, &*history[0].who), ("UpdateBackend backend default/b1", "api"));
    let change = &history[0].differences[0];
    assert_eq!(
        (&*change.path, change.before.as_deref(), change.after.as_deref()),
        ("backends.default.b1.max_conn", Some("20"), Some("30"))
    );
    let back = |revision| {
        let request = RollbackConfigRequest { revision, options: None };
        management.call(management.config().rollback_config(request))
    };
    assert_eq!(back(2).expect("it is kept").revision, 4);
    assert_eq!(management.backend("b1").max_conn, Some(20));
    back(1).expect("it is kept");
    assert_eq!(management.backend("b1").max_conn, Some(7));
    assert!(!management.shown().has_overlay);
    back(3).expect("it is kept");
    assert_eq!(management.backend("b1").max_conn, Some(30));
    assert_eq!(back(99).expect_err("there is none").code(), tonic::Code::NotFound);
}

#[test]
fn a_store_in_use_refuses_the_start_and_names_who_has_it() {
    let backend = named("b1");
    let proxy = Proxy::start(&crate::harness::Config::one(backend.address()).top(state()));
    let second = std::process::Command::new(crate::harness::SPEEDMIMI)
        .current_dir(proxy.path("."))
        .args(["run", "-c", "config.yaml"])
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&format!("process {}", proxy.pid())), "{said}");
    assert_eq!(proxy.get("/").text(), "b1", "the first goes on");
}

#[test]
fn a_damaged_store_is_set_aside_and_the_file_alone_is_in_force() {
    let backend = named("b1");
    let config = crate::harness::Config::new().backend_with("b1", backend.address(), "max_conn: 7").top(state());
    let mut proxy = Proxy::start(&config);
    proxy.management().set_max_conn("b1", 20);
    proxy.signal(Signal::TERM);
    proxy.wait_exit();
    let store = proxy.path("state/state.redb");
    let mut bytes = std::fs::read(&store).expect("it is there");
    bytes.iter_mut().skip(4096).step_by(7).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&store, bytes).expect("ours");
    proxy = proxy.restart();
    proxy.wait_log("set aside");
    let management = proxy.management();
    let info = management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("it answers");
    assert!(info.note.contains("set aside as") && info.state_problem.is_empty(), "{info:?}");
    assert_eq!(proxy.management().backend("b1").max_conn, Some(7));
    proxy.management().set_max_conn("b1", 9);
    let kept = std::fs::read_dir(proxy.path("state")).expect("ours").flatten();
    assert!(kept.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("state.redb.damaged-")));
}

#[test]
fn without_a_place_changes_end_with_the_process_and_that_is_said() {
    let backend = named("b1");
    let config = crate::harness::Config::one(backend.address()).top("state: {persist: false}");
    let mut proxy = Proxy::start(&config);
    let info = |proxy: &Proxy| {
        let management = proxy.management();
        management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("it answers")
    };
    assert!(info(&proxy).changes_are_volatile);
    let request = UpdateBackendRequest {
        backend: Some(speedmimi_proto::v1::Backend { id: "b1".into(), max_conn: Some(3), ..Default::default() }),
        options: Some(MutationOptions { request_id: "one".into(), ..Default::default() }),
        ..Default::default()
    };
    let management = proxy.management();
    let first = management.call(management.backends().update_backend(request.clone())).expect("valid");
    let again = management.call(management.backends().update_backend(request)).expect("a repeat");
    assert_eq!(first, again, "repeats are known while the process lives");
    proxy.signal(Signal::TERM);
    proxy.wait_exit();
    proxy = proxy.restart();
    assert_eq!(proxy.management().backend("b1").max_conn, Some(0));
}

#[test]
fn a_drain_goes_on_after_a_kill_and_does_what_was_to_be_done_then() {
    let gate = crate::harness::Gate::default();
    let (one, two) = (crate::harness::gated("b1", &gate), named("b2"));
    let config = crate::harness::Config::new().backend("b1", one.address()).backend("b2", two.address()).top(state());
    let mut proxy = Proxy::start(&config);
    let management = proxy.management();
    management.disable("b2");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    crate::harness::eventually("b1 is at work", || one.flight().current() == 1);
    management.enable("b2");
    let request = DrainBackendRequest {
        backend_id: "b1".into(),
        then: DrainThen::Disable.into(),
        ..DrainBackendRequest::default()
    };
    let progress = management.call(management.backends().drain_backend(request)).expect("it begins");
    assert_eq!(management.status("b1").admin_state(), AdminState::Draining);
    let subject = Some(explain_pick_request::Subject::Upstream("default".into()));
    let request = ExplainPickRequest { subject, ..ExplainPickRequest::default() };
    let explained = management.call(management.routes().explain_pick(request)).expect("it can be explained");
    assert_eq!(explained.candidates[0].skip(), SkipReason::Draining, "{explained:?}");
    proxy.signal(Signal::KILL);
    proxy.wait_exit();
    drop(progress);
    gate.open();
    proxy = proxy.restart();
    let management = proxy.management();
    crate::harness::eventually("nothing is left, and it is disabled", || {
        management.status("b1").admin_state() == AdminState::Disabled
    });
    assert_eq!(management.backend("b1").active, Some(false));
    assert_eq!(proxy.get("/").text(), "b2");
}
