//! What makes no revision is done once for a `request_id`, and put down, whatever becomes of the connection: KillStreams,
//! SetLogLevel, DrainServer.
//!
//! `SPEEDMIMI_RUNS` sets the number of clients that leave (30 unless set), `SPEEDMIMI_SEED` replays their moments.

use std::thread;
use std::time::Duration;

use speedmimi_proto::v1::*;
use tonic::Response;

use super::runs;
use crate::harness::{Client, Config, Dice, Gate, Management, Proxy, eventually, silent, ticking};

fn call_named(request_id: &str) -> Option<MutationOptions> {
    Some(MutationOptions { request_id: request_id.into(), ..MutationOptions::default() })
}

/// Results of the calls of this name that the audit log has.
fn told(proxy: &Proxy, request_id: &str) -> Vec<serde_json::Value> {
    let lines = proxy.log().into_iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    lines.filter(|line| line["target"] == "audit" && line["request_id"] == request_id).collect()
}

/// An exchange that goes on until it is ended, and its id.
fn stream(proxy: &Proxy, management: &Management) -> (Client, String) {
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(client.head().status, 200);
    let streams = management.list_streams(StreamFilter::default(), 0);
    let id = streams
        .iter()
        .map(|stream| stream.id.clone())
        .max_by_key(|id| id.rsplit_once('-').and_then(|(_, serial)| serial.parse::<u64>().ok()));
    (client, id.expect("it is in flight"))
}

fn kill(id: &str, request_id: &str) -> KillStreamsRequest {
    let filter = Some(StreamFilter { ids: vec![id.into()], ..StreamFilter::default() });
    KillStreamsRequest { filter, options: call_named(request_id), ..KillStreamsRequest::default() }
}

#[test]
fn what_a_client_asked_for_that_left_is_put_down_and_answered_when_it_asks_again() {
    let dice = Dice::new();
    let backend = ticking(Duration::from_millis(20), &Gate::default());
    let config = Config::one(backend.address()).server("workers: 1").top("state: {dir: state}");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    for run in 0..runs(30) {
        let (mut client, id) = stream(&proxy, &management);
        let request_id = format!("run-{run}");
        let leaves = Duration::from_micros(dice.between(0, 3_000));
        let hasty = async {
            let mut streams = management.streams();
            let call = streams.kill_streams(kill(&id, &request_id));
            // Dropping the call resets its stream.
            Ok(Response::new(tokio::time::timeout(leaves, call).await.is_ok()))
        };
        let answered = management.call(hasty).expect("it leaves");
        let again = || management.call(management.streams().kill_streams(kill(&id, &request_id)));
        for _ in 0..2 {
            let answer = again().expect("it may ask again");
            assert_eq!(answer.killed, 1, "run {run}, answered at first: {answered}; {dice}");
        }
        client.try_response("GET").expect_err("it is ended");
        eventually("it is put down", || !told(&proxy, &request_id).is_empty());
        let lines = told(&proxy, &request_id);
        assert_eq!(lines.len(), 1, "run {run}: {lines:#?}; {dice}");
        assert_eq!((&lines[0]["result"], &lines[0]["after"]), (&"ok".into(), &"killed=1".into()), "{dice}");
    }
}

/// Sends a call from two clients at once, and gives both answers.
fn twice<T: Send + 'static>(proxy: &Proxy, call: impl Fn(&Management) -> T + Send + Clone + 'static) -> [T; 2] {
    let address = proxy.grpc_address();
    let clients = [(); 2].map(|()| {
        let call = call.clone();
        thread::spawn(move || call(&Management::connect(address)))
    });
    clients.map(|client| client.join().expect("it is answered"))
}

