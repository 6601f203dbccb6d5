//! Where nothing can be kept, changes are refused with the reason, and traffic goes on.

use speedmimi_proto::v1::{Backend, GetServerInfoRequest};
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
