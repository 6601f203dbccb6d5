//! Trailer lines behind the last chunk (RFC 9112 §7.1.2), held to the rules of field lines.

use super::chunked::Step;
use super::{BodyError, BodyScanner};
use crate::scan;

/// Bytes of all trailers together.
const TRAILERS: u16 = 8 * 1024;

/// The hash of a name of no bytes (FNV-1a, 32 bits).
pub(super) const HASH_START: u32 = 0x811c_9dc5;

/// Names that must not stand in trailers: they would say how to read, route or trust a message
/// whose head was acted on already (RFC 9110 §6.5.1).
///
/// The scanner keeps no bytes, so names are known by length and hash. Another name with the same
/// hash and length as one of these would be refused as well; that does no harm.
static FORBIDDEN: [(u8, u32); 25] = [
    named(b"transfer-encoding"),
    named(b"content-length"),
    named(b"host"),
    named(b"connection"),
    named(b"keep-alive"),
    named(b"proxy-connection"),
    named(b"te"),
    named(b"trailer"),
    named(b"upgrade"),
    named(b"expect"),
    named(b"max-forwards"),
    named(b"range"),
    named(b"content-encoding"),
    named(b"content-type"),
    named(b"content-range"),
    named(b"authorization"),
    named(b"proxy-authorization"),
    named(b"proxy-authenticate"),
    named(b"cookie"),
    named(b"set-cookie"),
    named(b"forwarded"),
    named(b"x-forwarded-for"),
    named(b"x-forwarded-proto"),
    named(b"x-forwarded-host"),
    named(b"http2-settings"),
];

impl BodyScanner {
    /// Takes one byte of the trailers and says what comes next.
    pub(super) fn trailer(&mut self, step: Step, byte: u8) -> Result<Step, BodyError> {
        self.line += 1;
        if self.line > TRAILERS {
            return Err(BodyError::TrailersTooLong);
        }
        match (step, byte) {
            (Step::TrailerStart, b'\r') => Ok(Step::EndLf),
            (Step::TrailerName, b':') if self.is_forbidden() => Err(BodyError::TrailerForbidden),
            (Step::TrailerName, b':') => Ok(Step::TrailerValue),
            (Step::TrailerStart | Step::TrailerName, _) if scan::is_token(byte) => {
                self.count = hash(self.count, byte);
                // Longer names than this are not on the list, whatever their number.
                self.digits = self.digits.saturating_add(1);
                Ok(Step::TrailerName)
            }
            (Step::TrailerStart, b'\n') => Err(BodyError::BareLf),
            (Step::TrailerStart | Step::TrailerName, _) => Err(BodyError::TrailerName),
            (Step::TrailerValue, b'\r') => Ok(Step::TrailerLf),
            (Step::TrailerValue, b'\n') => Err(BodyError::BareLf),
            (Step::TrailerValue, _) if scan::is_value(byte) => Ok(Step::TrailerValue),
            (Step::TrailerValue, _) => Err(BodyError::TrailerValue),
            (_, b'\n') => {
                (self.count, self.digits) = (HASH_START, 0);
                Ok(Step::TrailerStart)
            }
            _ => Err(BodyError::BareCr),
        }
    }

    fn is_forbidden(&self) -> bool {
        FORBIDDEN.contains(&(self.digits, self.count))
    }
}

const fn hash(hash: u32, byte: u8) -> u32 {
    (hash ^ byte.to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193)
}

const fn named(name: &[u8]) -> (u8, u32) {
    let (mut value, mut at) = (HASH_START, 0);
    while at < name.len() {
        value = hash(value, name[at]);
        at += 1;
    }
    (name.len() as u8, value)
}
