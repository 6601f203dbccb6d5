//! Bodies: no panic, any split gives the same result, and what is done reads the same again
//! behind an independent chunk reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::{BodyError, BodyScanner, Framing};

struct Outcome {
    consumed: usize,
    data: Vec<u8>,
    end: Result<bool, BodyError>,
}

fn run(framing: Framing, bytes: &[u8], mut cuts: impl Iterator<Item = usize>) -> Outcome {
    let mut scanner = BodyScanner::new(framing);
    let mut outcome = Outcome { consumed: 0, data: Vec::new(), end: Ok(scanner.is_done()) };
    let mut rest = bytes;
    while !rest.is_empty() && outcome.end == Ok(false) {
        let (piece, tail) = rest.split_at(cuts.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        rest = tail;
        match scanner.scan_data(piece, |range| outcome.data.extend_from_slice(&piece[range])) {
            Ok(scanned) => {
                assert!(scanned.consumed == piece.len() || scanned.done);
                outcome.consumed += scanned.consumed;
                outcome.end = Ok(scanned.done);
            }
            Err(error) => outcome.end = Err(error),
        }
    }
    if outcome.end.is_ok() {
        assert_eq!(scanner.payload(), outcome.data.len() as u64);
    }
    outcome
}

/// A chunk reader that shares nothing with the scanner; only for bodies known to be done.
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a size line");
        let digits = bytes[..line].split(|&byte| byte == b';').next().expect("never empty");
        let size = usize::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("a size");
        bytes = &bytes[line + 2..];
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
    }
}

fuzz_target!(|input: (u8, Vec<u8>, &[u8])| {
    let (kind, cuts, bytes) = input;
    let framing = match kind % 8 {
        0 => Framing::Length(u64::from(kind)),
        1 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = run(framing, bytes, std::iter::empty());
    let split = run(framing, bytes, cuts.iter().map(|&cut| usize::from(cut)));
    let single = run(framing, bytes, std::iter::repeat(1));
    for other in [&split, &single] {
        assert_eq!(other.end, whole.end);
        assert_eq!(other.data, whole.data);
        assert!(whole.end.is_err() || other.consumed == whole.consumed);
    }
    if framing == Framing::Chunked && whole.end == Ok(true) {
        assert_eq!(dechunk(&bytes[..whole.consumed]), whole.data);
    }
});
