//! Why a request is refused, and with which status.

use crate::{FieldError, FramingError};

/// Why a request head is refused. Every error is the client's, and final for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More than a few empty lines before the request line.
    #[error("too many empty lines before the request line")]
    EmptyLines,
    /// CR that no LF follows, in or before the request line.
    #[error("a carriage return without line feed in the request line")]
    BareCr,
    /// LF that no CR precedes, in or before the request line.
    #[error("a line feed without carriage return in the request line")]
    BareLf,
    /// The request line does not begin with a method and one space.
    #[error("the method is not a token followed by one space")]
    BadMethod,
    /// A method longer than any in use (RFC 9112 §3).
    #[error("the method is longer than 64 bytes")]
    MethodTooLong,
    /// CONNECT: this is no forward proxy.
    #[error("CONNECT is not served")]
    Connect,
    /// A request line longer than [`Limits::request_line`](crate::Limits::request_line).
    #[error("the request line is longer than allowed")]
    LineTooLong,
    /// A target with bytes that none has, or of a form that its method does not have.
    #[error("the request target is invalid")]
    BadTarget,
    /// An absolute target that is not `http://` or `https://`, or whose authority is invalid.
    #[error("the absolute request target is invalid")]
    BadAbsoluteTarget,
    /// No `HTTP/x.y` right behind one space behind the target, or something behind it.
    #[error("the request line does not end with a protocol version")]
    BadVersion,
    /// A version other than HTTP/1.0 and HTTP/1.1, the HTTP/2 preface included.
    #[error("the protocol version is not HTTP/1.0 or HTTP/1.1")]
    UnsupportedVersion,
    /// HTTP/1.1 without `Host`.
    #[error("Host is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("Host is given more than once")]
    HostRepeated,
    /// A `Host` that is not `name[:port]` or `[IPv6][:port]`.
    #[error("Host is not a host with an optional port")]
    HostInvalid,
    /// `Connection` names more fields than any honest client.
    #[error("Connection has more than 64 options")]
    ConnectionOptions,
    /// An expectation other than `100-continue`, or that and another.
    #[error("Expect is not exactly `100-continue`")]
    Expectation,
    /// A faulty field line.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Framing without exactly one reading.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// The status that a refused request is answered with; the connection closes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400
    BadRequest,
    /// 414
    UriTooLong,
    /// 431
    HeaderTooLarge,
    /// 405
    MethodNotAllowed,
    /// 501
    NotImplemented,
    /// 505
    VersionNotSupported,
}

impl Refusal {
    /// The status code.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::UriTooLong => 414,
            Self::HeaderTooLarge => 431,
            Self::MethodNotAllowed => 405,
            Self::NotImplemented => 501,
            Self::VersionNotSupported => 505,
        }
    }
}

impl RequestError {
    /// How to answer.
    ///
    /// An unknown expectation and an unknown transfer coding are 400 like any other request with
    /// no agreed meaning, though RFC 9110 §10.1.1 and RFC 9112 §6.1 would allow 417 and 501.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::LineTooLong => Refusal::UriTooLong,
            Self::MethodTooLong => Refusal::NotImplemented,
            Self::Connect => Refusal::MethodNotAllowed,
            Self::UnsupportedVersion => Refusal::VersionNotSupported,
            Self::Field(FieldError::TooLong | FieldError::TooMany | FieldError::HeadTooLong) => Refusal::HeaderTooLarge,
            _ => Refusal::BadRequest,
        }
    }
}
