//! Offsets into the caller's buffer.

/// A range of the buffer that a head was parsed from: eight bytes instead of a borrow, so that
/// the buffer may move or be sent while the table lives on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this span in the buffer it was made for (same bytes at the same offsets).
    /// Over a shorter buffer, which is a mistake of the caller, it is empty.
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        debug_assert!(self.end as usize <= buf.len(), "a span is used over another buffer");
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Bytes in the span.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the span holds nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// A span of offsets that [`Limits::max_head`](crate::Limits::max_head) keeps inside `u32`.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Self { start: start as u32, end: end as u32 }
    }
}
