//! Request heads: one test a rule.

#![allow(clippy::panic, reason = "a test that panics has failed")]

use super::*;
use crate::{FieldError, FramingError, Known};

fn parse_with(text: &str, limits: &Limits) -> Result<RequestHead, RequestError> {
    let mut head = RequestHead::new();
    match parse_request(text.as_bytes(), limits, &mut head)? {
        Parsed::Complete => Ok(head),
        Parsed::Partial => panic!("partial: {text:?}"),
    }
}

fn parse(text: &str) -> Result<RequestHead, RequestError> {
    parse_with(text, &Limits::default())
}

/// A request of this line and these further fields.
fn with(line: &str, fields: &str) -> String {
    format!("{line}\r\nHost: a\r\n{fields}\r\n")
}

fn fails(text: &str) -> RequestError {
    parse(text).expect_err(text)
}

fn get(fields: &str) -> RequestHead {
    parse(&with("GET / HTTP/1.1", fields)).expect(fields)
}

#[test]
fn a_browser_request_is_read_in_place() {
    let text = "POST /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nhello";
    let head = parse(text).expect("valid");
    let buf = text.as_bytes();
    assert_eq!((head.method, head.method_name.of(buf)), (Method::Post, b"POST".as_slice()));
    assert_eq!((head.form, head.target.of(buf)), (TargetForm::Origin, b"/a/b?c=d".as_slice()));
    assert_eq!((head.path.of(buf), head.origin_path(buf)), (b"/a/b?c=d".as_slice(), b"/a/b?c=d".as_slice()));
    assert_eq!(head.authority.map(|span| span.of(buf)), Some(b"example.com:8080".as_slice()));
    assert_eq!((head.version, head.framing), (Version::Http11, Framing::Length(5)));
    assert!(head.keep_alive && !head.expect_continue && !head.accepts_event_stream);
    assert_eq!(&buf[head.len..], b"hello");
    assert_eq!(head.fields.as_slice().len(), 3);
}

#[test]
fn a_head_is_reused_without_remembering() {
    let mut head = RequestHead::new();
    let first = with(
        "OPTIONS http://b HTTP/1.1",
        "Expect: 100-continue\r\nContent-Length: 1\r\nUpgrade: x\r\nAccept: text/event-stream\r\n",
    );
    assert_eq!(parse_request(first.as_bytes(), &Limits::default(), &mut head), Ok(Parsed::Complete));
    let second = with("GET / HTTP/1.1", "");
    assert_eq!(parse_request(second.as_bytes(), &Limits::default(), &mut head), Ok(Parsed::Complete));
    assert_eq!(format!("{head:?}"), format!("{:?}", parse(&second).expect("valid")));
}

#[test]
fn a_few_empty_lines_may_come_first() {
    let text = "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = parse(text).expect("valid");
    assert_eq!((head.len, head.method_name.of(text.as_bytes())), (text.len(), b"GET".as_slice()));
    assert_eq!(fails(&"\r\n".repeat(5)), RequestError::EmptyLines);
    assert_eq!(fails("\n"), RequestError::BareLf);
    assert_eq!(fails("\rG"), RequestError::BareCr);
}

#[test]
fn a_request_line_has_three_parts_and_two_spaces() {
    for (line, error) in [
        (" GET / HTTP/1.1", RequestError::BadMethod),
        ("GET", RequestError::BadMethod),
        ("G(T / HTTP/1.1", RequestError::BadMethod),
        ("GET\t/ HTTP/1.1", RequestError::BadMethod),
        ("GET  / HTTP/1.1", RequestError::BadTarget),
        ("GET /\tHTTP/1.1", RequestError::BadTarget),
        ("GET /", RequestError::BadVersion),
        ("GET /  HTTP/1.1", RequestError::BadVersion),
        ("GET / HTTP/1.1 ", RequestError::BadVersion),
        ("GET / HTTP/1.1x", RequestError::BadVersion),
        ("GET / http/1.1", RequestError::BadVersion),
        ("GET / HTTP/11", RequestError::BadVersion),
        ("GET / HTTP/1.10", RequestError::BadVersion),
        ("GET / x HTTP/1.1", RequestError::BadVersion),
        ("\x16\x03\x01", RequestError::BadMethod),
    ] {
        assert_eq!(fails(&with(line, "")), error, "{line:?}");
    }
    assert_eq!(fails("GET / HTTP/1.1\nHost: a\r\n\r\n"), RequestError::BareLf);
    assert_eq!(fails("GET / HTTP/1.1\rHost: a\r\n\r\n"), RequestError::BareCr);
    assert_eq!(fails("GET /\nHost: a\r\n\r\n"), RequestError::BareLf);
}

#[test]
fn only_http_1_0_and_1_1_are_served() {
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9"] {
        let error = fails(&with(&format!("GET / {version}"), ""));
        assert_eq!((error, error.refusal().status()), (RequestError::UnsupportedVersion, 505), "{version}");
    }
    assert_eq!(fails("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").refusal(), Refusal::VersionNotSupported);
}

