//! Response heads: one test a rule.

#![allow(clippy::panic, reason = "a test that panics has failed")]

use super::*;
use crate::{FieldError, FramingError};

fn parse_for(method: Method, text: &str) -> Result<ResponseHead, ResponseError> {
    let mut head = ResponseHead::new();
    match parse_response(text.as_bytes(), method, &Limits::default(), &mut head)? {
        Parsed::Complete => Ok(head),
        Parsed::Partial => panic!("partial: {text:?}"),
    }
}

fn parse(text: &str) -> Result<ResponseHead, ResponseError> {
    parse_for(Method::Get, text)
}

fn fails(text: &str) -> ResponseError {
    parse(text).expect_err(text)
}

#[test]
fn an_answer_is_read_in_place() {
    let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nabc";
    let head = parse(text).expect("valid");
    assert_eq!((head.status, head.reason.of(text.as_bytes())), (404, b"Not Found".as_slice()));
    assert_eq!((head.version, head.framing), (Version::Http11, Framing::Length(3)));
    assert!(head.keep_alive && !head.event_stream && !head.is_interim());
    assert_eq!(&text[head.len..], "abc");
}

#[test]
fn a_reason_may_be_empty_or_missing() {
    for text in ["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n"] {
        let head = parse(text).expect(text);
        assert!(head.reason.is_empty() && head.len == text.len());
    }
    assert_eq!(fails("HTTP/1.1 200 a\0\r\n\r\n"), ResponseError::BadReason);
    assert_eq!(fails("HTTP/1.1 200\ta\r\n\r\n"), ResponseError::BadReason);
}

#[test]
fn a_status_is_a_number_from_100_to_999() {
    assert_eq!(parse("HTTP/1.1 999 x\r\n\r\n").map(|head| head.status), Ok(999));
    for bad in ["099", "000", "20", "2 0", "2000", "-20", "20x", "+20", " 200"] {
        assert_eq!(fails(&format!("HTTP/1.1 {bad} x\r\n\r\n")), ResponseError::BadStatus, "{bad}");
    }
}

#[test]
fn a_status_line_begins_with_a_known_version() {
    for bad in ["HTTP/1.2 200 x\r\n", "HTTP/2.0 200 x\r\n", "HTTP/0.9 200 x\r\n"] {
        assert_eq!(fails(bad), ResponseError::UnsupportedVersion, "{bad}");
    }
    for bad in [
        "http/1.1 200\r\n",
        " HTTP/1.1 200\r\n",
        "\r\nHTTP/1.1",
        "ICY 200 OK\r\n",
        "HTTP/1.1  200\r\n",
        "HTTP/1.1\t200",
        "<html>",
        "HTTP/11 2",
    ] {
        assert!(matches!(fails(bad), ResponseError::BadVersion | ResponseError::BadStatus), "{bad}");
    }
}

#[test]
fn lines_end_with_crlf() {
    assert_eq!(fails("HTTP/1.1 200 OK\n\r\n"), ResponseError::BareLf);
    assert_eq!(fails("HTTP/1.1 200\n\r\n"), ResponseError::BareLf);
    assert_eq!(fails("HTTP/1.1 200 OK\rx\r\n"), ResponseError::BareCr);
    assert_eq!(fails("HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n"), ResponseError::Field(FieldError::BareLf));
    assert_eq!(fails("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n"), ResponseError::Field(FieldError::ObsFold));
}

#[test]
fn framing_follows_rfc_9112_6_3() {
    for (method, status, fields, framing) in [
        (Method::Get, 200, "", Framing::UntilClose),
        (Method::Get, 200, "Content-Length: 0\r\n", Framing::Length(0)),
        (Method::Get, 500, "Transfer-Encoding: chunked\r\n", Framing::Chunked),
        (Method::Head, 200, "Content-Length: 5\r\n", Framing::None),
        (Method::Head, 200, "Transfer-Encoding: chunked\r\n", Framing::None),
        (Method::Get, 100, "", Framing::None),
        (Method::Get, 101, "", Framing::None),
        (Method::Get, 204, "", Framing::None),
        (Method::Get, 304, "Content-Length: 5\r\n", Framing::None),
        (Method::Connect, 200, "", Framing::None),
        (Method::Connect, 400, "Content-Length: 5\r\n", Framing::Length(5)),
    ] {
        let head = parse_for(method, &format!("HTTP/1.1 {status} x\r\n{fields}\r\n")).expect(fields);
        assert_eq!(head.framing, framing, "{method:?} {status} {fields}");
        assert_eq!(head.keep_alive, framing != Framing::UntilClose);
    }
}

#[test]
fn framing_has_one_reading_even_where_there_is_no_body() {
    for status in ["200", "204", "304"] {
        for (fields, error) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", FramingError::LengthAndCoding),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", FramingError::LengthRepeated),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", FramingError::LengthRepeated),
            ("Content-Length: 5, 5\r\n", FramingError::LengthRepeated),
            ("Transfer-Encoding: identity\r\n", FramingError::CodingUnsupported),
        ] {
            assert_eq!(fails(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n")), ResponseError::Framing(error));
        }
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(fails(old), ResponseError::Framing(FramingError::CodingInHttp10));
}

#[test]
fn a_length_is_not_forwarded_where_it_must_not_stand() {
    let hop = |status: u16| {
        let head = parse(&format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")).expect("valid");
        head.fields.as_slice()[0].hop
    };
    assert!(hop(204) && hop(103) && !hop(304) && !hop(200));
}

#[test]
fn http_1_0_answers_close_unless_they_say_keep_alive() {
    let kept = |text: &str| parse(text).expect(text).keep_alive;
    assert!(!kept("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(kept("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!kept("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"));
}

#[test]
fn an_event_stream_is_known_by_its_type() {
    let streams =
        |value: &str| parse(&format!("HTTP/1.1 200 OK\r\nContent-Type: {value}\r\n\r\n")).expect(value).event_stream;
    assert!(streams("text/event-stream") && streams("Text/Event-Stream ; charset=utf-8"));
    assert!(!streams("text/event-stream2") && !streams("text/plain; text/event-stream"));
}

#[test]
fn interim_answers_are_told_apart() {
    let interim = |status: u16| parse(&format!("HTTP/1.1 {status} x\r\n\r\n")).expect("valid").is_interim();
    assert!(interim(100) && interim(103) && !interim(101) && !interim(200));
}
