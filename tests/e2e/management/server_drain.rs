//! DrainServer does what SIGTERM does, and is answered before management goes away.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use speedmimi_proto::v1::{DrainServerRequest, GetServerInfoRequest, MutationOptions};
use tonic::Code;

use crate::harness::{Client, Config, Gate, Proxy, Stopwatch, eventually, gated, named, silent};

fn asked() -> DrainServerRequest {
    DrainServerRequest::default()
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn refuses_connections(proxy: &Proxy) -> bool {
    TcpStream::connect(proxy.address()).is_err()
}

fn busy(proxy: &Proxy, backend: &crate::harness::Backend) -> Client {
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    client
}

#[test]
fn exchanges_finish_and_the_process_exits_with_0() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = busy(&proxy, &backend);
    let answer = management.drain_server(asked()).expect("it can be drained");
    assert_eq!((answer.active, answer.connections, answer.was_draining), (1, 1, false));
    assert_eq!(proxy.admin("/readyz").status, 503, "readiness is false when the call is answered");
    eventually("it stops accepting", || refuses_connections(&proxy));
    let info = management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("still here");
    assert_eq!((info.draining, info.drain_deadline.is_some()), (true, true));
    proxy.wait_log("asked through the API");
    assert!(proxy.exited().is_none(), "it waits for the exchange");
    gate.open();
    assert_eq!(client.response().text(), "b1");
    assert_eq!(proxy.wait_exit().code(), Some(0));
}

#[test]
fn an_idle_process_answers_before_it_ends() {
    for now in [false, true] {
        let backend = named("b1");
        let mut proxy = Proxy::start(&Config::one(backend.address()));
        proxy.get("/").assert_forwarded(200);
        // An answer is here before its exchange is booked.
        eventually("it is idle", || proxy.metric("speedmimi_exchanges_in_flight", &[]) == 0.0);
        let answer = proxy.management().drain_server(DrainServerRequest { now, ..asked() }).expect("an answer");
        assert_eq!(answer.active, 0);
        assert_eq!(proxy.wait_exit().code(), Some(0));
    }
}

#[test]
fn the_time_of_the_request_limits_the_wait() {
    let backend = silent();
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = busy(&proxy, &backend);
    let watch = Stopwatch::start();
    let request = DrainServerRequest { graceful_timeout: seconds(1), ..asked() };
    proxy.management().drain_server(request).expect("it can be drained");
    assert_eq!(proxy.wait_exit().code(), Some(0));
    assert!(watch.elapsed() >= Duration::from_secs(1), "ended after {:?}", watch.elapsed());
    client.try_response("GET").expect_err("the exchange is cut");
}

#[test]
fn a_second_call_hurries_only_when_it_says_so_and_so_does_the_first_signal() {
    let backend = silent();
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = busy(&proxy, &backend);
    let first = management.drain_server(asked()).expect("it can be drained");
    let request = DrainServerRequest { graceful_timeout: seconds(1), ..asked() };
    let second = management.drain_server(request).expect("it may be said twice");
    assert!(second.was_draining);
    let drift = |one: &prost_types::Timestamp, other: &prost_types::Timestamp| (one.seconds - other.seconds).abs();
    let deadlines = first.deadline.zip(second.deadline).expect("both say until when");
    assert!(drift(&deadlines.0, &deadlines.1) <= 1, "the time stays what it is: {deadlines:?}");
    proxy.signal(Signal::TERM);
    proxy.wait_log("draining already");
    assert!(proxy.exited().is_none(), "an orchestrator that calls and then signals means one thing");
    management.drain_server(DrainServerRequest { now: true, ..asked() }).expect("answered before the end");
    assert_eq!(proxy.wait_exit().code(), Some(0));
    client.try_response("GET").expect_err("the exchange is cut");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let backend = silent();
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let _client = busy(&proxy, &backend);
    proxy.management().drain_server(asked()).expect("it can be drained");
    proxy.signal(Signal::TERM);
    proxy.wait_log("draining already");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit().code(), Some(0));
}

#[test]
fn a_try_says_what_is_in_flight_and_stops_nothing() {
    let backend = silent();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let _client = busy(&proxy, &backend);
    let options = Some(MutationOptions { validate_only: true, ..MutationOptions::default() });
    let answer = management.drain_server(DrainServerRequest { options, ..asked() }).expect("it may be tried");
    assert_eq!((answer.active, answer.was_draining, answer.deadline.is_some()), (1, false, true));
    assert_eq!(proxy.admin("/readyz").status, 200);
    for wrong in [
        DrainServerRequest { now: true, graceful_timeout: seconds(1), ..asked() },
        DrainServerRequest { graceful_timeout: seconds(100_000), ..asked() },
        DrainServerRequest { graceful_timeout: seconds(-1), ..asked() },
    ] {
        assert_eq!(
            management.drain_server(wrong.clone()).expect_err("it cannot be").code(),
            Code::InvalidArgument,
            "{wrong:?}"
        );
    }
    assert_eq!(proxy.admin("/readyz").status, 200);
}
