//! The wire: HTTP/1.1 heads and body framing, no sockets.
//!
//! Everything works in place: a parser is given the caller's buffer and answers with offsets
//! ([`Span`]) into it, a scanner is given bytes as they pass and keeps counters only. Tables are
//! reused, so that no message allocates once a table has grown to its usual size.
//!
//! The rule behind every choice is *one interpretation of a message or none*: what another
//! implementation might read differently (two lengths, a bare line feed, a folded line) is
//! refused here, in requests and in answers alike. Where that is stricter than RFC 9112 or than
//! other parsers, `DIFFERENCES.md` beside this crate says so.
//!
//! - [`parse_request`], [`parse_response`]: heads, limits, framing, what is hop-by-hop.
//! - [`BodyScanner`]: where a body ends, and what of it is payload.
//! - [`ws::FrameScanner`], [`sse::EventScanner`]: where a stream may be ended politely.
//! - [`path::normalise`]: the path that routing looks at.
//!
//! # Forwarding a head
//! Copy the lines whose [`Field::hop`] is false with [`Fields::copy_to`], and write anew what is
//! said for one connection only: `Connection`; `Transfer-Encoding: chunked` if, and only if, the
//! framing is [`Framing::Chunked`] and the body goes on in chunks; `Host` where the target was
//! absolute; `Upgrade` and `Connection` for [`Upgrade::WebSocket`]. The bytes of a body that its
//! scanner accepted may be sent on as they are.

#![forbid(unsafe_code)]

pub mod body;
pub mod fields;
pub mod framing;
pub mod limits;
pub mod method;
pub mod path;
pub mod request;
pub mod response;
pub mod sse;
pub mod ws;

mod authority;
mod list;
mod scan;
mod span;

pub use body::{BodyError, BodyScanner, Scanned};
pub use fields::{Field, FieldError, Fields, Known};
pub use framing::{Framing, FramingError};
pub use limits::Limits;
pub use method::Method;
pub use request::{Refusal, RequestError, RequestHead, TargetForm, Upgrade, parse_request, resume_request};
pub use response::{ResponseError, ResponseHead, parse_response, resume_response};
pub use span::Span;

/// The protocol version of a message. Others are refused: `1.2` does not exist and `2.0` is
/// another protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, connections close unless `keep-alive` is said.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// Whether a parser saw the whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The blank line has not come yet; nothing in the bytes so far is wrong. Read more.
    Partial,
    /// The head is complete and valid.
    Complete,
}
