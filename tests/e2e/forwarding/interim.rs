//! 1xx answers, `Expect`, and answers that come before the request ends.

use crate::harness::{Backend, Config, Next, Proxy};

/// Asks for the body as a server does that was expected to.
fn polite() -> Backend {
    Backend::heads(|seen, conn| {
        if seen.fields.has("expect") {
            conn.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let whole = conn.read_body(seen)?;
        conn.respond("200 OK", "", &whole.body)?;
        Ok(Next::Keep)
    })
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_then_its_answer() {
    let backend = polite();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.head().status, 100);
        client.send("body");
        let response = client.head();
        assert_eq!(response.status, 200, "exactly one 100 Continue");
        assert_eq!(client.body("POST", response).expect("a body").text(), "body");
    }
}

#[test]
fn a_client_that_does_not_wait_for_100_continue_is_served_too() {
    let backend = polite();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody");
    assert_eq!(client.response().text(), "body");
}

#[test]
fn a_backend_may_refuse_an_expected_body_unseen() {
    let backend = Backend::heads(|_, conn| {
        conn.respond("403 Forbidden", "Connection: close\r\n", "no")?;
        Ok(Next::Close)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 400000\r\nExpect: 100-continue\r\n\r\n");
    let response = client.response();
    response.assert_forwarded(403);
    assert_eq!(response.text(), "no");
}

#[test]
fn a_refusal_of_the_proxy_comes_before_100_continue() {
    let backend = polite();
    let proxy = Proxy::start(&Config::one(backend.address()).server("limits: {body: 1000}"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 413, "no 100 Continue before the refusal");
}

#[test]
fn early_hints_reach_the_client_before_the_answer() {
    let backend = Backend::serve(|_, conn| {
        conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")?;
        conn.write("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n")?;
        conn.respond("200 OK", "", "done")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    for file in ["/a.css", "/b.css"] {
        let hints = client.head();
        assert_eq!(hints.status, 103);
        assert!(hints.field("link").contains(file));
    }
    assert_eq!(client.response().text(), "done");
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.response().text(), "done", "the connection goes on");
}

#[test]
fn an_http_1_0_client_gets_no_interim_answer() {
    let backend = Backend::serve(|_, conn| {
        conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
        conn.respond("200 OK", "", "done")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 200, "RFC 9110 §15.2");
    assert_eq!(client.body("GET", head).expect("a body").text(), "done");
}

#[test]
fn an_answer_may_come_before_the_request_body_ends() {
    let backend = Backend::heads(|_, conn| {
        conn.respond("413 Too Much", "Connection: close\r\n", "stop")?;
        // What was on its way is taken in, so that the close does not destroy the answer.
        conn.wire().some()?;
        Ok(Next::Close)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1000000\r\n\r\nfirst bytes");
    let response = client.response();
    response.assert_forwarded(413);
    assert_eq!(response.text(), "stop");
}

#[test]
fn an_early_answer_reaches_a_client_that_still_uploads() {
    let backend = Backend::heads(|seen, conn| {
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")?;
        let whole = conn.read_body(seen)?;
        conn.write_last(format!("{:x}\r\n{}\r\n0\r\n\r\n", 5, whole.body.len() % 100_000))?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 70000\r\n\r\n");
    client.send(vec![b'u'; 10_000]);
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(client.wire().chunk().expect("the early part"), b"early");
    client.send(vec![b'u'; 60_000]);
    assert_eq!(client.wire().chunk().expect("the late part"), b"70000");
    assert!(client.wire().chunk().expect("the last chunk").is_empty());
}
