//! What we accept, httparse accepts, with the same parts.

use crate::{corpus, inputs};
use proptest::prelude::*;
use speedmimi_http1::{Fields, Limits, Method, Parsed, RequestHead, ResponseHead, parse_request, parse_response};

/// As many fields as [`Limits::default`] allows.
const FIELDS: usize = 100;

#[test]
fn httparse_accepts_what_we_accept_of_the_corpus() {
    let requests = corpus::requests().iter().filter(|entry| check_request(&entry.bytes)).count();
    let responses = corpus::responses().iter().filter(|entry| check_response(&entry.bytes)).count();
    assert!(requests >= 20 && responses >= 10, "{requests} and {responses} accepted heads prove little");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn httparse_accepts_the_generated_requests_that_we_accept(bytes in inputs::request_head()) {
        check_request(&bytes);
    }

    #[test]
    fn httparse_accepts_the_generated_answers_that_we_accept(bytes in inputs::response_head()) {
        check_response(&bytes);
    }
}

/// Compares a head if we accept it, and says whether we do.
fn check_request(bytes: &[u8]) -> bool {
    let mut head = RequestHead::new();
    if parse_request(bytes, &Limits::default(), &mut head) != Ok(Parsed::Complete) {
        return false;
    }
    let mut headers = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(head.len)), "{}", bytes.escape_ascii());
    assert_eq!(request.method.map(str::as_bytes), Some(head.method_name.of(bytes)));
    assert_eq!(request.path.map(str::as_bytes), Some(head.target.of(bytes)));
    assert_eq!(request.version, Some(head.version as u8));
    compare(&head.fields, bytes, request.headers);
    true
}

/// Compares a head if we accept it, and says whether we do.
fn check_response(bytes: &[u8]) -> bool {
    let mut head = ResponseHead::new();
    if parse_response(bytes, Method::Get, &Limits::default(), &mut head) != Ok(Parsed::Complete) {
        return false;
    }
    let mut headers = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut headers);
    assert_eq!(response.parse(bytes), Ok(httparse::Status::Complete(head.len)), "{}", bytes.escape_ascii());
    assert_eq!(response.code, Some(head.status));
    // httparse gives a reason that is not ASCII as empty.
    let reason = head.reason.of(bytes);
    assert_eq!(response.reason.map(str::as_bytes), Some(if reason.is_ascii() { reason } else { b"" }));
    assert_eq!(response.version, Some(head.version as u8));
    compare(&head.fields, bytes, response.headers);
    true
}

fn compare(ours: &Fields, bytes: &[u8], theirs: &[httparse::Header<'_>]) {
    let ours: Vec<_> = ours.iter().map(|field| (field.name.of(bytes), field.value.of(bytes))).collect();
    let theirs: Vec<_> = theirs.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
    assert_eq!(ours, theirs, "{}", bytes.escape_ascii());
}
