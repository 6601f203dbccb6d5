//! How bytes are cut into reads never matters: a head is partial until it is complete, and a
//! parser that goes on finds what one that begins anew finds.

use crate::{corpus, inputs};
use proptest::prelude::*;
use speedmimi_http1::{
    Limits, Method, Parsed, RequestHead, ResponseHead, parse_request, parse_response, resume_request, resume_response,
};
use std::fmt::Debug;

#[test]
fn the_corpus_is_read_alike_however_it_is_split() {
    for entry in corpus::requests() {
        check_request(&entry.bytes, 1);
    }
    for entry in corpus::responses() {
        check_response(&entry.bytes, 1);
    }
}

proptest! {
    #[test]
    fn generated_requests_are_read_alike_however_they_are_split(bytes in inputs::request_head(), step in 1usize..9) {
        check_request(&bytes, step);
    }

    #[test]
    fn generated_answers_are_read_alike_however_they_are_split(bytes in inputs::response_head(), step in 1usize..9) {
        check_response(&bytes, step);
    }
}

fn check_request(bytes: &[u8], step: usize) {
    let limits = Limits::default();
    check(
        bytes,
        step,
        RequestHead::new,
        |buf, head| parse_request(buf, &limits, head),
        |buf, head| resume_request(buf, &limits, head),
    );
}

fn check_response(bytes: &[u8], step: usize) {
    let limits = Limits::default();
    check(
        bytes,
        step,
        ResponseHead::new,
        |buf, head| parse_response(buf, Method::Get, &limits, head),
        |buf, head| resume_response(buf, Method::Get, &limits, head),
    );
}

fn check<H: Debug, E: Debug + PartialEq>(
    bytes: &[u8],
    step: usize,
    new: impl Fn() -> H,
    parse: impl Fn(&[u8], &mut H) -> Result<Parsed, E>,
    resume: impl Fn(&[u8], &mut H) -> Result<Parsed, E>,
) {
    let mut whole = new();
    let verdict = parse(bytes, &mut whole);
    let mut resumed = new();
    let mut ended = false;
    // A long corpus entry would make this quadratic without showing more.
    let ends = (0..=bytes.len()).step_by(step.max(bytes.len() / 2000)).chain([bytes.len()]);
    for end in ends {
        let mut anew = new();
        let by_prefix = parse(&bytes[..end], &mut anew);
        if !ended {
            let by_resuming = resume(&bytes[..end], &mut resumed);
            assert_eq!(by_resuming, by_prefix, "{} at {end}", bytes.escape_ascii());
            ended = by_prefix != Ok(Parsed::Partial);
        }
        match by_prefix {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Complete) => {
                assert_eq!(verdict, Ok(Parsed::Complete), "{} at {end}", bytes.escape_ascii());
                assert_eq!(format!("{anew:?}"), format!("{whole:?}"));
                assert_eq!(format!("{resumed:?}"), format!("{whole:?}"));
            }
            Err(_) => assert!(verdict.is_err(), "{} at {end}", bytes.escape_ascii()),
        }
    }
    assert!(ended || verdict == Ok(Parsed::Partial));
}