#[test]
fn connect_is_not_served() {
    assert_eq!(fails(&with("CONNECT a:443 HTTP/1.1", "")).refusal(), Refusal::MethodNotAllowed);
}

#[test]
fn unknown_methods_pass_and_endless_ones_do_not() {
    assert_eq!(parse(&with("BREW /pot HTTP/1.1", "")).map(|head| head.method), Ok(Method::Other));
    assert!(parse(&with(&format!("{} / HTTP/1.1", "A".repeat(64)), "")).is_ok());
    assert_eq!(fails(&with(&format!("{} / HTTP/1.1", "A".repeat(65)), "")).refusal(), Refusal::NotImplemented);
}

#[test]
fn targets_are_visible_ascii_without_fragment() {
    for target in ["/#a", "/\u{e4}", "/\x7f", "/\0", "/a\x01"] {
        assert_eq!(fails(&with(&format!("GET {target} HTTP/1.1"), "")), RequestError::BadTarget, "{target:?}");
    }
    for target in ["/", "//a", "/a|b^{}`<>\"\\", "/?%zz", "/../a"] {
        assert!(parse(&with(&format!("GET {target} HTTP/1.1"), "")).is_ok(), "{target:?}");
    }
}

#[test]
fn targets_have_the_form_of_their_method() {
    for line in [
        "GET * HTTP/1.1",
        "GET a/b HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET . HTTP/1.1",
    ] {
        assert_eq!(fails(&with(line, "")), RequestError::BadTarget, "{line}");
    }
    let text = with("OPTIONS * HTTP/1.1", "");
    let head = parse(&text).expect("valid");
    assert_eq!((head.form, head.origin_path(text.as_bytes())), (TargetForm::Asterisk, b"*".as_slice()));
}

#[test]
fn an_absolute_target_decides_over_host() {
    let text = with("GET HTTP://b.example:81/x?y HTTP/1.1", "");
    let head = parse(&text).expect("valid");
    assert_eq!(head.form, TargetForm::Absolute);
    assert_eq!(head.authority.map(|span| span.of(text.as_bytes())), Some(b"b.example:81".as_slice()));
    assert_eq!(head.path.of(text.as_bytes()), b"/x?y");
}

#[test]
fn an_absolute_target_without_path_is_forwarded_as_root_or_asterisk() {
    for (method, path) in [("GET", "/"), ("OPTIONS", "*")] {
        let text = with(&format!("{method} https://b HTTP/1.1"), "");
        let head = parse(&text).expect("valid");
        assert_eq!((head.path.len(), head.origin_path(text.as_bytes())), (0, path.as_bytes()));
    }
}

#[test]
fn absolute_targets_are_http_with_a_plain_authority() {
    for target in [
        "http://",
        "http:///a",
        "http://u@b/",
        "http://b?x",
        "http://b:x/",
        "http://[::1/",
        "https://b,c/",
        "http://b\\c/",
    ] {
        assert_eq!(fails(&with(&format!("GET {target} HTTP/1.1"), "")), RequestError::BadAbsoluteTarget, "{target}");
    }
    for target in ["ftp://b/", "http:/b", "http", "//", "file:///etc"] {
        let verdict = parse(&with(&format!("GET {target} HTTP/1.1"), "")).map(|head| head.form);
        assert_eq!(
            verdict,
            if target == "//" { Ok(TargetForm::Origin) } else { Err(RequestError::BadTarget) },
            "{target}"
        );
    }
}

#[test]
fn host_stands_once_and_is_valid() {
    assert_eq!(fails("GET / HTTP/1.1\r\n\r\n"), RequestError::HostMissing);
    assert_eq!(fails("GET http://a/ HTTP/1.1\r\n\r\n"), RequestError::HostMissing);
    assert_eq!(fails("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"), RequestError::HostInvalid);
    assert_eq!(fails(&with("GET / HTTP/1.1", "host: a\r\n")), RequestError::HostRepeated);
    assert_eq!(fails(&with("GET / HTTP/1.0", "host: a\r\n")), RequestError::HostRepeated);
    for host in ["", "a b", "a,b", "a/b", "u@a", "a:b", "[::1"] {
        assert_eq!(fails(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), RequestError::HostInvalid, "{host}");
    }
    assert_eq!(parse("GET / HTTP/1.0\r\n\r\n").map(|head| head.authority), Ok(None));
}

#[test]
fn a_connection_is_kept_by_version_and_option() {
    for (version, field, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, Close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Proxy-Connection: close\r\n", true),
    ] {
        let head = parse(&with(&format!("GET / HTTP/{version}"), field)).expect(field);
        assert_eq!(head.keep_alive, kept, "{version} {field}");
    }
}