#[test]
fn two_calls_of_one_name_at_once_are_done_once_and_answered_alike() {
    let (backend, slow) = (ticking(Duration::from_millis(20), &Gate::default()), silent());
    let config = Config::one(backend.address()).backend_of("slow", "z1", slow.address(), "");
    let config = config.route("all", "upstream: default").route("slow", "path: /slow").route("slow", "upstream: slow");
    let mut proxy = Proxy::start(&config.top("state: {dir: state}"));
    let management = proxy.management();
    for round in 0..10 {
        let (_client, id) = stream(&proxy, &management);
        let request = kill(&id, &format!("kill-{round}"));
        let answers = twice(&proxy, move |management| {
            management.call(management.streams().kill_streams(request.clone())).map(|answer| answer.killed)
        });
        assert!(answers.iter().all(|answer| matches!(answer, Ok(1))), "round {round}: {answers:?}");
        let request = SetLogLevelRequest {
            level: LogLevel::Debug.into(),
            options: call_named(&format!("level-{round}")),
            ..SetLogLevelRequest::default()
        };
        let [one, other] = twice(&proxy, move |management| {
            management.call(management.server().set_log_level(request.clone())).expect("it is set")
        });
        assert_eq!(one, other, "the same moment, to the nanosecond");
        for name in ["kill", "level"] {
            assert_eq!(told(&proxy, &format!("{name}-{round}")).len(), 1, "round {round}: {name}");
        }
    }
    let mut client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || slow.flight().current() == 1);
    let [one, other] = twice(&proxy, |management| {
        let request = DrainServerRequest { options: call_named("drain"), ..DrainServerRequest::default() };
        management.drain_server(request).expect("it may end")
    });
    assert_eq!(one, other, "neither found it draining");
    assert!(!one.was_draining);
    assert_eq!(told(&proxy, "drain").len(), 1);
    management.drain_server(DrainServerRequest { now: true, ..DrainServerRequest::default() }).expect("it hurries");
    proxy.wait_exit();
}

#[test]
fn a_repeat_is_answered_as_at_first_over_reconnects_and_a_restart_and_does_nothing() {
    let (backend, slow) = (ticking(Duration::from_millis(20), &Gate::default()), silent());
    let config = Config::one(backend.address()).backend_of("slow", "z1", slow.address(), "");
    let config = config.route("all", "upstream: default").route("slow", "path: /slow").route("slow", "upstream: slow");
    let mut proxy = Proxy::start(&config.top("state: {dir: state}"));
    let calls = |proxy: &Proxy, id: &str| {
        let management = proxy.management();
        let level = SetLogLevelRequest {
            level: LogLevel::Debug.into(),
            options: call_named("level"),
            ..SetLogLevelRequest::default()
        };
        let drain = DrainServerRequest { options: call_named("drain"), ..DrainServerRequest::default() };
        (
            management.call(management.streams().kill_streams(kill(id, "kill"))).expect("a kill"),
            management.call(management.server().set_log_level(level)).expect("a level"),
            management.drain_server(drain).expect("a drain"),
        )
    };
    let (_client, id) = stream(&proxy, &proxy.management());
    let mut waiting = proxy.client();
    waiting.send("GET /slow HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || slow.flight().current() == 1);
    let first = calls(&proxy, &id);
    assert_eq!((first.0.killed, first.2.was_draining), (1, false));
    assert_eq!(calls(&proxy, &id), first, "over a new connection");
    proxy
        .management()
        .drain_server(DrainServerRequest { now: true, ..DrainServerRequest::default() })
        .expect("it ends");
    proxy.wait_exit();
    let proxy = proxy.restart();
    assert_eq!(calls(&proxy, &id), first, "after a restart");
    let management = proxy.management();
    let info = management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("it answers");
    assert_eq!((info.draining, info.log_level()), (false, LogLevel::Info), "a repeat does nothing");
    assert!(["kill", "level", "drain"].iter().all(|name| told(&proxy, name).is_empty()), "{:#?}", proxy.log());
}

#[test]
fn what_was_done_is_answered_though_nobody_can_remember_it() {
    let backend = ticking(Duration::from_millis(20), &Gate::default());
    // A folder in which nobody may make anything, whoever runs the tests.
    let proxy = Proxy::start(&Config::one(backend.address()).top("state: {dir: /sys/speedmimi}"));
    let management = proxy.management();
    let (mut client, id) = stream(&proxy, &management);
    let answer = management.call(management.streams().kill_streams(kill(&id, "kill"))).expect("it is done");
    assert_eq!(answer.killed, 1);
    client.try_response("GET").expect_err("it is ended");
    eventually("it is put down", || told(&proxy, "kill").len() == 1);
}
