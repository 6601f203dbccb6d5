//! What we accept, httparse accepts, with the same parts; and so for chunk sizes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::{
    BodyScanner, Fields, Framing, Limits, Method, Parsed, RequestHead, ResponseHead, parse_request, parse_response,
};

fuzz_target!(|buf: &[u8]| {
    let limits = Limits::default();
    let mut storage = [httparse::EMPTY_HEADER; 100];
    let mut head = RequestHead::new();
    if parse_request(buf, &limits, &mut head) == Ok(Parsed::Complete) {
        let mut theirs = httparse::Request::new(&mut storage);
        assert_eq!(theirs.parse(buf), Ok(httparse::Status::Complete(head.len)));
        assert_eq!(theirs.method.map(str::as_bytes), Some(head.method_name.of(buf)));
        assert_eq!(theirs.path.map(str::as_bytes), Some(head.target.of(buf)));
        assert_eq!(theirs.version, Some(head.version as u8));
        compare(&head.fields, buf, theirs.headers);
        return;
    }
    let mut head = ResponseHead::new();
    if parse_response(buf, Method::Get, &limits, &mut head) == Ok(Parsed::Complete) {
        let mut theirs = httparse::Response::new(&mut storage);
        assert_eq!(theirs.parse(buf), Ok(httparse::Status::Complete(head.len)));
        assert_eq!(theirs.code, Some(head.status));
        assert_eq!(theirs.version, Some(head.version as u8));
        compare(&head.fields, buf, theirs.headers);
        return;
    }
    let Some(line) = buf.windows(2).position(|pair| pair == b"\r\n") else { return };
    let mut scanner = BodyScanner::new(Framing::Chunked);
    if scanner.scan(&buf[..line + 2]).is_ok() {
        let theirs = httparse::parse_chunk_size(buf);
        assert!(matches!(theirs, Ok(httparse::Status::Complete((end, _))) if end == line + 2), "{theirs:?}");
    }
});

fn compare(ours: &Fields, buf: &[u8], theirs: &[httparse::Header<'_>]) {
    let ours: Vec<_> = ours.iter().map(|field| (field.name.of(buf), field.value.of(buf))).collect();
    let theirs: Vec<_> = theirs.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
    assert_eq!(ours, theirs);
}
