//! Where nothing can be kept, changes are refused with the reason, and traffic goes on.

use speedmimi_proto::v1::{
    Backend, EnableBackendRequest, GetServerInfoRequest, KillStreamsRequest, LogLevel, MutationOptions,
    SetLogLevelRequest, UpdateBackendRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Config, Proxy, named};

/// A folder in which nobody may make anything, whoever runs the tests.
const NOBODYS: &str = "/sys/speedmimi";

#[test]
fn a_state_directory_that_cannot_be_written_refuses_changes_and_serves_traffic() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).top(&format!("state: {{dir: {NOBODYS}}}")));
    assert_eq!(proxy.get("/").text(), "b1");
    let management = proxy.management();
    let change = || Backend { id: "b1".into(), max_conn: Some(5), ..Backend::default() };
    for _ in 0..2 {
        let refused = management.update(change()).expect_err("it cannot be kept");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(NOBODYS), "{}", refused.message());
        let details = refused.get_error_details();
        assert_eq!(details.error_info().map(|info| &*info.reason), Some("STATE_UNWRITABLE"));
    }
    assert_eq!((management.backend("b1").max_conn, management.shown().revision), (Some(0), 1), "nothing was changed");
    let info = management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("it answers");
    assert!(info.state_problem.contains(NOBODYS) && !info.changes_are_volatile, "{info:?}");
    assert_eq!(proxy.get("/").text(), "b1");
}

#[test]
fn what_need_not_be_kept_is_answered_as_ever() {
    let backend = named("b1");
    let config = |more: &str| {
        let state = format!("state: {{dir: {NOBODYS}}}");
        Config::new().backend_with("b1", backend.address(), more).top(&state)
    };
    let proxy = Proxy::start(&config("max_conn: 7"));
    let management = proxy.management();
    let same = management.reload().expect("the file is what it was");
    assert!(same.differences.is_empty() && same.revision == 1, "{same:?}");
    proxy.rewrite(&config("max_conn: 8").yaml());
    assert_eq!(management.reload().expect_err("this has to be kept").code(), Code::FailedPrecondition);
    proxy.rewrite(&config("max_conn: 7").yaml());
    proxy.signal(rustix::process::Signal::HUP);
    proxy.wait_log("configuration reloaded");

    let enable = EnableBackendRequest { backend_id: "nosuch".into(), ..EnableBackendRequest::default() };
    let named =
        |request_id: &str| Some(MutationOptions { request_id: request_id.into(), ..MutationOptions::default() });
    for options in [None, named("one")] {
        let request = EnableBackendRequest { options, ..enable.clone() };
        let refused = management.call(management.backends().enable_backend(request)).expect_err("there is none");
        assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    }
    let update = |max_conn, options: MutationOptions| {
        let backend = Some(Backend { id: "b1".into(), max_conn: Some(max_conn), ..Backend::default() });
        let request = UpdateBackendRequest { backend, options: Some(options), ..UpdateBackendRequest::default() };
        management.call(management.backends().update_backend(request))
    };
    let stale = MutationOptions { expected_revision: Some(9), ..MutationOptions::default() };
    assert_eq!(update(9, stale).expect_err("it is at 1").code(), Code::Aborted);
    assert_eq!(update(7, MutationOptions::default()).expect("it is so already").revision, 1);
    assert_eq!(update(9, MutationOptions::default()).expect_err("it cannot be kept").code(), Code::FailedPrecondition);

    let kill = KillStreamsRequest { all: true, options: named("two"), ..KillStreamsRequest::default() };
    management.call(management.streams().kill_streams(kill)).expect("nothing of it is kept");
    let level = SetLogLevelRequest { level: LogLevel::Debug.into(), options: named("three"), ..Default::default() };
    management.call(management.server().set_log_level(level)).expect("nothing of it is kept");
}
