//! Exchanges in flight, explained picks and the process: what is sent and what is said.

use speedmimi_proto::v1::explain_pick_request::Subject;
use speedmimi_proto::v1::{ExplainPickRequest, KillStreamsRequest, LogLevel, StreamProtocol};

use crate::double::{Call, Double, Script};
use crate::{columns, on};

fn double() -> Double {
    Double::start(Script::with(vec![]))
}

fn refusing() -> Double {
    Double::start(Script::refusing(tonic::Status::invalid_argument("filter.client: no address")))
}

fn kill(words: &str) -> KillStreamsRequest {
    let double = double();
    on(&double, words).done();
    match double.last() {
        Call::KillStreams(request) => request,
        other => unreachable!("a kill was asked for, not {other:?}"),
    }
}

fn explain(words: &str) -> ExplainPickRequest {
    let double = double();
    on(&double, words).done();
    match double.last() {
        Call::Explain(request) => request,
        other => unreachable!("an explanation was asked for, not {other:?}"),
    }
}

#[test]
fn a_list_is_gathered_from_its_pages() {
    let double = double();
    let out = on(&double, "stream list").done();
    let rows = columns(&out);
    assert_eq!(rows[0][..4], ["ID", "CLIENT", "ROUTE", "BACKEND"]);
    let row = ["0-3", "192.0.2.7", "-", "default/b1", "sse", "90s", "3s", "120", "4096", "GET /events"];
    assert_eq!((rows[1].clone(), rows[2][0], rows.len()), (row.to_vec(), "1-9", 3));
    assert_eq!(double.calls().len(), 2);
    let json = on(&double, "-o json stream list").json();
    assert_eq!((&json["streams"][1]["id"], &json["total"]), (&"1-9".into(), &"2".into()));
}

#[test]
fn a_filter_is_sent_as_it_is_given() {
    let double = double();
    let words = "stream list 0-3 0-4 --upstream u --backend b --route r --client 10.0.0.0/8 --protocol websocket \
                 --min-age 5m --min-idle 500ms";
    on(&double, words).done();
    let Call::ListStreams(request) = double.last() else { panic!("{:?}", double.last()) };
    let filter = request.filter.expect("a filter is sent");
    assert_eq!((filter.upstream.as_str(), filter.backend_id.as_str(), filter.route.as_str()), ("u", "b", "r"));
    assert_eq!((filter.client.as_str(), filter.protocol()), ("10.0.0.0/8", StreamProtocol::Websocket));
    assert_eq!(filter.min_age.map(|age| age.seconds), Some(300));
    assert_eq!(filter.min_idle.map(|idle| idle.nanos), Some(500_000_000));
    assert_eq!(filter.ids, ["0-3", "0-4"]);
}

#[test]
fn a_kill_says_what_it_ended() {
    let out = on(&double(), "stream kill --backend b1").done();
    assert!(out.starts_with("3 exchanges ended\n") && out.contains("0-3") && out.contains("and 2 more"), "{out}");
    let out = on(&double(), "stream kill 0-3 --dry-run").done();
    assert!(out.starts_with("3 exchanges would be ended (dry run)\n"), "{out}");
    assert_eq!(on(&double(), "-o json stream kill 0-3").json()["killed"], "3");
    assert!(kill("stream kill 0-3 --dry-run").options.is_some_and(|options| options.validate_only));
    let everything = kill("stream kill --all --show 7");
    assert_eq!((everything.all, everything.filter, everything.show), (true, None, 7));
}

#[test]
fn a_backend_is_named_in_a_filter_as_everywhere() {
    for (words, upstream, id) in [
        ("--backend b1", "default", "b1"),
        ("--backend other/b1", "other", "b1"),
        ("--upstream other --backend b1", "other", "b1"),
    ] {
        let filter = kill(&format!("stream kill {words}")).filter.expect("a filter is sent");
        assert_eq!((filter.upstream.as_str(), filter.backend_id.as_str()), (upstream, id), "{words}");
    }
    let double = double();
    for verb in ["list", "kill"] {
        let err = on(&double, &format!("stream {verb} --upstream a --backend b/c")).failed(2);
        assert!(err.contains("--backend UPSTREAM/ID"), "{err}");
        // Of a variable that is not set: it must not fit more than was meant.
        for flag in ["--upstream", "--backend", "--route", "--client"] {
            let err = on(&double, &format!("stream {verb} --min-age 1s {flag} ")).failed(2);
            assert!(err.contains(flag), "{err}");
        }
    }
    assert!(double.calls().is_empty(), "nobody was asked");
}

