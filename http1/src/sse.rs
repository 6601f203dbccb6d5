//! Event boundaries of `text/event-stream`, so that a stream can be ended behind a whole event.

/// Follows an event stream (WHATWG HTML §9.2.5) and knows whether its last bytes ended an event,
/// which a blank line does. Lines end with LF, CR or CRLF. Costs the same for any number of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventScanner {
    line: Line,
    /// The last byte was CR: an LF right behind it belongs to the same line end.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Behind a blank line, or before the first byte.
    #[default]
    Blank,
    /// At the start of a line that follows one with content.
    Start,
    /// In a line with content.
    Content,
}

/// Line-end bytes that always contain two whole line ends.
const DECISIVE: usize = 4;

impl EventScanner {
    /// A scanner before the first byte of the stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next payload bytes (without chunk framing).
    pub fn scan(&mut self, bytes: &[u8]) {
        // Four bytes decide: either one of them is content, or they hold a blank line.
        let tail = match bytes.len().checked_sub(DECISIVE) {
            Some(start) => {
                *self = Self { line: Line::Content, after_cr: false };
                &bytes[start..]
            }
            None => bytes,
        };
        for &byte in tail {
            self.step(byte);
        }
    }

    /// Whether the stream may be ended here without cutting an event.
    pub fn at_boundary(&self) -> bool {
        self.line == Line::Blank
    }

    fn step(&mut self, byte: u8) {
        let ends_crlf = byte == b'\n' && self.after_cr;
        self.after_cr = byte == b'\r';
        if !ends_crlf {
            self.line = match (byte, self.line) {
                (b'\r' | b'\n', Line::Content) => Line::Start,
                (b'\r' | b'\n', _) => Line::Blank,
                _ => Line::Content,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_boundary(text: &[u8]) -> bool {
        let mut scanner = EventScanner::new();
        scanner.scan(text);
        scanner.at_boundary()
    }

    #[test]
    fn a_blank_line_ends_an_event_however_lines_end() {
        for ended in
            ["", "data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", "a\r\n\r", "a\n\r", "a\n\r\n", "a\r\n\n", "\n"]
        {
            assert!(at_boundary(ended.as_bytes()), "{ended:?}");
        }
    }

    #[test]
    fn a_line_end_alone_does_not() {
        for open in ["d", "data: 1\n", "data: 1\r\n", "data: 1\r", "a\n\nb", "a\r\n\r\nb\r\n", "a\r\n:"] {
            assert!(!at_boundary(open.as_bytes()), "{open:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_answer(text in "[a\r\n]{0,24}", cut in 0usize..24) {
            let bytes = text.as_bytes();
            let mut by_byte = EventScanner::new();
            for &byte in bytes {
                by_byte.step(byte);
            }
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let mut in_two = EventScanner::new();
            in_two.scan(left);
            in_two.scan(right);
            prop_assert_eq!(in_two.at_boundary(), by_byte.at_boundary());
            prop_assert_eq!(at_boundary(bytes), by_byte.at_boundary());
        }
    }
}