#[test]
fn framing_has_one_reading() {
    assert_eq!(get("").framing, Framing::None);
    assert_eq!(get("Transfer-Encoding: Chunked\r\n").framing, Framing::Chunked);
    for (fields, error) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", FramingError::LengthAndCoding),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", FramingError::LengthRepeated),
        ("Content-Length: +5\r\n", FramingError::LengthInvalid),
        ("Transfer-Encoding: gzip, chunked\r\n", FramingError::CodingUnsupported),
    ] {
        let refused = fails(&with("POST / HTTP/1.1", fields));
        assert_eq!((refused, refused.refusal()), (RequestError::Framing(error), Refusal::BadRequest), "{fields}");
    }
    let old = with("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n");
    assert_eq!(fails(&old), RequestError::Framing(FramingError::CodingInHttp10));
}

#[test]
fn a_client_waits_for_100_only_with_a_body() {
    let expects = "Expect: 100-Continue\r\nContent-Length: 1\r\n";
    assert!(get(expects).expect_continue);
    assert!(!get("Expect: 100-continue\r\n").expect_continue);
    assert!(!parse(&with("POST / HTTP/1.0", expects)).expect("valid").expect_continue);
    for bad in [
        "Expect: x\r\n",
        "Expect:\r\n",
        "Expect: 100-continue, x\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
    ] {
        assert_eq!(fails(&with("POST / HTTP/1.1", bad)), RequestError::Expectation, "{bad}");
    }
}

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";

#[test]
fn a_websocket_handshake_is_complete_or_is_none() {
    assert_eq!(get("").upgrade, Upgrade::None);
    assert_eq!(get(HANDSHAKE).upgrade, Upgrade::WebSocket);
    assert_eq!(get(&HANDSHAKE.replace("WebSocket\r", "h2c, websocket\r")).upgrade, Upgrade::WebSocket);
    for (from, to) in [
        ("keep-alive, Upgrade", "keep-alive"),
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Kex"),
        ("AAAAAAAAAAAAAAAAAAAAAA==", ""),
        (": 13", ": 12"),
        (": 13", ": 13, 8"),
        ("Connection", "Content-Length: 1\r\nConnection"),
        ("Connection", "Sec-WebSocket-Key: x\r\nConnection"),
    ] {
        assert_eq!(get(&HANDSHAKE.replacen(from, to, 1)).upgrade, Upgrade::Other, "{from} -> {to}");
    }
    let version = |line: &str| parse(&with(line, HANDSHAKE)).map(|head| head.upgrade);
    assert_eq!(version("GET / HTTP/1.0"), Ok(Upgrade::Other));
    assert_eq!(version("POST / HTTP/1.1"), Ok(Upgrade::Other));
}

#[test]
fn event_streams_are_asked_for_by_accept() {
    for (accept, asked) in [
        ("text/event-stream", true),
        ("text/html, Text/Event-Stream;q=0.5", true),
        ("text/event-stream;q=0", false),
        ("text/event-stream; q=0.00", false),
        ("text/event-streams", false),
        ("*/*", false),
    ] {
        assert_eq!(get(&format!("Accept: {accept}\r\n")).accepts_event_stream, asked, "{accept}");
    }
}

#[test]
fn an_h2c_upgrade_is_all_hop_by_hop() {
    let head = get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n");
    assert_eq!(head.upgrade, Upgrade::Other);
    assert!(head.fields.iter().all(|field| field.hop || field.known == Known::Host));
}

#[test]
fn limits_hold_for_unfinished_heads() {
    let limits = Limits { request_line: 20, header_field: 10, header_count: 2 };
    let refusal = |text: &str| {
        let verdict = parse_request(text.as_bytes(), &limits, &mut RequestHead::new());
        verdict.map_err(|error| error.refusal().status())
    };
    assert_eq!(refusal("GET /123456 HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Parsed::Complete));
    assert_eq!(refusal("GET /1234567 HTTP/1.1\r\nHost: a\r\n\r\n"), Err(414));
    assert_eq!(refusal("GET /12345678901234567890"), Err(414));
    assert_eq!(refusal("GET /123456 HTTP/1.1\r\nHost: a\r\nabcdefghijk"), Err(431));
    assert_eq!(refusal("GET /123456 HTTP/1.1\r\nHost: a\r\na:b\r\nc"), Err(431));
}

#[test]
fn field_faults_are_400_and_excess_is_431() {
    assert_eq!(fails(&with("GET / HTTP/1.1", "a : b\r\n")), RequestError::Field(FieldError::SpaceBeforeColon));
    assert_eq!(RequestError::Field(FieldError::ObsFold).refusal(), Refusal::BadRequest);
    for error in [FieldError::TooLong, FieldError::TooMany, FieldError::HeadTooLong] {
        assert_eq!(RequestError::Field(error).refusal(), Refusal::HeaderTooLarge);
    }
}
