//! The status line (RFC 9112 §4): `version SP status [SP reason] CRLF`.

use super::{ResponseError, ResponseHead};
use crate::{Limits, Span, Version, scan};

/// Bytes of `HTTP/x.y SP ddd`.
const FIXED: usize = 12;

/// Reads the status line at the start of `buf` and answers with the offset behind its CRLF.
///
/// The space behind the status may be missing when the reason is, as many servers write it.
pub(super) fn parse(buf: &[u8], limits: &Limits, head: &mut ResponseHead) -> Result<Option<usize>, ResponseError> {
    for (at, &byte) in buf.iter().take(FIXED).enumerate() {
        match (at, byte) {
            (0..5, _) if byte == b"HTTP/"[at] => {}
            (5 | 7, b'0'..=b'9') | (6, b'.') | (8, b' ') => {}
            (9, b'1'..=b'9') | (10 | 11, b'0'..=b'9') => {}
            (9.., _) => return Err(ResponseError::BadStatus),
            _ => return Err(ResponseError::BadVersion),
        }
    }
    let Some(fixed) = buf.first_chunk::<FIXED>() else { return Ok(None) };
    let version = match &fixed[5..8] {
        b"1.1" => Version::Http11,
        b"1.0" => Version::Http10,
        _ => return Err(ResponseError::UnsupportedVersion),
    };
    let reason_start = match buf.get(FIXED) {
        None => return Ok(None),
        Some(b' ') => FIXED + 1,
        Some(b'\r' | b'\n') => FIXED,
        Some(b'0'..=b'9') => return Err(ResponseError::BadStatus),
        Some(_) => return Err(ResponseError::BadReason),
    };
    let end = scan::value_end(buf, reason_start);
    if end > limits.request_line {
        return Err(ResponseError::LineTooLong);
    }
    match (buf.get(end), buf.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r'), Some(_)) => return Err(ResponseError::BareCr),
        (Some(b'\r'), None) | (None, _) => return Ok(None),
        (Some(b'\n'), _) => return Err(ResponseError::BareLf),
        (Some(_), _) => return Err(ResponseError::BadReason),
    }
    head.version = version;
    head.status = fixed[9..].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    head.reason = Span::new(reason_start, end);
    Ok(Some(end + 2))
}
