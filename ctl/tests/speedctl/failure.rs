//! How commands end that could not do what they were asked.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::double::{Double, Mood, Script, entry};
use crate::{at, on};

const VERBS: [&str; 28] = [
    "backend list",
    "backend get b1",
    "backend add b2 --host h --port 1",
    "backend update b1 --max-conn 1",
    "backend remove b1",
    "backend enable b1",
    "backend disable b1",
    "backend disconnect b1",
    "backend report b1 --cpu-usage 1",
    "upstream list",
    "upstream get",
    "upstream add api",
    "upstream update api --connect-timeout 1s",
    "upstream remove api",
    "route list",
    "route get app",
    "route add app --upstream api",
    "route update app --upstream api",
    "route remove app",
    "config get",
    "config diff",
    "config export",
    "config clear --all",
    "config reload",
    "stats server",
    "stats upstream",
    "stats backend b1",
    "server info",
];

#[test]
fn every_verb_ends_with_the_code_of_its_error() {
    for (code, exit) in [
        (Code::FailedPrecondition, 1),
        (Code::PermissionDenied, 1),
        (Code::Unavailable, 3),
        (Code::NotFound, 4),
        (Code::Aborted, 5),
        (Code::AlreadyExists, 5),
        (Code::InvalidArgument, 6),
        (Code::DeadlineExceeded, 7),
    ] {
        let double = Double::start(Script::refusing(Status::new(code, "because")));
        for verb in VERBS {
            let err = on(&double, verb).failed(exit);
            assert!(err.starts_with("error: because\n"), "{verb}: {err}");
            assert!(err.contains("\nhint: "), "{verb}: {err}");
        }
    }
}

#[test]
fn each_field_at_fault_stands_on_its_line() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("backend.port", "must be 1..65535, is 0");
    details.add_bad_request_violation("backend.weight", "must be 1..1000, is 0");
    let status = Status::with_error_details(Code::InvalidArgument, "two fields are wrong", details);
    let double = Double::start(Script::refusing(status));
    let err = on(&double, "backend update b1 --port 0 --weight 0").failed(6);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[1..3], ["  backend.port: must be 1..65535, is 0", "  backend.weight: must be 1..1000, is 0"]);
}

#[test]
fn nobody_there_names_the_endpoint_that_was_tried() {
    // Bound and dropped: free, and nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
    drop(listener);
    let err = at(&endpoint, "backend list").failed(3);
    assert!(err.contains(&endpoint) && err.contains("is speedmimi running"), "{err}");
    let err = at("unix:/no/such/socket", "backend list").failed(3);
    assert!(err.contains("unix:/no/such/socket"), "{err}");
}

#[test]
fn somebody_else_there_is_not_a_proxy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let endpoint = listener.local_addr().expect("a bound listener has an address").to_string();
    let other = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut connection, _) = listener.accept().expect("the client comes");
        // What was sent meanwhile does not matter: this server does not speak the protocol.
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let err = at(&endpoint, "backend list").failed(3);
    assert!(err.contains(&endpoint), "{err}");
    other.join().expect("the other server ends");
}

#[test]
fn no_answer_in_time() {
    let double = Double::start(Script { mood: Mood::Silent, ..Script::with(vec![entry("default", "b1")]) });
    let err = on(&double, "--timeout 200ms backend update b1 --max-conn 3").failed(7);
    assert!(err.contains("within 200ms") && err.contains("look before you repeat"), "{err}");
}

#[test]
fn a_command_line_that_cannot_be() {
    for words in [
        "backend",
        "backend lost",
        "backend update b1 --max-conn many",
        "backend update b1 --label broken",
        "backend get a/b --upstream c",
        "backend get b1 --id b2",
        "backend update",
        "backend update --max-conn 1 --reset max-conn",
        "backend report",
        "stats backend /b1",
        "--output xml backend list",
        "--timeout 0s backend list",
        "stats server --watch 0",
        "config check",
        "completions tcsh",
    ] {
        let double = Double::start(Script::with(vec![]));
        let err = on(&double, words).failed(2);
        assert!(!err.is_empty(), "{words}");
        assert!(double.calls().is_empty(), "{words}: nothing is asked");
    }
    at("ftp://127.0.0.1:9090", "backend list").failed(2);
}

#[test]
fn the_hint_is_the_next_step_for_what_was_asked() {
    let refusing = |code: Code, reason: &str, object: &str| {
        let object = std::collections::HashMap::from([("object".to_owned(), object.to_owned())]);
        let details = ErrorDetails::with_error_info(reason, "speedmimi.v1", object);
        Double::start(Script::refusing(Status::with_error_details(code, "because", details)))
    };
    for (code, reason, object, hint) in [
        (Code::FailedPrecondition, "EXCHANGES_IN_FLIGHT", "", "--force ends them"),
        (Code::FailedPrecondition, "IN_USE", "", "led elsewhere"),
        (Code::FailedPrecondition, "OVERLAY_UNFIT", "", "speedctl config diff"),
        (Code::FailedPrecondition, "RESTART_NEEDED", "", "restart"),
        (Code::NotFound, "ROUTE_NOT_FOUND", "", "speedctl route list"),
        (Code::NotFound, "UPSTREAM_NOT_FOUND", "", "speedctl upstream list"),
        (Code::AlreadyExists, "ROUTE_ALREADY_EXISTS", "", "speedctl route update"),
        (Code::Aborted, "REVISION_CONFLICT", "upstreams.api", "speedctl upstream get"),
        (Code::Aborted, "REVISION_CONFLICT", "", "speedctl config get"),
    ] {
        let double = refusing(code, reason, object);
        let out = on(&double, "config clear --all");
        assert!(out.err.contains(hint), "{reason}: {}", out.err);
    }
}
