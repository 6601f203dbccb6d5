//! Hostile requests: 400 and close, and nothing of them reaches a backend.

use crate::harness::{Config, Proxy, named};

/// A name and a request that has two meanings, or none. Each goes on with a second request that must never be seen.
const HOSTILE: &[(&str, &[u8])] = &[
    (
        "length and chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked and length",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths that differ", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"),
    ("two lengths that agree", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    ("list of lengths", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 0\r\n\r\n"),
    ("positive sign", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n"),
    ("negative length", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"),
    ("hexadecimal length", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x0\r\n\r\n"),
    ("length that overflows", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    ("length with a space inside", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0 0\r\n\r\n"),
    ("empty length", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n"),
    ("length with a letter", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0a\r\n\r\n"),
    ("unknown coding", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("coding before chunked", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("coding after chunked", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("identity", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n"),
    ("chunked twice", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked in two fields",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked and then another",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    ),
    ("quoted chunked", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("vertical tab before chunked", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("empty coding", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n"),
    ("chunked from an HTTP/1.0 client", b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("space before the colon", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 0\r\n\r\n"),
    (
        "space before the colon of a coding",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("tab before the colon", b"GET / HTTP/1.1\r\nHost: h\r\nX\t: a\r\n\r\n"),
    ("folded field", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
    ("folded coding", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("first field begins with a space", b"GET / HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n"),
    ("field without a colon", b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n"),
    ("field without a name", b"GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n"),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: h\nX: a\r\n\r\n"),
    ("bare LF everywhere", b"GET / HTTP/1.1\nHost: h\n\n"),
    ("bare LF after the request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
    ("bare LF as the last line", b"GET / HTTP/1.1\r\nHost: h\r\n\n"),
    ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 5\r\n\r\n"),
    ("bare CR in the request line", b"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("two CR", b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
    ("NUL in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n"),
    ("control byte in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n"),
    ("DEL in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n"),
    ("separator in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX(: a\r\n\r\n"),
    ("byte over 127 in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX\xff: a\r\n\r\n"),
    ("no host", b"GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("the same host twice", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("list of hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("host with user information", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("host with a bad port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    ("target without a slash", b"GET x HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("two spaces after the method", b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("two spaces before the version", b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("space inside the target", b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("tab in the request line", b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("space after the version", b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
    ("space before the method", b" GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("separator in the method", b"G(T / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("no version", b"GET /\r\nHost: h\r\n\r\n"),
    ("version in lower case", b"GET / http/1.1\r\nHost: h\r\n\r\n"),
    ("version with a sign", b"GET / HTTP/+1.1\r\nHost: h\r\n\r\n"),
    ("asterisk without OPTIONS", b"GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("not HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
];

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_head_with_two_meanings_is_400_and_close_and_reaches_no_backend() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut wrong = Vec::new();
    for (name, request) in HOSTILE {
        let mut client = proxy.client();
        // The proxy may refuse before it has taken everything.
        let _ = client.try_send([request, SMUGGLED].concat());
        match client.try_response("GET") {
            Ok(response) if response.status == 400 => {
                response.assert_refused(400, "bad_request");
                let rest = client.rest();
                if !rest.is_empty() {
                    wrong.push(format!("{name}: goes on after 400 with {:?}", String::from_utf8_lossy(&rest)));
                }
            }
            Ok(response) => wrong.push(format!("{name}: {} {}", response.status, response.text())),
            Err(error) => wrong.push(format!("{name}: no answer: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(backend.received(), 0, "bytes reached the backend: {:#?}", backend.seen());
}

/// A name and a chunked body that is broken after its head was fine.
const BROKEN_CHUNKS: &[(&str, &[u8])] = &[
    ("size that is no number", b"g\r\nx\r\n0\r\n\r\n"),
    ("empty size", b"\r\n0\r\n\r\n"),
    ("sign", b"+1\r\nx\r\n0\r\n\r\n"),
    ("negative", b"-1\r\nx\r\n0\r\n\r\n"),
    ("0x", b"0x1\r\nx\r\n0\r\n\r\n"),
    ("underscore", b"1_0\r\nx\r\n0\r\n\r\n"),
    ("overflow", b"ffffffffffffffff1\r\nx\r\n0\r\n\r\n"),
    ("overflow to a small one", b"10000000000000001\r\nx\r\n0\r\n\r\n"),
    ("data longer than its size", b"1\r\nxy\r\n0\r\n\r\n"),
    ("data shorter than its size", b"3\r\nx\r\n0\r\n\r\n0\r\n\r\n"),
    ("bare LF after the size", b"1\nx\r\n0\r\n\r\n"),
    ("bare CR after the size", b"1\rx\r\n0\r\n\r\n"),
    ("bare LF after the data", b"1\r\nx\n0\r\n\r\n"),
    ("space before the size", b" 1\r\nx\r\n0\r\n\r\n"),
    ("bare LF in an extension", b"1;a\nb\r\nx\r\n0\r\n\r\n"),
    ("bare CR in an extension", b"1;a\rb\r\nx\r\n0\r\n\r\n"),
    ("folded trailer", b"0\r\nX: a\r\n b\r\n\r\n"),
    ("bad trailer", b"0\r\nX : a\r\n\r\n"),
    ("bare LF at the end", b"0\r\n\n"),
];

#[test]
fn a_broken_chunk_ends_the_exchange_and_what_follows_is_never_a_request() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut wrong = Vec::new();
    for (name, body) in BROKEN_CHUNKS {
        let mut client = proxy.client();
        let head: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = client.try_send([head, body, SMUGGLED].concat());
        match client.try_response("POST") {
            Ok(response) if response.status == 400 => response.assert_refused(400, "bad_request"),
            Ok(response) => wrong.push(format!("{name}: {} {}", response.status, response.text())),
            Err(error) => wrong.push(format!("{name}: no answer: {error}")),
        }
        let rest = client.rest();
        if !rest.is_empty() {
            wrong.push(format!("{name}: goes on with {:?}", String::from_utf8_lossy(&rest)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(backend.seen().iter().all(|seen| seen.target == "/" && seen.body.is_empty()), "{:#?}", backend.seen());
}

#[test]
fn an_odd_but_single_meaning_passes_with_that_meaning() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let odd: &[(&str, &[u8], &[u8])] = &[
        ("blank line before the request", b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", b""),
        ("names in any case", b"POST / HTTP/1.1\r\nhOsT: h\r\ncOnTeNt-LeNgTh: 1\r\n\r\nx", b"x"),
        ("blanks around values", b"POST / HTTP/1.1\r\nHost: \t h \t\r\nContent-Length: \t 1 \r\n\r\nx", b"x"),
        (
            "coding in any case",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            b"x",
        ),
        (
            "chunk extension",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0\r\n\r\n",
            b"x",
        ),
        (
            "zeros before a size",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0001\r\nx\r\n000\r\n\r\n",
            b"x",
        ),
    ];
    for (name, request, body) in odd {
        let before = backend.seen().len();
        let mut client = proxy.client();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, 200, "{name}: {response:#?}");
        let seen = backend.seen().swap_remove(before);
        assert_eq!((seen.body.as_slice(), seen.fields.all("host")), (*body, vec!["h"]), "{name}");
    }
}

#[test]
fn an_empty_host_is_one_meaning() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    // RFC 9112 §3.2 allows it; a proxy may also insist on a name. Never may it invent one.
    client.send("GET / HTTP/1.1\r\nHost:\r\n\r\n");
    let response = client.response();
    match backend.seen().first() {
        Some(seen) => assert_eq!(seen.fields.all("host"), [""]),
        None => response.assert_refused(400, "bad_request"),
    }
}

#[test]
fn a_request_inside_a_body_is_never_a_request() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    let body = String::from_utf8_lossy(SMUGGLED);
    client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    client.response().assert_forwarded(200);
    client.get("/next").assert_forwarded(200);
    let targets: Vec<String> = backend.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/", "/next"]);
}

#[test]
fn an_h2c_upgrade_is_stripped() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    );
    client.response().assert_forwarded(200);
    let seen = backend.only();
    assert!(!seen.fields.has("upgrade") && !seen.fields.has("http2-settings"), "{seen:#?}");
}
