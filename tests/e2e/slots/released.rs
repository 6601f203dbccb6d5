//! A slot is given back exactly once, whatever ends the exchange.

use std::time::Duration;

use crate::harness::{Backend, Config, EVENT_STREAM, Next, Proxy, eventually, refused, silent};

/// Runs the same ending over and over on one slot: a slot lost once would stop it, a slot given back twice would let
/// two in.
fn again_and_again(backend: &Backend, more: &str, mut ending: impl FnMut(&Proxy)) {
    let config = Config::new().backend_with("b1", backend.address(), "max_conn: 1").upstream(more);
    let proxy = Proxy::start(&config);
    for _ in 0..10 {
        ending(&proxy);
        eventually("the slot is free", || proxy.metric("speedmimi_backend_slots_used", &[]) == 0.0);
    }
    assert!(backend.flight().peak() <= 1);
    assert_eq!(proxy.metric("speedmimi_backend_admitted_total", &[]), 10.0);
    proxy.assert_at_rest();
}

const CLOCKS: &str = "timeouts: {first_byte: 100ms, idle: 100ms}";
const GET: &str = "GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n";

#[test]
fn after_an_answer() {
    let backend = crate::harness::named("b1");
    again_and_again(&backend, CLOCKS, |proxy| proxy.get("/").assert_forwarded(200));
}

#[test]
fn after_first_byte_timeout() {
    let backend = silent();
    again_and_again(&backend, CLOCKS, |proxy| proxy.get("/").assert_refused(504, "first_byte_timeout"));
}

#[test]
fn after_idle_timeout_inside_a_body() {
    let backend = Backend::serve(|_, conn| {
        conn.write(EVENT_STREAM)?;
        conn.hang();
        Ok(Next::Close)
    });
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        client.send(GET);
        client.try_response("GET").expect_err("the stream is cut");
    });
}

#[test]
fn after_a_backend_that_closes_without_an_answer() {
    let backend = Backend::serve(|_, _| Ok(Next::Close));
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n");
        client.response().assert_refused(502, "upstream_closed");
    });
}

#[test]
fn after_a_backend_that_resets() {
    let backend = Backend::serve(|_, conn| {
        conn.reset();
        Ok(Next::Close)
    });
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n");
        client.response().assert_refused(502, "upstream_closed");
    });
}

#[test]
fn after_garbage() {
    let backend = crate::harness::canned("garbage\r\n\r\n");
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n");
        client.response().assert_refused(502, "upstream_protocol");
    });
}

#[test]
fn after_a_client_that_resets() {
    let backend = silent();
    again_and_again(&backend, "timeouts: {first_byte: 60s}", |proxy| {
        let mut client = proxy.client();
        let before = backend.flight().total();
        client.send(GET);
        eventually("the request arrives", || backend.flight().total() > before);
        client.reset();
    });
}

#[test]
fn after_a_client_that_stops_inside_its_body() {
    let backend = Backend::heads(|_, conn| {
        while !conn.wire().some()?.is_empty() {}
        Ok(Next::Close)
    });
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        let before = backend.flight().total();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1000\r\n\r\nhalf");
        eventually("the request arrives", || backend.flight().total() > before);
        drop(client);
    });
}

#[test]
fn after_a_broken_chunk_of_the_client() {
    let backend = Backend::heads(|_, conn| {
        while !conn.wire().some()?.is_empty() {}
        Ok(Next::Close)
    });
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        let before = backend.flight().total();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        eventually("the request arrives", || backend.flight().total() > before);
        client.send("nonsense\r\n");
        client.response().assert_refused(400, "bad_request");
    });
}

#[test]
fn after_a_failed_connect() {
    let config = Config::new().backend_with("b1", refused(), "max_conn: 1");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.get("/").assert_refused(502, "connect_failed");
    }
    proxy.assert_at_rest();
}

#[test]
fn after_an_early_answer() {
    let backend = Backend::heads(|_, conn| {
        conn.respond("403 Forbidden", "Connection: close\r\n", "no")?;
        conn.work(Duration::from_millis(300));
        Ok(Next::Close)
    });
    again_and_again(&backend, CLOCKS, |proxy| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1000\r\n\r\nhalf");
        client.response().assert_forwarded(403);
        drop(client);
    });
}