#[test]
fn what_makes_no_revision_takes_a_request_id_all_the_same() {
    let id = |call: Call| match call {
        Call::KillStreams(request) => request.options,
        Call::DrainServer(request) => request.options,
        Call::LogLevel(request) => request.options,
        other => unreachable!("{other:?}"),
    };
    let double = double();
    for words in ["stream kill 0-3", "server drain", "server log-level warn"] {
        on(&double, &format!("{words} --request-id x")).done();
        let options = id(double.last()).expect("options");
        assert_eq!((options.request_id.as_str(), options.validate_only), ("x", false), "{words}");
    }
}

#[test]
fn everything_is_ended_only_when_it_is_said() {
    let double = double();
    let err = on(&double, "stream kill").failed(2);
    assert!(err.contains("--all"), "{err}");
    on(&double, "stream kill --min-age 0s").failed(2);
    on(&double, "stream kill 0-3 --all").failed(2);
    on(&double, "stream kill --all --show 0").failed(2);
    assert!(double.calls().is_empty(), "nobody was asked");
}

#[test]
fn a_pick_is_explained_from_the_rule_to_the_backend() {
    let double = double();
    let out = on(&double, "route explain --host a.example --path /app").done();
    let rows = columns(&out);
    for row in [
        ["because", "host fits *.example, path begins with /app"],
        ["algorithm", "least_connections_weight (the default)"],
        ["judged by", "(in flight + 1) / weight: the lowest wins"],
        ["picked", "b1"],
    ] {
        assert!(rows.iter().any(|cells| *cells == row), "{row:?} in {out}");
    }
    assert!(rows.iter().any(|cells| *cells == ["b1", "yes", "-", "1", "1", "100", "1", "0.02", "100%"]), "{out}");
    assert!(rows.iter().any(|cells| *cells == ["b2", "-", "full", "1", "1", "100", "1", "0.02", "0%"]), "{out}");
    assert_eq!(on(&double, "-o json route explain default").json()["candidates"][1]["skip"], "SKIP_REASON_FULL");
}

#[test]
fn a_pick_is_asked_for_by_upstream_route_or_request() {
    let request = explain("route explain api --client 192.0.2.7 --worker 1");
    assert_eq!(
        (request.subject, request.client.as_str(), request.worker),
        (Some(Subject::Upstream("api".into())), "192.0.2.7", 1)
    );
    let request = explain("route explain --route app --protocol sse");
    assert_eq!(
        (request.subject.clone(), request.protocol()),
        (Some(Subject::Route("app".into())), StreamProtocol::Sse)
    );
    let request = explain("route explain --path /x --header accept=text/event-stream");
    let Some(Subject::Request(example)) = request.subject else { panic!("{request:?}") };
    assert_eq!((example.path.as_str(), example.headers[0].name.as_str()), ("/x", "accept"));
    on(&double(), "route explain api --route app").failed(2);
    on(&double(), "route explain --path / --protocol sse").failed(2);
}

#[test]
fn the_log_level_is_set_for_a_while_and_reset() {
    let double = double();
    let out = on(&double, "server log-level debug --for 5m").done();
    assert_eq!(out, "log level is debug until 1970-01-01T00:05:00Z (was info)\n");
    let Call::LogLevel(request) = double.last() else { panic!("{:?}", double.last()) };
    assert_eq!(
        (request.level(), request.ttl.map(|ttl| ttl.seconds), request.reset),
        (LogLevel::Debug, Some(300), false)
    );
    assert_eq!(on(&double, "server log-level --reset").done(), "log level is info as configured (was info)\n");
    assert_eq!(on(&double, "-o json server log-level warn").json()["level"], "LOG_LEVEL_WARN");
    on(&double, "server log-level").failed(2);
    on(&double, "server log-level debug --reset").failed(2);
    on(&double, "server log-level chatty").failed(2);
}

#[test]
fn a_drain_says_what_it_waits_for() {
    let double = double();
    let out = on(&double, "server drain --graceful-timeout 30s").done();
    assert_eq!(out, "the process drains: 2 exchanges in flight, 5 connections, end by 1970-01-01T00:00:30Z\n");
    let Call::DrainServer(request) = double.last() else { panic!("{:?}", double.last()) };
    assert_eq!((request.graceful_timeout.map(|time| time.seconds), request.now), (Some(30), false));
    assert!(on(&double, "server drain --now --dry-run").done().contains("would drain (dry run)"));
    assert_eq!(on(&double, "-o json server drain").json()["active"], 2);
    on(&double, "server drain --now --graceful-timeout 1s").failed(2);
}

#[test]
fn a_refusal_is_told() {
    for words in
        ["stream list --client x", "stream kill --client x", "route explain", "server drain", "server log-level warn"]
    {
        let err = on(&refusing(), words).failed(6);
        assert!(err.contains("filter.client"), "{words}: {err}");
    }
}
