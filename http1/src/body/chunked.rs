//! Chunk framing (RFC 9112 §7.1), one byte at a time; payload is taken in runs elsewhere.

use super::{BodyError, BodyScanner, State, trailer};

/// Digits of a chunk size, leading zeros included.
const DIGITS: u8 = 16;
/// Extension bytes on one chunk.
const EXTENSION: u16 = 256;
/// Extension bytes that the payload before them does not outweigh. Without this bound a sender
/// could keep a connection busy for ever with one-byte chunks and long extensions.
const EXCESS: u32 = 8 * 1024;
/// Extension bytes that every chunk may have without being held against the sender.
const FREE: u64 = 16;

/// What the next byte of a chunked body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A digit of a size, or what ends it.
    Size,
    /// The first byte of an extension.
    ExtensionStart,
    /// A byte of an extension, or CR.
    Extension,
    /// The LF behind a size.
    SizeLf,
    /// Payload.
    Data,
    /// The CR behind payload.
    DataCr,
    /// The LF behind payload.
    DataLf,
    /// The first byte of a trailer line, or the CR of the blank line.
    TrailerStart,
    /// A byte of a trailer's name, or its colon.
    TrailerName,
    /// A byte of a trailer's value, or CR.
    TrailerValue,
    /// The LF behind a trailer.
    TrailerLf,
    /// The LF of the blank line.
    EndLf,
}

impl BodyScanner {
    /// Takes one byte of framing and says what comes next.
    pub(super) fn step(&mut self, step: Step, byte: u8) -> Result<State, BodyError> {
        let next = match (step, byte) {
            (Step::Size, _) => self.size(byte)?,
            (Step::ExtensionStart, b'\r') => return Err(BodyError::ExtensionInvalid),
            (Step::ExtensionStart | Step::Extension, _) => self.extension(byte)?,
            (Step::SizeLf, b'\n') => self.size_done()?,
            (Step::DataCr, b'\r') => Step::DataLf,
            (Step::DataCr | Step::Data, _) => return Err(BodyError::DataNotTerminated),
            (Step::DataLf, b'\n') => {
                (self.left, self.digits, self.line) = (0, 0, 0);
                Step::Size
            }
            (Step::EndLf, b'\n') => return Ok(State::Done),
            (Step::SizeLf | Step::DataLf | Step::EndLf, _) => return Err(BodyError::BareCr),
            (Step::TrailerStart | Step::TrailerName | Step::TrailerValue | Step::TrailerLf, _) => {
                self.trailer(step, byte)?
            }
        };
        Ok(State::Chunk(next))
    }

    fn size(&mut self, byte: u8) -> Result<Step, BodyError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(Step::SizeLf),
            b';' if self.digits > 0 => return Ok(Step::ExtensionStart),
            b'\n' => return Err(BodyError::BareLf),
            _ => return Err(BodyError::SizeInvalid),
        };
        self.digits += 1;
        if self.digits > DIGITS || self.left > (i64::MAX as u64) >> 4 {
            return Err(BodyError::SizeOverflow);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(Step::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<Step, BodyError> {
        match byte {
            b'\r' => return Ok(Step::SizeLf),
            b'\n' => return Err(BodyError::BareLf),
            b'\t' | 0x20..=0x7e => {}
            _ => return Err(BodyError::ExtensionInvalid),
        }
        self.line += 1;
        if self.line > EXTENSION {
            return Err(BodyError::ExtensionTooLong);
        }
        Ok(Step::Extension)
    }

    /// The chunk line is complete.
    fn size_done(&mut self) -> Result<Step, BodyError> {
        let paid = u32::try_from(self.left.saturating_add(FREE)).unwrap_or(u32::MAX);
        self.count = self.count.saturating_add(u32::from(self.line)).saturating_sub(paid);
        if self.count > EXCESS {
            return Err(BodyError::ExtensionTooLong);
        }
        if self.left > 0 {
            return Ok(Step::Data);
        }
        (self.count, self.line, self.digits) = (trailer::HASH_START, 0, 0);
        Ok(Step::TrailerStart)
    }
}
