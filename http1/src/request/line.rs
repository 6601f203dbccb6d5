//! The request line (RFC 9112 §3): `method SP target SP version CRLF`, single spaces.

use super::{RequestError, RequestHead, target};
use crate::{Limits, Method, Span, Version, scan};

/// Longest method. The longest registered one has 17 bytes.
const METHOD: usize = 64;
/// Bytes of `HTTP/x.y`.
const VERSION: usize = 8;

/// Reads the request line at `start` and answers with the offset behind its CRLF.
pub(super) fn parse(
    buf: &[u8],
    start: usize,
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<Option<usize>, RequestError> {
    let line = buf.get(start..).unwrap_or_default();
    let partial = |seen: usize| if seen > limits.request_line { Err(RequestError::LineTooLong) } else { Ok(None) };

    let method_end = scan::token_end(line, 0);
    if method_end > METHOD {
        return Err(RequestError::MethodTooLong);
    }
    match line.get(method_end) {
        None => return partial(line.len()),
        Some(b' ') if method_end > 0 => {}
        Some(_) => return Err(RequestError::BadMethod),
    }

    let target_start = method_end + 1;
    let target_end = scan::target_end(line, target_start);
    match line.get(target_end) {
        None => return partial(line.len()),
        Some(_) if target_end > limits.request_line => return Err(RequestError::LineTooLong),
        Some(b' ') if target_end > target_start => {}
        Some(b'\n') => return Err(RequestError::BareLf),
        Some(b'\r') => return Err(RequestError::BadVersion),
        Some(_) => return Err(RequestError::BadTarget),
    }

    let version_start = target_end + 1;
    let tail = line.get(version_start..).unwrap_or_default();
    let version = parse_version(tail)?;
    if version_start + tail.len().min(VERSION) > limits.request_line {
        return Err(RequestError::LineTooLong);
    }
    let Some(version) = version else { return Ok(None) };

    head.version = version;
    head.method = Method::of_name(&line[..method_end]);
    head.method_name = Span::new(start, start + method_end);
    head.target = Span::new(start + target_start, start + target_end);
    target::settle(buf, head)?;
    Ok(Some(start + version_start + VERSION + 2))
}

/// `HTTP/1.0` or `HTTP/1.1` and CRLF; `None` while it may still become that.
fn parse_version(tail: &[u8]) -> Result<Option<Version>, RequestError> {
    if tail.starts_with(b"HTTP/1.1\r\n") {
        return Ok(Some(Version::Http11));
    }
    for (at, &byte) in tail.iter().take(VERSION + 2).enumerate() {
        match (at, byte) {
            (0..5, _) if byte == b"HTTP/"[at] => {}
            (5 | 7, b'0'..=b'9') | (6, b'.') | (8, b'\r') | (9, b'\n') => {}
            (8, b'\n') => return Err(RequestError::BareLf),
            (9, _) => return Err(RequestError::BareCr),
            _ => return Err(RequestError::BadVersion),
        }
    }
    match tail.get(..VERSION + 2) {
        None => Ok(None),
        Some(b"HTTP/1.0\r\n") => Ok(Some(Version::Http10)),
        Some(_) => Err(RequestError::UnsupportedVersion),
    }
}
