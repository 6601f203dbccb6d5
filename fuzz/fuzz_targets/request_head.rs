//! Request heads: no panic, offsets in order and in bounds, a prefix never says more than the
//! whole, going on finds what beginning anew finds, and accepted framing has one reading.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::{Framing, Known, Limits, Parsed, RequestHead, parse_request, resume_request};

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (cut, tight, buf) = input;
    let tight_limits = Limits { request_line: 64, header_field: 48, header_count: 6 };
    let limits = if tight { tight_limits } else { Limits::default() };
    let mut head = RequestHead::new();
    let verdict = parse_request(buf, &limits, &mut head);
    let prefix = &buf[..usize::from(cut).min(buf.len())];
    let mut pieces = RequestHead::new();
    match parse_request(prefix, &limits, &mut pieces) {
        Ok(Parsed::Partial) => {
            assert_eq!(resume_request(buf, &limits, &mut pieces), verdict);
            if verdict == Ok(Parsed::Complete) {
                assert!(prefix.len() < head.len);
                assert_eq!(format!("{pieces:?}"), format!("{head:?}"));
            }
        }
        Ok(Parsed::Complete) => assert_eq!((verdict, pieces.len), (Ok(Parsed::Complete), head.len)),
        Err(_) => assert!(verdict.is_err()),
    }
    match verdict {
        Ok(Parsed::Complete) => {}
        Ok(Parsed::Partial) => return assert!(buf.len() <= limits.max_head()),
        Err(error) => return assert!(error.refusal().status() >= 400),
    }
    assert!(head.len <= buf.len() && head.len <= limits.max_head());
    assert_ne!(head.framing, Framing::UntilClose);
    assert!(head.fields.as_slice().len() <= limits.header_count);
    let mut end = head.target.end;
    for field in &head.fields {
        assert!(end <= field.line.start && field.line.start == field.name.start);
        assert!(field.name.end < field.value.start || field.value.is_empty());
        assert!(field.value.end as usize + 2 <= field.line.end as usize);
        assert!(field.line.of(buf).ends_with(b"\r\n") && field.line.len() - 2 <= limits.header_field);
        end = field.line.end;
    }
    let count = |known| head.fields.iter().filter(|field| field.known == known).count();
    assert!(count(Known::Host) <= 1 && count(Known::ContentLength) + count(Known::TransferEncoding) <= 1);
    // What is forwarded is accepted again, with the same body behind it.
    let mut copy = head.method_name.of(buf).to_vec();
    copy.push(b' ');
    copy.extend_from_slice(head.origin_path(buf));
    copy.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    copy.extend_from_slice(head.authority.map_or(b"a", |authority| authority.of(buf)));
    copy.extend_from_slice(b"\r\n");
    let keep = |known| matches!(known, Known::TransferEncoding);
    head.fields.copy_to(buf, &mut copy, |field| field.known != Known::Host && (!field.hop || keep(field.known)));
    copy.extend_from_slice(b"\r\n");
    let roomy = Limits { request_line: 9000, header_field: 9000, header_count: limits.header_count + 1 };
    let mut again = RequestHead::new();
    assert_eq!(parse_request(&copy, &roomy, &mut again), Ok(Parsed::Complete), "{}", copy.escape_ascii());
    assert_eq!((again.framing, again.method, again.len), (head.framing, head.method, copy.len()));
});
