//! Response heads: no panic, offsets in order and in bounds, a prefix never says more than the
//! whole, and going on finds what beginning anew finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::{Framing, Limits, Method, Parsed, ResponseHead, parse_response, resume_response};

fuzz_target!(|input: (u16, bool, bool, &[u8])| {
    let (cut, tight, is_head, buf) = input;
    let tight_limits = Limits { request_line: 32, header_field: 48, header_count: 6 };
    let limits = if tight { tight_limits } else { Limits::default() };
    let method = if is_head { Method::Head } else { Method::Get };
    let mut head = ResponseHead::new();
    let verdict = parse_response(buf, method, &limits, &mut head);
    let prefix = &buf[..usize::from(cut).min(buf.len())];
    let mut pieces = ResponseHead::new();
    match parse_response(prefix, method, &limits, &mut pieces) {
        Ok(Parsed::Partial) => {
            assert_eq!(resume_response(buf, method, &limits, &mut pieces), verdict);
            if verdict == Ok(Parsed::Complete) {
                assert_eq!(format!("{pieces:?}"), format!("{head:?}"));
            }
        }
        Ok(Parsed::Complete) => assert_eq!((verdict, pieces.len), (Ok(Parsed::Complete), head.len)),
        Err(_) => assert!(verdict.is_err()),
    }
    if verdict != Ok(Parsed::Complete) {
        return;
    }
    assert!(head.len <= buf.len() && head.len <= limits.max_head());
    assert!((100..=999).contains(&head.status));
    assert!(!is_head || head.framing == Framing::None);
    assert!(head.framing != Framing::UntilClose || !head.keep_alive);
    let mut end = head.reason.end;
    for field in &head.fields {
        assert!(end <= field.line.start && field.value.end + 2 <= field.line.end);
        assert!(field.line.of(buf).ends_with(b"\r\n"));
        end = field.line.end;
    }
});
