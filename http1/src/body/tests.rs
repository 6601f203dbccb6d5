//! Bodies: ends, rules of chunk framing, and that no split of the bytes matters.

use super::*;
use proptest::prelude::*;

/// What a scanner makes of `bytes` given in pieces of `step`.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    consumed: usize,
    data: Vec<u8>,
    end: Result<bool, BodyError>,
    at_boundary: bool,
    payload: u64,
}

fn run(framing: Framing, bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut scanner = BodyScanner::new(framing);
    let mut outcome = Outcome { consumed: 0, data: Vec::new(), end: Ok(false), at_boundary: false, payload: 0 };
    let mut start = 0;
    for end in cuts.into_iter().chain([bytes.len()]) {
        let piece = &bytes[start..end.clamp(start, bytes.len())];
        start += piece.len();
        match scanner.scan_data(piece, |range| outcome.data.extend_from_slice(&piece[range])) {
            Ok(scanned) => {
                outcome.consumed += scanned.consumed;
                outcome.end = Ok(scanned.done);
                assert_eq!(scanned.done, scanner.is_done());
                if scanned.consumed < piece.len() {
                    assert!(scanned.done, "bytes are left only behind the end");
                }
            }
            Err(error) => {
                assert_eq!(scanner.scan(b"x"), Err(BodyError::RefusedBefore));
                // How much of the last piece was fine is not told.
                outcome = Outcome { consumed: 0, end: Err(error), ..outcome };
                break;
            }
        }
    }
    outcome.at_boundary = scanner.at_boundary();
    outcome.payload = scanner.payload();
    outcome
}

fn chunked(text: &str) -> Outcome {
    run(Framing::Chunked, text.as_bytes(), [])
}

fn error(text: &str) -> Option<BodyError> {
    chunked(text).end.err()
}

#[test]
fn a_scanner_is_at_most_24_bytes() {
    assert!(size_of::<BodyScanner>() <= 24, "{}", size_of::<BodyScanner>());
}

#[test]
fn no_body_takes_no_bytes() {
    for framing in [Framing::None, Framing::Length(0)] {
        let mut scanner = BodyScanner::new(framing);
        assert!(scanner.is_done() && scanner.at_boundary());
        assert_eq!(scanner.scan(b"GET"), Ok(Scanned { consumed: 0, done: true }));
    }
}

#[test]
fn a_length_ends_where_it_says() {
    let outcome = run(Framing::Length(5), b"helloGET", [2]);
    assert_eq!((outcome.consumed, outcome.end, outcome.data.as_slice()), (5, Ok(true), b"hello".as_slice()));
    let short = run(Framing::Length(5), b"hell", []);
    assert_eq!((short.end, short.at_boundary, short.payload), (Ok(false), false, 4));
}

#[test]
fn until_close_takes_everything_and_is_never_done() {
    let outcome = run(Framing::UntilClose, b"0\r\n\r\n", [1]);
    assert_eq!((outcome.consumed, outcome.end, outcome.at_boundary), (5, Ok(false), true));
    assert!(BodyScanner::new(Framing::UntilClose).is_until_close());
    assert!(!BodyScanner::new(Framing::Chunked).is_until_close());
}

#[test]
fn chunks_end_with_the_last_chunk_and_its_trailers() {
    let text = "5\r\nhello\r\nA;x=\"y z\"\r\n 123456789\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\nGET";
    let outcome = chunked(text);
    assert_eq!((outcome.data.as_slice(), outcome.end), (b"hello 123456789".as_slice(), Ok(true)));
    assert_eq!((outcome.consumed, outcome.payload), (text.len() - 3, 15));
}

#[test]
fn between_chunks_is_a_boundary_and_nowhere_else() {
    let body = "5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";
    let boundaries: Vec<_> =
        (0..=body.len()).filter(|&end| run(Framing::Chunked, &body.as_bytes()[..end], []).at_boundary).collect();
    assert_eq!(boundaries, [0, 10, 18, body.len()]);
}

#[test]
fn chunk_sizes_are_hexadecimal_digits_only() {
    for bad in [
        " 5\r\n", "5 \r\n", "5\t\r\n", "+5\r\n", "-5\r\n", "0x5\r\n", "\r\n", ";a\r\n", "g\r\n", "5_\r\n", "5,\r\n",
        "5\0",
    ] {
        assert_eq!(error(bad), Some(BodyError::SizeInvalid), "{bad:?}");
    }
    assert_eq!(chunked("00000a\r\n0123456789\r\n0000\r\n\r\n").end, Ok(true));
}

#[test]
fn chunk_sizes_that_overflow_anywhere_are_refused() {
    assert_eq!(error("7fffffffffffffff\r\n"), None);
    for bad in ["8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n", "00000000000000005\r\n"] {
        assert_eq!(error(bad), Some(BodyError::SizeOverflow), "{bad:?}");
    }
}

