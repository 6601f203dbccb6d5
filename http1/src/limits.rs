//! How much head a peer may send.

/// Largest sizes of a head. They hold for unfinished input too: a line that is already too long
/// is refused before its end arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line or status line without its CRLF. Default 8190.
    pub request_line: usize,
    /// Bytes of one field line without its CRLF. Default 8190.
    pub header_field: usize,
    /// Field lines in a head. Default 100.
    pub header_count: usize,
}

/// What all field lines of a head may take together, unless one line alone may be longer.
const FIELDS_TOGETHER: usize = 64 * 1024;

impl Limits {
    /// The most bytes a head may have, blank line included; the parsers enforce it (431).
    ///
    /// One hundred fields of 8190 bytes would be 800 KiB of head, which no honest peer sends, so
    /// the fields together are held to 64 KiB (or to twice `header_field` where that is more, or
    /// to `header_count × header_field` where that is less) on top of the request line. A buffer
    /// of this size always suffices to reach a verdict.
    pub fn max_head(&self) -> usize {
        const LINE_ENDS: usize = 64;
        let fields = self
            .header_count
            .saturating_mul(self.header_field.saturating_add(2))
            .min(FIELDS_TOGETHER.max(self.header_field.saturating_mul(2)));
        self.request_line.saturating_add(fields).saturating_add(LINE_ENDS).min(u32::MAX as usize)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_line: 8190, header_field: 8190, header_count: 100 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_bounded_by_64_kib_of_fields_by_default() {
        assert_eq!(Limits::default().max_head(), 8190 + 65536 + 64);
    }

    #[test]
    fn small_limits_bound_the_head_by_their_product() {
        let small = Limits { request_line: 100, header_field: 98, header_count: 2 };
        assert_eq!(small.max_head(), 100 + 200 + 64);
    }

    #[test]
    fn one_allowed_field_always_fits() {
        let wide = Limits { header_field: 100_000, ..Limits::default() };
        assert!(wide.max_head() > wide.request_line + wide.header_field);
        let endless = Limits { request_line: usize::MAX, header_field: usize::MAX, header_count: usize::MAX };
        assert_eq!(endless.max_head(), u32::MAX as usize);
    }
}
