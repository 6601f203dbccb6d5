//! `server.limits` and what is not proxied, each with its status and token.

use crate::harness::{Backend, Client, Config, Proxy, Response, named};

fn proxy_with(server: &str) -> (Backend, Proxy) {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server(server));
    (backend, proxy)
}

fn refusal(proxy: &Proxy, request: impl AsRef<[u8]>) -> (Client, Response) {
    let mut client = proxy.client();
    // A refusal may come while the rest is still being sent.
    let _ = client.try_send(request);
    let response = client.response();
    (client, response)
}

#[test]
fn a_request_line_over_its_limit_is_414() {
    let (backend, proxy) = proxy_with("limits: {request_line: 200}");
    // "GET " + target + " HTTP/1.1" of exactly 200 bytes passes.
    let fits = format!("/{}", "a".repeat(200 - 4 - 9 - 1));
    proxy.get(&fits).assert_forwarded(200);
    let (mut client, response) = refusal(&proxy, format!("GET {fits}b HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
    response.assert_refused(414, "uri_too_long");
    client.assert_closed();
    assert_eq!(backend.flight().total(), 1);
}

#[test]
fn the_default_limit_of_the_request_line_is_8190() {
    let (_backend, proxy) = proxy_with("workers: 1");
    proxy.get(&format!("/{}", "a".repeat(8190 - 14))).assert_forwarded(200);
    let (_, response) = refusal(&proxy, format!("GET /{} HTTP/1.1\r\nHost: e2e.test\r\n\r\n", "a".repeat(8190 - 13)));
    response.assert_refused(414, "uri_too_long");
}

#[test]
fn a_field_over_its_limit_is_431() {
    let (backend, proxy) = proxy_with("limits: {header_field: 300}");
    let ask = |value: usize| format!("GET / HTTP/1.1\r\nHost: e2e.test\r\nX-Long: {}\r\n\r\n", "v".repeat(value));
    let mut client = proxy.client();
    client.send(ask(280));
    client.response().assert_forwarded(200);
    let (mut client, response) = refusal(&proxy, ask(400));
    response.assert_refused(431, "header_too_large");
    client.assert_closed();
    assert_eq!(backend.flight().total(), 1);
}

#[test]
fn more_fields_than_allowed_is_431() {
    let (backend, proxy) = proxy_with("limits: {header_count: 10}");
    let ask = |count: usize| {
        let fields: String = (0..count).map(|n| format!("X-{n}: v\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: e2e.test\r\n{fields}\r\n")
    };
    let mut client = proxy.client();
    client.send(ask(9));
    client.response().assert_forwarded(200);
    let (mut client, response) = refusal(&proxy, ask(10));
    response.assert_refused(431, "header_too_large");
    client.assert_closed();
    assert_eq!(backend.flight().total(), 1);
}

#[test]
fn an_endless_head_is_refused_before_it_ends() {
    let (backend, proxy) = proxy_with("workers: 1");
    let (_, response) = refusal(&proxy, format!("GET / HTTP/1.1\r\nHost: e2e.test\r\nX: {}", "v".repeat(3 << 20)));
    response.assert_refused(431, "header_too_large");
    let (_, response) = refusal(&proxy, format!("GET /{}", "a".repeat(3 << 20)));
    response.assert_refused(414, "uri_too_long");
    assert_eq!(backend.received(), 0);
}

#[test]
fn an_announced_body_over_its_limit_is_413_before_a_byte_of_it() {
    let (backend, proxy) = proxy_with("limits: {body: 1000}");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1000\r\n\r\n");
    client.send(vec![b'x'; 1000]);
    client.response().assert_forwarded(200);
    let (_, response) = refusal(&proxy, "POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 1001\r\n\r\n");
    response.assert_refused(413, "body_too_large");
    assert_eq!(backend.flight().total(), 1);
}

#[test]
fn a_chunked_body_that_outgrows_its_limit_is_413_and_never_whole_at_the_backend() {
    let (backend, proxy) = proxy_with("limits: {body: 1000}");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..11 {
        // The refusal may be on its way already.
        let _ = client.try_send(format!("64\r\n{}\r\n", "x".repeat(100)));
    }
    let _ = client.try_send("0\r\n\r\n");
    client.response().assert_refused(413, "body_too_large");
    assert!(backend.seen().iter().all(|seen| seen.body.is_empty()), "{:#?}", backend.seen());
}

#[test]
fn connect_is_405() {
    let (backend, proxy) = proxy_with("workers: 1");
    let (_, response) = refusal(&proxy, "CONNECT e2e.test:443 HTTP/1.1\r\nHost: e2e.test:443\r\n\r\n");
    response.assert_refused(405, "method_not_allowed");
    assert_eq!(backend.received(), 0);
}

#[test]
fn other_versions_of_http_are_505() {
    let (backend, proxy) = proxy_with("workers: 1");
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        let (mut client, response) = refusal(&proxy, format!("GET / {version}\r\nHost: e2e.test\r\n\r\n"));
        response.assert_refused(505, "version_not_supported");
        client.assert_closed();
    }
    assert_eq!(backend.received(), 0);
}

#[test]
fn what_matches_no_route_is_404() {
    let backend = named("b1");
    let config = Config::one(backend.address()).route("api", "path: /api").route("api", "upstream: default");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    client.get("/other").assert_refused(404, "route_not_found");
    client.get("/api").assert_forwarded(200);
    assert_eq!(backend.flight().total(), 1);
}
