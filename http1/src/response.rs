//! Response heads (RFC 9112 §4, §5, §6).

mod error;
mod line;

pub use error::ResponseError;

use crate::framing::Declared;
use crate::{Fields, Framing, Known, Limits, Method, Parsed, Span, Version, fields, list};

/// A parsed response head: offsets into the buffer it was parsed from, and what they mean. Made
/// once and reused.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The status code, 100..=999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// The version.
    pub version: Version,
    /// The fields in order. `Content-Length` in a 1xx or 204 answer is marked as not to be
    /// forwarded: it must not stand there (RFC 9110 §8.6).
    pub fields: Fields,
    /// How the body is delimited, the request's method considered (RFC 9112 §6.3). A 101 answer
    /// has [`Framing::None`]; what follows it is not HTTP.
    pub framing: Framing,
    /// Whether the connection may be used again once the body is done.
    pub keep_alive: bool,
    /// Whether `Content-Type` is `text/event-stream`.
    pub event_stream: bool,
    /// Bytes of the head, blank line included; the body begins here.
    pub len: usize,
    progress: Progress,
}

/// How far parsing has come, for [`resume_response`].
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    at: usize,
    line_done: bool,
}

impl ResponseHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the message and keeps the memory of the table.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Whether this is an interim answer (1xx other than 101), behind which another head follows.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Parses the response head at the start of `buf`, which may hold more bytes behind it.
///
/// `request_method` is that of the request answered: it decides whether there is a body. Calling
/// again after [`Parsed::Partial`] and the meaning of `head` are as in
/// [`parse_request`](crate::parse_request). `limits.request_line` bounds the status line.
pub fn parse_response(
    buf: &[u8],
    request_method: Method,
    limits: &Limits,
    head: &mut ResponseHead,
) -> Result<Parsed, ResponseError> {
    head.clear();
    resume_response(buf, request_method, limits, head)
}

/// Goes on where [`parse_response`] said [`Parsed::Partial`], under the conditions of
/// [`resume_request`](crate::resume_request).
pub fn resume_response(
    buf: &[u8],
    request_method: Method,
    limits: &Limits,
    head: &mut ResponseHead,
) -> Result<Parsed, ResponseError> {
    if !head.progress.line_done {
        let Some(end) = line::parse(buf, limits, head)? else { return Ok(Parsed::Partial) };
        head.progress = Progress { at: end, line_done: true };
    }
    let Some(end) = fields::parse_fields(buf, &mut head.progress.at, limits, &mut head.fields)? else {
        return Ok(Parsed::Partial);
    };
    head.len = end;
    settle(buf, request_method, head)?;
    Ok(Parsed::Complete)
}

/// Judges the fields of a complete head and fills in what they mean.
///
/// Faulty framing fields are refused even where no body can follow: the client behind us might
/// look at them.
fn settle(buf: &[u8], request_method: Method, head: &mut ResponseHead) -> Result<(), ResponseError> {
    let options = fields::apply_connection(&mut head.fields, buf).map_err(|_| ResponseError::ConnectionOptions)?;
    let mut declared = Declared::default();
    for field in &head.fields {
        match field.known {
            Known::ContentLength | Known::TransferEncoding => declared.add(field.known, field.value.of(buf))?,
            Known::ContentType => {
                let (media_type, _) = list::media_type(field.value.of(buf));
                head.event_stream |= media_type.eq_ignore_ascii_case(b"text/event-stream");
            }
            _ => {}
        }
    }
    let framing = declared.framing(head.version, Framing::UntilClose)?;
    let lengthless = matches!(head.status, 100..200 | 204);
    let tunnel = request_method == Method::Connect && matches!(head.status, 200..300);
    let bodiless = lengthless || tunnel || head.status == 304 || request_method.is_head();
    head.framing = if bodiless { Framing::None } else { framing };
    head.keep_alive = options.persistent(head.version) && head.framing != Framing::UntilClose;
    if lengthless && head.fields.has(Known::ContentLength) {
        for field in head.fields.as_mut_slice() {
            field.hop |= field.known == Known::ContentLength;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
