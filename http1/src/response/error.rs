//! Why an answer is refused.

use crate::{FieldError, FramingError};

/// Why a response head is refused. Every error is the backend's, and final for the connection;
/// the client gets 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The answer does not begin with `HTTP/x.y` and one space.
    #[error("the status line does not begin with a protocol version and one space")]
    BadVersion,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("the protocol version is not HTTP/1.0 or HTTP/1.1")]
    UnsupportedVersion,
    /// Not three digits, or below 100.
    #[error("the status code is not a number from 100 to 999")]
    BadStatus,
    /// A control character in the reason phrase, or no space before it.
    #[error("the reason phrase is invalid")]
    BadReason,
    /// CR that no LF follows, in the status line.
    #[error("a carriage return without line feed in the status line")]
    BareCr,
    /// LF that no CR precedes, in the status line.
    #[error("a line feed without carriage return in the status line")]
    BareLf,
    /// A status line longer than [`Limits::request_line`](crate::Limits::request_line).
    #[error("the status line is longer than allowed")]
    LineTooLong,
    /// `Connection` names more fields than any honest backend.
    #[error("Connection has more than 64 options")]
    ConnectionOptions,
    /// A faulty field line.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Framing without exactly one reading.
    #[error(transparent)]
    Framing(#[from] FramingError),
}