#[test]
fn chunk_lines_end_with_crlf() {
    assert_eq!(error("5\nhello\r\n"), Some(BodyError::BareLf));
    assert_eq!(error("5;a\nhello\r\n"), Some(BodyError::BareLf));
    assert_eq!(error("5\rhello"), Some(BodyError::BareCr));
    assert_eq!(error("5;a\rhello"), Some(BodyError::BareCr));
    assert_eq!(error("0\r\n\n"), Some(BodyError::BareLf));
    assert_eq!(error("0\r\n\rX"), Some(BodyError::BareCr));
}

#[test]
fn chunk_data_is_followed_by_crlf() {
    assert_eq!(error("5\r\nhelloo\r\n"), Some(BodyError::DataNotTerminated));
    assert_eq!(error("5\r\nhello\n"), Some(BodyError::DataNotTerminated));
    assert_eq!(error("5\r\nhello\rX"), Some(BodyError::BareCr));
}

#[test]
fn extensions_are_visible_and_short() {
    for bad in ["5;\r\n", "5;a\0", "5;\x7f", "5;\u{e4}"] {
        assert_eq!(error(bad), Some(BodyError::ExtensionInvalid), "{bad:?}");
    }
    assert_eq!(error(&format!("5;{}\r\n", "a".repeat(256))), None);
    assert_eq!(error(&format!("5;{}\r\n", "a".repeat(257))), Some(BodyError::ExtensionTooLong));
}

#[test]
fn a_flood_of_extensions_is_refused() {
    let flood = format!("1;{}\r\nx\r\n", "a".repeat(250));
    assert_eq!(error(&flood.repeat(30)), None);
    assert_eq!(error(&flood.repeat(40)), Some(BodyError::ExtensionTooLong));
    assert_eq!(error(&"1;abcdefghi=\"12\"\r\nx\r\n".repeat(10_000)), None, "small ones may go on for ever");
}

#[test]
fn trailers_are_held_to_the_rules_of_fields() {
    for (bad, expected) in [
        ("a : b\r\n", BodyError::TrailerName),
        (" a: b\r\n", BodyError::TrailerName),
        (": b\r\n", BodyError::TrailerName),
        ("a\r\n", BodyError::TrailerName),
        ("a: b\r\n c\r\n", BodyError::TrailerName),
        ("a: b\0\r\n", BodyError::TrailerValue),
        ("a: b\n", BodyError::BareLf),
        ("a: b\rc", BodyError::BareCr),
    ] {
        assert_eq!(error(&format!("0\r\n{bad}")), Some(expected), "{bad:?}");
    }
}

#[test]
fn trailers_do_not_change_what_the_head_said() {
    for name in ["Transfer-Encoding", "content-length", "HOST", "Connection", "X-Forwarded-For", "Authorization", "te"]
    {
        assert_eq!(error(&format!("0\r\n{name}: 1\r\n\r\n")), Some(BodyError::TrailerForbidden), "{name}");
        assert_eq!(error(&format!("0\r\na: b\r\n{name}: 1\r\n\r\n")), Some(BodyError::TrailerForbidden), "{name}");
        assert_eq!(error(&format!("0\r\nx{name}: 1\r\n\r\n")), None, "{name}");
    }
}

#[test]
fn trailers_are_bounded_together() {
    let line = format!("x: {}\r\n", "y".repeat(1000));
    assert_eq!(error(&format!("0\r\n{}\r\n", line.repeat(8))), None);
    assert_eq!(error(&format!("0\r\n{}\r\n", line.repeat(9))), Some(BodyError::TrailersTooLong));
    assert_eq!(error(&format!("0\r\n{}", "x".repeat(8193))), Some(BodyError::TrailersTooLong));
}

/// Bytes that are often nearly a chunked body.
fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        8 => Just("5\r\nhello\r\n".to_owned()),
        4 => Just("1;a=b\r\nx\r\n".to_owned()),
        4 => Just("0\r\n".to_owned()),
        3 => Just("\r\n".to_owned()),
        3 => Just("A: b\r\n".to_owned()),
        1 => Just("Host: b\r\n".to_owned()),
        1 => Just("f".to_owned()),
        1 => "[\\x00-\\x7f]{1,3}",
    ];
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_of_a_body_gives_the_same_result(
        bytes in nearly_chunked(),
        mut cuts in proptest::collection::vec(0usize..80, 0..8),
        length in 0u64..100,
    ) {
        cuts.sort_unstable();
        for framing in [Framing::Chunked, Framing::Length(length), Framing::UntilClose, Framing::None] {
            let whole = run(framing, &bytes, []);
            prop_assert_eq!(&run(framing, &bytes, cuts.iter().copied()), &whole);
            prop_assert_eq!(&run(framing, &bytes, 0..bytes.len()), &whole);
        }
    }
}
