//! `server.max_conn`, and the pool of connections to backends.

use std::time::Duration;

use crate::harness::{Backend, Client, Config, Gate, Next, Proxy, eventually, gated, named};

/// One worker, so that every connection counts in one place.
fn limited(backend: &Backend, max_conn: u32) -> Proxy {
    Proxy::start(&Config::one(backend.address()).server("workers: 1").server(&format!("max_conn: {max_conn}")))
}

#[test]
fn beyond_max_conn_idle_connections_make_room() {
    let backend = named("b1");
    let proxy = limited(&backend, 5);
    let mut idle: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
    idle.iter_mut().for_each(|client| client.get("/").assert_forwarded(200));
    for _ in 0..3 {
        proxy.get("/").assert_forwarded(200);
    }
    eventually("an idle one was closed", || proxy.metric("speedmimi_connections_evicted_total", &[]) >= 1.0);
    assert!(proxy.metric("speedmimi_connections", &[]) <= 5.0);
}

#[test]
fn beyond_max_conn_of_busy_connections_the_next_waits() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = limited(&backend, 5);
    let mut clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nConnection: close\r\n\r\n");
            client
        })
        .collect();
    eventually("five are served", || backend.flight().current() == 5);
    assert!(proxy.metric("speedmimi_connections", &[]) <= 5.0);
    gate.open();
    clients.iter_mut().for_each(|client| client.response().assert_forwarded(200));
    assert_eq!(backend.flight().peak(), 5, "never more than max_conn at once");
}

#[test]
fn beyond_max_conn_slow_heads_make_room_for_honest_requests() {
    let backend = named("b1");
    let proxy = limited(&backend, 5);
    let mut slow: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
    slow.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHost: e2e"));
    eventually("they are connected", || proxy.metric("speedmimi_connections", &[]) == 5.0);
    for _ in 0..3 {
        proxy.get("/").assert_forwarded(200);
    }
}

#[test]
fn an_exchange_is_never_evicted() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = limited(&backend, 3);
    let mut busy = proxy.client();
    busy.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    let mut idle: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    eventually("idle ones were closed", || proxy.metric("speedmimi_connections_evicted_total", &[]) >= 5.0);
    gate.open();
    assert_eq!(busy.response().text(), "b1");
    idle.clear();
}

fn pooled(backend: &Backend, pool: &str) -> Proxy {
    Proxy::start(&Config::one(backend.address()).server("workers: 1").upstream(&format!("pool: {{{pool}}}")))
}

#[test]
fn pool_max_requests_wears_a_connection_out() {
    let backend = named("b1");
    let proxy = pooled(&backend, "max_requests: 3");
    let mut client = proxy.client();
    (0..9).for_each(|_| client.get("/").assert_forwarded(200));
    assert_eq!(backend.accepted(), 3);
}

#[test]
fn pool_idle_timeout_closes_what_nobody_needs() {
    let backend = named("b1");
    let proxy = pooled(&backend, "idle_timeout: 200ms");
    proxy.get("/").assert_forwarded(200);
    eventually("the idle connection is closed", || backend.open() == 0);
    eventually("the gauge knows", || proxy.metric("speedmimi_backend_idle_connections", &[]) == 0.0);
}

#[test]
fn pool_max_idle_limits_what_is_kept() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = pooled(&backend, "max_idle: 3");
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
    eventually("all are at the backend", || backend.flight().current() == 10);
    gate.open();
    clients.iter_mut().for_each(|client| client.response().assert_forwarded(200));
    eventually("three are kept", || backend.open() == 3);
    assert_eq!(proxy.metric("speedmimi_backend_idle_connections", &[]), 3.0);
}

#[test]
fn the_pool_of_a_backend_that_stops_is_emptied() {
    let mut backend = named("b1");
    let proxy = pooled(&backend, "max_idle: 10");
    proxy.get("/").assert_forwarded(200);
    assert_eq!(proxy.metric("speedmimi_backend_idle_connections", &[]), 1.0);
    backend.stop();
    let mut client = proxy.client();
    client.get("/").assert_refused(502, "connect_failed");
    assert_eq!(proxy.metric("speedmimi_backend_idle_connections", &[]), 0.0);
}

#[test]
fn a_connection_with_an_unfinished_request_is_not_pooled() {
    // The answer came early and whole, but the body was never sent to its end: what would come next on that
    // connection is body, not a request.
    let backend = Backend::heads(|seen, conn| {
        conn.respond("200 OK", "", &seen.target)?;
        conn.work(Duration::from_millis(1));
        if seen.method == "POST" {
            conn.hang();
            return Ok(Next::Close);
        }
        Ok(Next::Keep)
    });
    let proxy = pooled(&backend, "max_idle: 10");
    for n in 0..5 {
        let mut client = proxy.client();
        client.send(format!("POST /post-{n} HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1000\r\n\r\nhalf"));
        assert_eq!(client.response().text(), format!("/post-{n}"));
        assert_eq!(proxy.get(&format!("/get-{n}")).text(), format!("/get-{n}"));
    }
}
