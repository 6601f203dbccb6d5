//! Heads, connections and versions.

use crate::harness::{Backend, Config, Next, Proxy, named};

#[test]
fn a_get_reaches_the_backend_and_its_answer_the_client() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET /a/b?c=d HTTP/1.1\r\nHost: e2e.test\r\nX-Own: 1\r\n\r\n");
    let response = client.response();
    response.assert_forwarded(200);
    assert_eq!(response.text(), "b1");
    assert_eq!(response.field("content-type"), "text/plain");
    let seen = backend.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.version.as_str()), ("GET", "/a/b?c=d", "HTTP/1.1"));
    assert_eq!(seen.fields.all("host"), ["e2e.test"]);
    assert_eq!(seen.fields.all("x-own"), ["1"]);
}

#[test]
fn connections_are_kept_alive_on_both_sides() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "b1");
    }
    assert_eq!(backend.accepted(), 1, "one upstream connection carries every request");
    assert_eq!(backend.flight().total(), 20);
}

#[test]
fn fields_keep_their_order_their_bytes_and_their_repetitions() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(b"GET / HTTP/1.1\r\nHost: e2e.test\r\nX-A: 1\r\nx-b: caf\xc3\xa9 \xe9\r\nX-A: 2\r\nX-Empty:\r\n\r\n");
    client.response().assert_forwarded(200);
    let seen = backend.only();
    assert_eq!(seen.fields.all("x-a"), ["1", "2"]);
    assert_eq!(seen.fields.all("x-empty"), [""]);
    let bytes: &[u8] = b"caf\xc3\xa9 \xe9\r\n";
    assert!(seen.raw.windows(bytes.len()).any(|window| window == bytes), "obs-text is forwarded as it is");
}

#[test]
fn a_request_may_arrive_in_any_split() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let request = "POST /split HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 5\r\n\r\nhello";
    for at in 1..request.len() {
        let mut client = proxy.client();
        client.send(&request[..at]);
        client.send(&request[at..]);
        assert_eq!(client.response().text(), "b1", "split at {at}");
    }
    let mut client = proxy.client();
    for byte in request.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "b1");
    assert!(backend.seen().iter().all(|seen| seen.target == "/split" && seen.body == b"hello"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::serve(|seen, conn| {
        conn.respond("200 OK", "", seen.target.as_bytes())?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    let all: String = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: e2e.test\r\n\r\n")).collect();
    client.send(all);
    for n in 0..20 {
        assert_eq!(client.response().text(), format!("/{n}"));
    }
}

#[test]
fn a_client_that_asks_to_close_gets_its_answer_and_the_close() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nConnection: close\r\n\r\n");
    let response = client.response();
    assert!(response.fields.has_token("connection", "close"), "{response:#?}");
    assert_eq!(response.text(), "b1");
    client.assert_closed();
}

#[test]
fn an_http_1_0_client_is_closed_unless_it_asks_to_be_kept() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.response().text(), "b1");
    client.assert_closed();

    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: e2e.test\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert!(response.fields.has_token("connection", "keep-alive"), "{response:#?}");
        assert_eq!(response.text(), "b1");
    }
}

#[test]
fn an_http_1_0_client_needs_no_host() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "b1");
    assert_eq!(backend.only().version, "HTTP/1.1", "the proxy speaks its own version");
}

#[test]
fn a_chunked_answer_is_never_sent_to_an_http_1_0_client() {
    let backend = Backend::serve(|_, conn| {
        conn.write_last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert!(!response.fields.has("transfer-encoding"), "{response:#?}");
    assert_eq!(response.text(), "abcde");
    client.assert_closed();
}

#[test]
fn a_backend_may_answer_as_http_1_0() {
    let backend = Backend::serve(|_, conn| {
        conn.write_last("HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nabc")?;
        Ok(Next::Close)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!((response.version.as_str(), response.text().as_str()), ("HTTP/1.1", "abc"));
    }
    assert_eq!(backend.accepted(), 2, "an HTTP/1.0 backend did not promise to keep the connection");
}

#[test]
fn a_backend_that_says_close_is_not_used_again() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("200 OK", "Connection: close\r\n", "bye")?;
        Ok(Next::Close)
    });
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..5 {
        let response = client.get("/");
        assert_eq!(response.text(), "bye");
        assert!(
            !response.fields.has_token("connection", "close"),
            "the backend's connection is its own: {response:#?}"
        );
    }
    assert_eq!(backend.accepted(), 5);
}

#[test]
fn absolute_form_is_routed_and_forwarded_as_origin_form() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET http://e2e.test/path?q HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.response().assert_forwarded(200);
    let seen = backend.only();
    assert_eq!(seen.target, "/path?q");
    assert_eq!(seen.fields.all("host"), ["e2e.test"]);
}

#[test]
fn absolute_form_that_disagrees_with_host_has_one_meaning_or_none() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET http://one.test/ HTTP/1.1\r\nHost: two.test\r\n\r\n");
    let response = client.response();
    match backend.seen().first() {
        // RFC 9112 §3.2.2: the target's authority replaces the field.
        Some(seen) => assert_eq!(seen.fields.all("host"), ["one.test"]),
        None => response.assert_refused(400, "bad_request"),
    }
}

#[test]
fn options_asterisk_reaches_the_backend() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("OPTIONS * HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.response().assert_forwarded(200);
    let seen = backend.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("OPTIONS", "*"));
}

#[test]
fn unknown_methods_pass() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    for method in ["PROPFIND", "PATCH", "DELETE", "M-SEARCH", "X"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
        client.response().assert_forwarded(200);
        assert_eq!(backend.seen().last().expect("it arrived").method, method);
    }
}

#[test]
fn statuses_and_reasons_come_through() {
    let backend = Backend::serve(|seen, conn| {
        let status = format!("{} Some Words", &seen.target[1..]);
        conn.respond(&status, "", "body")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    for status in [200, 201, 302, 404, 418, 429, 500, 502, 503, 599] {
        let response = client.get(&format!("/{status}"));
        response.assert_forwarded(status);
        assert_eq!((response.reason.as_str(), response.text().as_str()), ("Some Words", "body"));
    }
}
