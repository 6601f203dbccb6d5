//! SIGTERM lets exchanges finish; a second one does not wait.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Backend, Config, Gate, Load, Proxy, Stopwatch, eventually, gated, named, silent, slow, ticking};

fn refuses_connections(proxy: &Proxy) -> bool {
    TcpStream::connect(proxy.address()).is_err()
}

#[test]
fn sigterm_lets_an_exchange_finish_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let gate = Gate::default();
        let backend = gated("b1", &gate);
        let mut proxy = Proxy::start(&Config::one(backend.address()));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
        eventually("the request arrives", || backend.flight().current() == 1);
        assert_eq!(proxy.admin("/readyz").status, 200);
        proxy.signal(signal);
        eventually("it stops accepting", || refuses_connections(&proxy));
        assert_eq!(proxy.admin("/readyz").status, 503, "readiness is false while exchanges finish");
        assert!(proxy.exited().is_none());
        gate.open();
        let response = client.response();
        assert_eq!(response.text(), "b1");
        assert!(response.fields.has_token("connection", "close"), "the last answer says so: {response:#?}");
        client.assert_closed();
        assert_eq!(proxy.wait_exit().code(), Some(0));
    }
}

#[test]
fn sigterm_closes_idle_connections_at_once() {
    let backend = named("b1");
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let mut used = proxy.client();
    used.get("/").assert_forwarded(200);
    let mut fresh = proxy.client();
    let watch = Stopwatch::start();
    proxy.signal(Signal::TERM);
    used.assert_closed();
    fresh.assert_closed();
    assert_eq!(proxy.wait_exit().code(), Some(0));
    assert!(watch.elapsed() < Duration::from_secs(10), "nothing to wait for, yet {:?}", watch.elapsed());
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let backend = silent();
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    proxy.signal(Signal::TERM);
    eventually("it stops accepting", || refuses_connections(&proxy));
    assert!(proxy.exited().is_none(), "it waits for the exchange");
    proxy.signal(Signal::TERM);
    proxy.wait_exit();
    client.try_response("GET").expect_err("the exchange is cut");
}

#[test]
fn graceful_timeout_limits_the_wait() {
    let backend = silent();
    let mut proxy = Proxy::start(&Config::one(backend.address()).server("graceful_timeout: 700ms"));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    let watch = Stopwatch::start();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit().code(), Some(0));
    assert!(watch.elapsed() >= Duration::from_millis(700), "ended after {:?}", watch.elapsed());
    client.try_response("GET").expect_err("the exchange is cut");
}

#[test]
fn a_stream_may_go_on_to_its_end() {
    let end = Gate::default();
    let backend = ticking(Duration::from_millis(20), &end);
    let mut proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    let head = client.head();
    proxy.signal(Signal::TERM);
    eventually("it stops accepting", || refuses_connections(&proxy));
    client.wire().chunk().expect("events go on");
    end.open();
    assert!(client.body("GET", head).expect("a whole stream").text().ends_with("data: end\n\n"));
    assert_eq!(proxy.wait_exit().code(), Some(0));
}

#[test]
fn sigterm_under_load_cuts_no_exchange() {
    let backends: Vec<Backend> = (0..2).map(|n| slow(&format!("b{n}"), Duration::from_millis(20))).collect();
    let config = Config::new().backend("b0", backends[0].address()).backend("b1", backends[1].address());
    let mut proxy = Proxy::start(&config);
    let load = Load::start(proxy.address(), 50, "/");
    load.wait_for(500);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit().code(), Some(0));
    let failures = load.stop().failures;
    let cut: Vec<_> = failures.iter().filter(|failure| failure.begun).collect();
    assert!(cut.is_empty(), "answers cut short or refused: {cut:#?}");
    // Every request that a backend got was answered: the proxy left none of them.
    let left: u64 = backends.iter().map(|backend| backend.flight().closed()).sum();
    assert_eq!(left, 0, "requests that were at a backend when the proxy closed");
}
