//! Request heads (RFC 9112 §3, §5, §6).

mod error;
mod line;
mod meaning;
mod target;

pub use error::{Refusal, RequestError};
pub use target::TargetForm;

use crate::{Fields, Framing, Limits, Method, Parsed, Span, Version, fields};

/// Empty lines that may precede a request line (RFC 9112 §2.2 asks for at least one; some old
/// clients send one behind a POST).
const EMPTY_LINES: usize = 4;

/// A parsed request head: offsets into the buffer it was parsed from, and what they mean. Made
/// once and reused.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The method's name as received.
    pub method_name: Span,
    /// The request target as received.
    pub target: Span,
    /// Which of the four forms the target has.
    pub form: TargetForm,
    /// `host[:port]` that the request is for: of an absolute target, else the value of `Host`.
    /// `None` only in HTTP/1.0. Where an absolute target and `Host` differ, this is the target's
    /// and the `Host` received must not be forwarded (RFC 9112 §3.2.2).
    pub authority: Option<Span>,
    /// Path and query as they are forwarded in origin form: empty for an absolute target that has
    /// none, `*` for `OPTIONS *`. [`origin_path`](Self::origin_path) fills the empty case.
    pub path: Span,
    /// The version.
    pub version: Version,
    /// The fields in order.
    pub fields: Fields,
    /// How the body is delimited; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body (HTTP/1.1, and only
    /// if there is a body to send).
    pub expect_continue: bool,
    /// The upgrade that the client offers.
    pub upgrade: Upgrade,
    /// Whether `Accept` names `text/event-stream` with a quality above 0.
    pub accepts_event_stream: bool,
    /// Bytes of the head, blank line included; the body begins here.
    pub len: usize,
    progress: Progress,
}

/// What a client asks to change the protocol to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing.
    #[default]
    None,
    /// A complete WebSocket handshake (RFC 6455 §4.1): GET, HTTP/1.1, no body,
    /// `Connection: upgrade`, `Upgrade` names `websocket`, one `Sec-WebSocket-Key` and
    /// `Sec-WebSocket-Version: 13`.
    WebSocket,
    /// Any other offer, or an incomplete one. It is not passed on; the request goes on without.
    Other,
}

/// How far parsing has come, for [`resume_request`].
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    at: usize,
    line_done: bool,
}

impl RequestHead {
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

    /// Path and query to write into an origin-form request line: [`path`](Self::path), and where
    /// that is empty `/`, or `*` for `OPTIONS` (RFC 9112 §3.2.4).
    pub fn origin_path<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        match self.path.of(buf) {
            b"" if self.method == Method::Options => b"*",
            b"" => b"/",
            path => path,
        }
    }
}

/// Parses the request head at the start of `buf`, which may hold more bytes behind it.
///
/// On [`Parsed::Partial`] read more and call again with all bytes, or with
/// [`resume_request`], which does not begin anew. Only after [`Parsed::Complete`] does `head` mean
/// anything. An error is final: answer with its [refusal](RequestError::refusal) and close.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, RequestError> {
    head.clear();
    resume_request(buf, limits, head)
}

/// Goes on where [`parse_request`] said [`Parsed::Partial`]: `buf` must begin with the very bytes
/// of that call, and `limits` must be the same. Lines that are done are not read again, so that a
/// head that comes a byte at a time costs no more than its longest line times its length.
pub fn resume_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, RequestError> {
    if !head.progress.line_done {
        let Some(start) = skip_empty_lines(buf)? else { return Ok(Parsed::Partial) };
        let Some(end) = line::parse(buf, start, limits, head)? else { return Ok(Parsed::Partial) };
        head.progress = Progress { at: end, line_done: true };
    }
    let Some(end) = fields::parse_fields(buf, &mut head.progress.at, limits, &mut head.fields)? else {
        return Ok(Parsed::Partial);
    };
    head.len = end;
    meaning::settle(buf, head)?;
    Ok(Parsed::Complete)
}

/// Offset of the request line; `None` when it may not have begun.
fn skip_empty_lines(buf: &[u8]) -> Result<Option<usize>, RequestError> {
    let mut at = 0;
    loop {
        match buf.get(at..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] if at / 2 == EMPTY_LINES => return Err(RequestError::EmptyLines),
            [b'\r', b'\n', ..] => at += 2,
            [b'\r', ..] => return Err(RequestError::BareCr),
            [b'\n', ..] => return Err(RequestError::BareLf),
            _ => return Ok(Some(at)),
        }
    }
}

#[cfg(test)]
mod tests;
