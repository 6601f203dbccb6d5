//! Hostile answers: 502 `upstream_protocol`, and nothing of them reaches a client.

use crate::harness::{Config, Proxy, canned};

/// A name and an answer that has two meanings, or none.
const HOSTILE: &[(&str, &[u8])] = &[
    ("length and chunked", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths that differ", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    ("list of lengths that differ", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc"),
    ("signed length", b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"),
    ("negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc"),
    ("length that is no number", b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc"),
    ("length that overflows", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc"),
    ("unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("coding after chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc"),
    ("folded field", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc"),
    ("bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 3\r\n\r\nabc"),
    ("bare LF in a value", b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\nContent-Length: 3\r\n\r\nabc"),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 3\r\n\r\nabc"),
    ("field without a colon", b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 3\r\n\r\nabc"),
    ("field without a name", b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 3\r\n\r\nabc"),
    ("status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("status that is no number", b"HTTP/1.1 abc OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("another version", b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("another protocol", b"ICY 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ("not HTTP at all", b"hello, I am a mail server\r\n\r\n"),
    ("a lone first line", b"garbage\r\n\r\n"),
    (
        "an upgrade nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
    ("space before the version", b" HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
];

#[test]
fn an_answer_with_two_meanings_is_502_upstream_protocol() {
    let mut wrong = Vec::new();
    for (name, answer) in HOSTILE {
        let backend = canned(*answer);
        let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        match client.try_response("POST") {
            Ok(response) if response.status == 502 => response.assert_refused(502, "upstream_protocol"),
            Ok(response) => wrong.push(format!("{name}: {} {:?}", response.status, response.text())),
            Err(error) => wrong.push(format!("{name}: no answer: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_endless_head_of_an_answer_is_502_upstream_protocol() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    (0..100_000).for_each(|n| answer.extend_from_slice(format!("X-{n}: v\r\n").as_bytes()));
    let backend = canned(answer);
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    client.response().assert_refused(502, "upstream_protocol");
}

#[test]
fn a_broken_chunk_in_an_answer_ends_in_a_cut_never_in_a_clean_end() {
    for body in [
        "g\r\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "0\r\nX : a\r\n\r\n",
    ] {
        let backend = canned(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n{body}"));
        let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        match client.try_response("POST") {
            // The fault was seen before the head went out.
            Ok(response) if response.status == 502 => response.assert_refused(502, "upstream_protocol"),
            Ok(response) => panic!("{body:?} looked whole: {response:#?}"),
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{body:?}: {error}"),
        }
        client.rest();
    }
}

#[test]
fn bytes_after_an_answer_never_answer_the_next_request() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let backend = canned(answer);
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "good");
    }
}

#[test]
fn the_answer_to_head_never_brings_a_body_along() {
    // A backend that sends a body with its answer to HEAD must not poison the connection.
    let backend =
        canned("HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil123");
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = client.try_response("HEAD").expect("a head");
        assert_eq!((head.status, head.field("content-length")), (200, "45"));
    }
}

#[test]
fn an_answer_with_the_same_length_twice_has_one_meaning_or_none() {
    let backend = canned("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    let response = client.response();
    if response.status == 200 {
        assert_eq!((response.fields.all("content-length"), response.text().as_str()), (vec!["3"], "abc"));
    } else {
        response.assert_refused(502, "upstream_protocol");
    }
}
