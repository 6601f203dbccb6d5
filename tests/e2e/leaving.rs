//! FIN or reset from a client means that it left: the exchange is cancelled and its slot is free.

use crate::harness::{Backend, Client, Config, Gate, Next, Proxy, eventually, gated, silent, ticking};
use std::time::Duration;

/// Starts an exchange, lets the client end it, and waits until the backend is left.
fn leaves(backend: &Backend, request: &str, answer_begins: bool, leave: impl FnOnce(Client) -> Option<Client>) {
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(request);
    eventually("the request arrives", || backend.flight().current() == 1);
    if answer_begins {
        assert_eq!(client.head().status, 200);
    }
    let rest = leave(client);
    eventually("the backend is left", || backend.flight().current() == 0);
    assert_eq!(backend.flight().closed(), 1, "by a close, not by an answer");
    drop(rest);
    proxy.assert_at_rest();
    eventually("it counts as cancelled", || proxy.metric("speedmimi_backend_cancelled_total", &[]) == 1.0);
    eventually("the reason is client_closed", || {
        proxy.metric("speedmimi_request_errors_total", &[("reason", "client_closed")]) == 1.0
    });
}

const GET: &str = "GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n";

#[test]
fn a_close_before_the_answer_cancels() {
    leaves(&silent(), GET, false, |client| {
        drop(client);
        None
    });
}

#[test]
fn a_half_close_before_the_answer_cancels() {
    leaves(&silent(), GET, false, |mut client| {
        client.half_close();
        Some(client)
    });
}

#[test]
fn a_reset_before_the_answer_cancels() {
    leaves(&silent(), GET, false, |client| {
        client.reset();
        None
    });
}

#[test]
fn a_close_inside_a_stream_cancels() {
    leaves(&ticking(Duration::from_millis(20), &Gate::default()), GET, true, |client| {
        drop(client);
        None
    });
}

#[test]
fn a_close_inside_a_silent_stream_cancels() {
    // No event ever comes, so no failed write can tell the proxy that its client left.
    let backend = Backend::serve(|_, conn| {
        conn.write(crate::harness::EVENT_STREAM)?;
        conn.hang();
        Ok(Next::Close)
    });
    leaves(&backend, GET, true, |client| {
        drop(client);
        None
    });
}

#[test]
fn a_half_close_inside_a_stream_cancels() {
    leaves(&ticking(Duration::from_millis(20), &Gate::default()), GET, true, |mut client| {
        client.half_close();
        Some(client)
    });
}

#[test]
fn a_reset_inside_a_stream_cancels() {
    leaves(&ticking(Duration::from_millis(20), &Gate::default()), GET, true, |client| {
        client.reset();
        None
    });
}

#[test]
fn a_client_that_leaves_inside_its_upload_cancels() {
    let backend = Backend::heads(|_, conn| {
        // Reads what comes until the proxy leaves.
        while !conn.wire().some()?.is_empty() {}
        Ok(Next::Close)
    });
    leaves(&backend, "POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 100000\r\n\r\nhalf", false, |client| {
        drop(client);
        None
    });
}

#[test]
fn a_truncated_upload_is_never_passed_off_as_whole() {
    let backend = Backend::serve(|seen, conn| {
        conn.respond("200 OK", "", &seen.body)?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    eventually("the request arrives", || backend.flight().total() == 1);
    client.half_close();
    eventually("the backend is left", || backend.flight().current() == 0);
    assert_eq!(backend.flight().closed(), 1);
    assert!(backend.only().body.is_empty(), "the backend never saw the end of the body");
}

#[test]
fn a_client_that_leaves_frees_its_slot_for_the_next() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 1"));
    let mut first = proxy.client();
    first.send(GET);
    eventually("the slot is taken", || backend.flight().current() == 1);
    proxy.get("/").assert_refused(503, "connection_limit");
    first.reset();
    eventually("the slot is free", || backend.flight().current() == 0);
    gate.open();
    eventually("the next one gets it", || proxy.get("/").status == 200);
    assert_eq!(backend.flight().peak(), 1);
}

#[test]
fn half_close_keep_spares_the_rare_other_kind() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = Proxy::start(&Config::one(backend.address()).server("half_close: keep"));
    let mut client = proxy.client();
    client.send(GET);
    client.half_close();
    eventually("the request arrives", || backend.flight().current() == 1);
    gate.open();
    assert_eq!(client.response().text(), "b1");
    assert_eq!(backend.flight().closed(), 0);
}
