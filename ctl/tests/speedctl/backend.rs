//! Looking at backends.

use crate::double::{Call, Double, Script, entry};
use crate::{Leaving, at, columns, command, on};

const TITLES: [&str; 9] =
    ["UPSTREAM", "ID", "ADDRESS", "WEIGHT", "STATE", "HEALTH", "IN-FLIGHT", "MAX-CONN", "REVISION"];

#[test]
fn a_list_in_a_pipe_has_plain_columns() {
    let long = "a-backend-with-a-name-that-is-longer-than-any-terminal-would-like-to-show-in-one-column-of-a-table";
    let double = Double::start(Script::with(vec![entry("default", "b1"), entry("api", long)]));
    let out = on(&double, "backend list").done();
    let rows = columns(&out);
    assert_eq!(rows[0], TITLES);
    assert_eq!(rows[1], ["default", "b1", "127.0.0.1:8001", "100", "enabled", "up", "3", "50", "6"]);
    assert_eq!(rows[2][1], long);
    assert_eq!(rows.len(), 3);
    assert!(!out.contains('\x1b') && out.lines().all(|line| line == line.trim()), "{out:?}");
}

#[test]
fn what_is_not_set_is_a_dash_so_that_columns_stay() {
    let mut bare = entry("default", "b1");
    bare.status = None;
    bare.backend.as_mut().expect("it was made with one").max_conn = Some(-1);
    let double = Double::start(Script::with(vec![bare]));
    let out = on(&double, "backend list").done();
    assert_eq!(columns(&out)[1], ["default", "b1", "127.0.0.1:8001", "100", "-", "-", "0", "-", "0"]);
}

#[test]
fn a_list_is_gathered_from_its_pages() {
    let backends = (0..5).map(|index| entry("default", &format!("b{index}"))).collect();
    let double = Double::start(Script { page: Some(2), ..Script::with(backends) });
    let list = on(&double, "--output json backend list").json();
    let ids: Vec<_> = list["backends"].as_array().expect("a list").iter().map(|one| &one["backend"]["id"]).collect();
    assert_eq!(ids, ["b0", "b1", "b2", "b3", "b4"]);
    assert_eq!(double.calls().len(), 3);
    assert_eq!(list["next_page_token"], "");
}

#[test]
fn a_list_can_be_of_one_upstream() {
    let double = Double::start(Script::with(vec![entry("default", "b1"), entry("api", "b2")]));
    let out = on(&double, "backend list --upstream api").done();
    assert_eq!(columns(&out).len(), 2);
    assert!(matches!(double.last(), Call::List(request) if request.upstream == "api"));
}

#[test]
fn json_has_the_names_of_the_proto_files_and_every_key() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let one = on(&double, "-o json backend get b1").json();
    assert_eq!(one["backend"]["backend"]["max_conn"], 50);
    assert_eq!(one["backend"]["status"]["in_flight"], 3);
    assert_eq!(one["backend"]["status"]["admin_state"], "ADMIN_STATE_ENABLED");
    assert_eq!(one["backend"]["status"]["idle_connections"], 0, "unset values have their keys");
}

#[test]
fn yaml_says_the_same() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let out = on(&double, "--output yaml backend list").done();
    assert!(out.contains("    max_conn: 50") || out.contains("      max_conn: 50"), "{out}");
    assert!(!out.contains("maxConn"), "{out}");
}

#[test]
fn one_backend_is_a_list_of_properties() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let out = on(&double, "backend get").done();
    let rows = columns(&out);
    for row in [["id", "b1"], ["address", "127.0.0.1:8001"], ["max_conn", "50"], ["health", "up"], ["revision", "6"]] {
        assert!(rows.iter().any(|cells| *cells == row), "{row:?} in {out}");
    }
}

#[test]
fn every_spelling_of_a_name_finds_it() {
    let double = Double::start(Script::with(vec![entry("default", "b1"), entry("api", "b2")]));
    for words in ["api/b2", "--upstream api --id b2", "--upstream api b2", "--upstream api"] {
        on(&double, &format!("backend get {words}")).done();
        assert!(
            matches!(double.last(), Call::Get(request) if request.upstream == "api" && request.backend_id == "b2"),
            "{words}"
        );
    }
}

#[test]
fn no_name_where_there_are_several_lists_the_choices() {
    let double = Double::start(Script::with(vec![entry("default", "b1"), entry("api", "b2")]));
    let err = on(&double, "backend get").failed(2);
    assert!(err.contains("default/b1, api/b2"), "{err}");
}

#[test]
fn colour_only_when_asked_for() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    assert!(on(&double, "--color always backend list").done().contains("\x1b["));
    assert!(!on(&double, "--color never backend list").done().contains('\x1b'));
}

#[test]
fn text_from_a_proxy_cannot_steer_the_terminal() {
    let double = Double::start(Script::with(vec![entry("default", "b\x1b[2J1")]));
    assert!(!on(&double, "backend list").done().contains('\x1b'));
}

#[test]
fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("api.sock");
    let double = Double::start_unix(Script::with(vec![entry("default", "b1")]), &path);
    assert!(on(&double, "backend list").done().contains("127.0.0.1:8001"));
    let other = format!("unix://{}", path.display());
    at(&other, "backend get b1").done();
}

#[test]
fn host_and_port_are_enough() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let endpoint = double.endpoint.strip_prefix("http://").expect("the double speaks HTTP");
    at(endpoint, "backend list").done();
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let mut err = Vec::new();
    for words in ["backend list", "-o json backend list", "completions bash", "--help"] {
        let code = speedmimi_ctl::run_to(command(&double.endpoint, words), &mut Leaving { left: 10 }, &mut err);
        assert_eq!((code, err.as_slice()), (0, &b""[..]), "{words}");
    }
}

#[test]
fn each_field_says_where_it_comes_from() {
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let out = on(&double, "backend get b1 --explain").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["FIELD", "VALUE", "LAYER", "FILE", "WHO", "WHEN", "REVISION"]);
    assert_eq!(rows[1], ["max_conn", "200", "overlay", "100", "ann", "2001-09-09T01:46:40Z", "5"]);
    assert_eq!(rows[2], ["host", "127.0.0.1", "file", "127.0.0.1", "-", "-", "-"]);
    assert_eq!(rows[3], ["name", "-", "default", "-", "-", "-", "-"]);
    let answer = on(&double, "-o json backend get b1 --explain").json();
    assert_eq!(
        (&answer["fields"][0]["layer"], &answer["fields"][0]["value"]),
        (&"LAYER_OVERLAY".into(), &"200".into())
    );
}
