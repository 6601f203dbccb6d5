//! Where a body ends, as its head declares it (RFC 9112 §6).

use crate::{Known, Version};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// This many bytes, at most 2^63 − 1.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// All bytes until the peer closes (answers only).
    UntilClose,
}

/// Why the declared framing has not exactly one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// More than one `Content-Length`, be they equal, or a list in one.
    #[error("Content-Length is given more than once")]
    LengthRepeated,
    /// Not one or more digits: empty, signed, hexadecimal, with a fraction or blanks.
    #[error("Content-Length is not a decimal number")]
    LengthInvalid,
    /// Above 2^63 − 1, where others overflow.
    #[error("Content-Length is above 2^63 - 1")]
    LengthOverflow,
    /// Both ways of framing at once.
    #[error("both Content-Length and Transfer-Encoding are given")]
    LengthAndCoding,
    /// More than one `Transfer-Encoding`.
    #[error("Transfer-Encoding is given more than once")]
    CodingRepeated,
    /// A transfer coding other than `chunked`, a list, or a parameter.
    #[error("Transfer-Encoding is not exactly `chunked`")]
    CodingUnsupported,
    /// HTTP/1.0 does not know `Transfer-Encoding`; who sends it is misread by somebody.
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    CodingInHttp10,
}

/// What the framing fields of one head say, gathered field by field.
#[derive(Default)]
pub(crate) struct Declared {
    length: Option<u64>,
    chunked: bool,
}

impl Declared {
    /// Takes a field into account; fields that do not frame are ignored.
    #[inline]
    pub(crate) fn add(&mut self, known: Known, value: &[u8]) -> Result<(), FramingError> {
        match known {
            Known::ContentLength if self.length.is_some() => Err(FramingError::LengthRepeated),
            Known::ContentLength => {
                self.length = Some(parse_length(value)?);
                Ok(())
            }
            Known::TransferEncoding if self.chunked => Err(FramingError::CodingRepeated),
            Known::TransferEncoding if value.eq_ignore_ascii_case(b"chunked") => {
                self.chunked = true;
                Ok(())
            }
            Known::TransferEncoding => Err(FramingError::CodingUnsupported),
            _ => Ok(()),
        }
    }

    /// The one framing declared; `absent` when none is.
    pub(crate) fn framing(&self, version: Version, absent: Framing) -> Result<Framing, FramingError> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(FramingError::LengthAndCoding),
            (None, true) if version == Version::Http10 => Err(FramingError::CodingInHttp10),
            (None, true) => Ok(Framing::Chunked),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, false) => Ok(absent),
        }
    }
}

fn parse_length(value: &[u8]) -> Result<u64, FramingError> {
    if memchr::memchr(b',', value).is_some() {
        return Err(FramingError::LengthRepeated);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .filter(|&length| length <= i64::MAX as u64)
        .ok_or(FramingError::LengthOverflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(fields: &[(Known, &[u8])], version: Version) -> Result<Framing, FramingError> {
        let mut declared = Declared::default();
        for &(known, value) in fields {
            declared.add(known, value)?;
        }
        declared.framing(version, Framing::None)
    }

    const CL: Known = Known::ContentLength;
    const TE: Known = Known::TransferEncoding;

    #[test]
    fn one_length_or_one_chunked_is_a_framing() {
        assert_eq!(declared(&[], Version::Http11), Ok(Framing::None));
        assert_eq!(declared(&[(CL, b"0")], Version::Http10), Ok(Framing::Length(0)));
        assert_eq!(declared(&[(CL, b"9223372036854775807")], Version::Http11), Ok(Framing::Length(i64::MAX as u64)));
        assert_eq!(declared(&[(TE, b"Chunked")], Version::Http11), Ok(Framing::Chunked));
    }

    #[test]
    fn lengths_are_digits_that_fit() {
        for bad in ["", "+5", "-5", "0x5", "5.0", "5 5", "5a", "\u{0665}"] {
            assert_eq!(declared(&[(CL, bad.as_bytes())], Version::Http11), Err(FramingError::LengthInvalid), "{bad}");
        }
        for bad in ["9223372036854775808", "18446744073709551616", "99999999999999999999999"] {
            assert_eq!(declared(&[(CL, bad.as_bytes())], Version::Http11), Err(FramingError::LengthOverflow), "{bad}");
        }
    }

    #[test]
    fn a_length_stands_once() {
        assert_eq!(declared(&[(CL, b"5"), (CL, b"5")], Version::Http11), Err(FramingError::LengthRepeated));
        assert_eq!(declared(&[(CL, b"5, 5")], Version::Http11), Err(FramingError::LengthRepeated));
    }

    #[test]
    fn only_chunked_alone_is_a_known_coding() {
        for bad in
            ["", "gzip", "gzip, chunked", "chunked, chunked", "chunked;a=b", "xchunked", "chunked,", "\"chunked\""]
        {
            assert_eq!(
                declared(&[(TE, bad.as_bytes())], Version::Http11),
                Err(FramingError::CodingUnsupported),
                "{bad}"
            );
        }
        assert_eq!(declared(&[(TE, b"chunked"), (TE, b"chunked")], Version::Http11), Err(FramingError::CodingRepeated));
    }

    #[test]
    fn both_are_refused_in_either_order() {
        assert_eq!(declared(&[(CL, b"5"), (TE, b"chunked")], Version::Http11), Err(FramingError::LengthAndCoding));
        assert_eq!(declared(&[(TE, b"chunked"), (CL, b"5")], Version::Http11), Err(FramingError::LengthAndCoding));
        assert_eq!(declared(&[(TE, b"chunked"), (CL, b"5")], Version::Http10), Err(FramingError::LengthAndCoding));
    }

    #[test]
    fn http_1_0_has_no_transfer_coding() {
        assert_eq!(declared(&[(TE, b"chunked")], Version::Http10), Err(FramingError::CodingInHttp10));
    }
}
