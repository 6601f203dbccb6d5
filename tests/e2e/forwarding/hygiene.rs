//! What concerns one connection only stays there; what the proxy says itself is marked.

use crate::harness::{Backend, Config, Next, Proxy, named};

#[test]
fn hop_by_hop_fields_of_a_request_are_not_forwarded() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: e2e.test\r\nConnection: keep-alive, X-Secret , x-other\r\nX-Secret: 1\r\nX-Other: 2\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: gzip\r\n\
         Upgrade: example/1\r\nX-Kept: yes\r\n\r\n",
    );
    client.response().assert_forwarded(200);
    let seen = backend.only();
    for name in ["x-secret", "x-other", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(!seen.fields.has(name), "{name} was forwarded: {seen:#?}");
    }
    assert!(!seen.fields.has_token("te", "gzip"));
    assert!(!seen.fields.has_token("connection", "x-secret"));
    assert_eq!(seen.fields.get("x-kept"), Some("yes"));
}

#[test]
fn connection_cannot_name_away_the_fields_that_routing_and_framing_need() {
    // "Connection: host, content-length, x-forwarded-for" is an old way to make a proxy forget them.
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: e2e.test\r\nConnection: host, content-length, x-forwarded-for\r\nContent-Length: 3\r\n\r\nabc",
    );
    let response = client.response();
    match backend.seen().first() {
        Some(seen) => {
            assert_eq!(seen.fields.all("host"), ["e2e.test"]);
            assert_eq!(seen.body, b"abc");
            assert_eq!(seen.fields.all("x-forwarded-for"), ["127.0.0.1"]);
        }
        None => response.assert_refused(400, "bad_request"),
    }
}

#[test]
fn hop_by_hop_fields_of_an_answer_are_not_forwarded() {
    let backend = Backend::serve(|_, conn| {
        conn.respond(
            "200 OK",
            "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
             Server: own\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nX-Kept: yes\r\n",
            "ok",
        )?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let response = proxy.get("/");
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert!(!response.fields.has(name), "{name} was forwarded: {response:#?}");
    }
    assert_eq!(response.fields.all("server"), ["own"]);
    assert_eq!(response.fields.all("date"), ["Sat, 21 Nov 2026 00:00:00 GMT"]);
    assert_eq!(response.field("x-kept"), "yes");
}

#[test]
fn load_reports_in_answers_do_not_reach_clients() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("200 OK", "endpoint-load-metrics: TEXT cpu=0.3\r\nendpoint-load-metrics-bin: AAAA\r\n", "ok")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let response = proxy.get("/");
    assert_eq!(response.text(), "ok");
    assert!(!response.fields.has("endpoint-load-metrics") && !response.fields.has("endpoint-load-metrics-bin"));
}

#[test]
fn only_the_proxys_own_answers_carry_proxy_status() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("503 Service Unavailable", "Retry-After: 7\r\n", "mine")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let response = proxy.get("/");
    response.assert_forwarded(503);
    assert_eq!((response.text().as_str(), response.field("retry-after")), ("mine", "7"));
    drop(backend);
    proxy.get("/").assert_refused(502, "connect_failed");
}

#[test]
fn no_backend_address_reaches_a_client() {
    let mut backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    backend.stop();
    let response = proxy.get("/");
    let whole = format!("{response:?}{}", response.text());
    assert!(!whole.contains(&backend.address().port().to_string()), "{whole}");
    assert!(!response.text().contains("127.0.0.1"), "{whole}");
}

#[test]
fn the_proxys_own_answer_is_plain_text_and_json_when_accept_prefers_it() {
    let mut backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    backend.stop();
    let response = proxy.get("/");
    assert!(response.field("content-type").starts_with("text/plain"), "{response:#?}");

    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nAccept: application/json\r\n\r\n");
    let response = client.response();
    response.assert_refused(502, "connect_failed");
    assert!(response.field("content-type").starts_with("application/json"), "{response:#?}");
    let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    assert!(body.is_object(), "{body}");

    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/plain, application/json;q=0.5\r\n\r\n");
    let response = client.response();
    assert!(response.field("content-type").starts_with("text/plain"), "{response:#?}");
}

#[test]
fn head_gets_a_refusal_without_a_body() {
    let mut backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    backend.stop();
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.try_response("HEAD").expect("an answer").assert_refused(502, "connect_failed");
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.response().assert_refused(502, "connect_failed");
}

#[test]
fn header_edits_of_a_route_apply_both_ways() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("200 OK", "X-Inner: secret\r\nX-Replaced: old\r\nX-More: one\r\n", "ok")?;
        Ok(Next::Keep)
    });
    let config =
        Config::one(backend.address()).route("default", "path: /").route("default", "upstream: default").route(
            "default",
            "headers:\n  request:\n    set: {X-Set: new}\n    add: {X-Add: two}\n    remove: [X-Gone]\n  \
         response:\n    set: {X-Replaced: new}\n    add: {X-More: two}\n    remove: [X-Inner]",
        );
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nX-Set: old\r\nx-set: older\r\nX-Add: one\r\nX-Gone: 1\r\n\r\n");
    let response = client.response();
    let seen = backend.only();
    assert_eq!(seen.fields.all("x-set"), ["new"]);
    assert_eq!(seen.fields.all("x-add"), ["one", "two"]);
    assert!(!seen.fields.has("x-gone"));
    assert_eq!(response.fields.all("x-replaced"), ["new"]);
    assert_eq!(response.fields.all("x-more"), ["one", "two"]);
    assert!(!response.fields.has("x-inner"));
}

#[test]
fn header_edits_of_a_route_win_over_the_forwarding_fields() {
    let backend = named("b1");
    let config =
        Config::one(backend.address()).route("default", "path: /").route("default", "upstream: default").route(
            "default",
            "headers:\n  request:\n    set: {X-Forwarded-For: 192.0.2.1}\n    remove: [X-Forwarded-Host, x-forwarded-proto]",
        );
    let proxy = Proxy::start(&config);
    proxy.get("/");
    let seen = backend.only();
    assert_eq!(seen.fields.all("x-forwarded-for"), ["192.0.2.1"]);
    assert!(!seen.fields.has("x-forwarded-host"), "{seen:#?}");
    assert!(!seen.fields.has("x-forwarded-proto"), "{seen:#?}");
}
