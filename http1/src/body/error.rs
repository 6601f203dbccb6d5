//! Why a body is refused.

/// Why a chunked body is refused. The fault is the sender's; the connection cannot be used
/// further, since where the next message begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size that is not 1 to 16 hexadecimal digits followed by CRLF or `;`.
    #[error("a chunk size is not a hexadecimal number")]
    SizeInvalid,
    /// A chunk size above 2^63 − 1, or of more than 16 digits.
    #[error("a chunk size is too large")]
    SizeOverflow,
    /// A chunk extension that is empty, or has bytes other than visible ASCII, SP and HTAB.
    #[error("a chunk extension is invalid")]
    ExtensionInvalid,
    /// More than 256 bytes of extension on one chunk, or more than 8 KiB of them beyond payload.
    #[error("chunk extensions are longer than allowed")]
    ExtensionTooLong,
    /// LF that no CR precedes.
    #[error("a line feed without carriage return in chunk framing")]
    BareLf,
    /// CR that no LF follows.
    #[error("a carriage return without line feed in chunk framing")]
    BareCr,
    /// Chunk data longer than its size says.
    #[error("chunk data is not followed by CRLF")]
    DataNotTerminated,
    /// A trailer line without a token right before its colon, or a folded one.
    #[error("a trailer name is not a token")]
    TrailerName,
    /// A control character in a trailer's value.
    #[error("a control character in a trailer value")]
    TrailerValue,
    /// A trailer that would change framing, routing, identity or content (RFC 9110 §6.5.1).
    #[error("a trailer that is allowed in heads only")]
    TrailerForbidden,
    /// More than 8 KiB of trailers.
    #[error("trailers are longer than allowed")]
    TrailersTooLong,
    /// The scanner has refused this body in an earlier call.
    #[error("the body was refused before")]
    RefusedBefore,
}
