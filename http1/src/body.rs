//! Where a body ends, followed byte by byte as it is forwarded.

mod chunked;
mod error;
mod trailer;

pub use error::BodyError;

use crate::Framing;
use std::ops::Range;

/// Follows one body through the connection and knows where it ends. Keeps counters only (24
/// bytes), and gives the same answers however the bytes are split.
///
/// The bytes it accepts may be forwarded as they are: a chunked body that passed has exactly one
/// reading (RFC 9112 §7.1, without the white space that the grammar tolerates around sizes).
#[derive(Clone, Copy, Debug)]
pub struct BodyScanner {
    payload: u64,
    /// Payload bytes to come: of the body, or of the chunk (while its size is read: the size).
    left: u64,
    /// Chunk extensions in excess of payload, or the hash of a trailer's name.
    count: u32,
    /// Bytes of this chunk line's extension, or of all trailers.
    line: u16,
    /// Digits of this chunk size, or bytes of this trailer's name.
    digits: u8,
    state: State,
}

/// What one call to a scanner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Bytes of the input that belong to this body: payload, chunk framing and trailers.
    pub consumed: usize,
    /// Whether the body is complete; further bytes belong to the next message.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length,
    UntilClose,
    Chunk(chunked::Step),
    Broken,
}

impl BodyScanner {
    /// A scanner at the first byte of a body.
    pub fn new(framing: Framing) -> Self {
        let (state, left) = match framing {
            Framing::None | Framing::Length(0) => (State::Done, 0),
            Framing::Length(length) => (State::Length, length),
            Framing::Chunked => (State::Chunk(chunked::Step::Size), 0),
            Framing::UntilClose => (State::UntilClose, 0),
        };
        Self { payload: 0, left, count: 0, line: 0, digits: 0, state }
    }

    /// Takes in the next bytes of the connection; those behind the body are left alone.
    ///
    /// An error is final: later calls answer [`BodyError::RefusedBefore`].
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scanned, BodyError> {
        self.scan_data(bytes, |_| {})
    }

    /// As [`scan`](Self::scan), and reports each run of payload as a range of `bytes`, in order
    /// and never empty.
    pub fn scan_data(&mut self, bytes: &[u8], mut on_data: impl FnMut(Range<usize>)) -> Result<Scanned, BodyError> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Done => break,
                State::Broken => return Err(BodyError::RefusedBefore),
                State::Length | State::UntilClose | State::Chunk(chunked::Step::Data) => {
                    let run = self.take(bytes.len() - at);
                    on_data(at..at + run);
                    at += run;
                }
                State::Chunk(step) => {
                    self.state = match self.step(step, bytes[at]) {
                        Ok(next) => next,
                        Err(error) => {
                            self.state = State::Broken;
                            return Err(error);
                        }
                    };
                    at += 1;
                }
            }
        }
        match self.state {
            State::Broken => Err(BodyError::RefusedBefore),
            state => Ok(Scanned { consumed: at, done: state == State::Done }),
        }
    }

    /// Whether the body is complete. A body until close never is: its end is the connection's.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether this is a polite place to stop: behind the body, between two chunks, or anywhere
    /// in a body until close, which has no places.
    pub fn at_boundary(&self) -> bool {
        match self.state {
            State::Done | State::UntilClose => true,
            State::Chunk(step) => step == chunked::Step::Size && self.digits == 0,
            State::Length | State::Broken => false,
        }
    }

    /// Payload bytes so far, without chunk framing and trailers.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// Whether the body ends with the connection.
    pub fn is_until_close(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Takes up to `most` payload bytes and says how many.
    fn take(&mut self, most: usize) -> usize {
        if self.state == State::UntilClose {
            self.payload = self.payload.saturating_add(most as u64);
            return most;
        }
        let run = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        self.left -= run as u64;
        self.payload = self.payload.saturating_add(run as u64);
        if self.left == 0 {
            self.state = match self.state {
                State::Chunk(_) => State::Chunk(chunked::Step::DataCr),
                _ => State::Done,
            };
        }
        run
    }
}

#[cfg(test)]
mod tests;
