//! As much of an HTTP/1.1 response head as the generator must know.

use crate::origin::head_end;

/// What the bytes so far hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// No whole head yet.
    Partial,
    /// A head of `length` bytes.
    Whole { status: u16, length: usize, content_length: Option<u64>, close: bool },
    /// Something else.
    Bad,
}

/// Reads the head at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Head {
    let Some(length) = head_end(bytes) else {
        return if bytes.len() > 32 * 1024 { Head::Bad } else { Head::Partial };
    };
    let mut lines = Lines(&bytes[..length - 2]);
    let Some(status) = lines.next().and_then(status) else { return Head::Bad };
    let (mut content_length, mut close) = (None, false);
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { return Head::Bad };
        // The names have different lengths, so most lines are passed over by comparing one number.
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            content_length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
        } else if name.eq_ignore_ascii_case(b"connection") {
            close = value.eq_ignore_ascii_case(b"close");
        }
    }
    Head::Whole { status, length, content_length, close }
}

/// Lines without their CRLF.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

fn status(line: &[u8]) -> Option<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_length_and_close() {
        let head = b"HTTP/1.1 503 No\r\ncontent-length: 12\r\nConnection: Close\r\nX: y\r\n\r\nrest";
        assert_eq!(
            parse(head),
            Head::Whole { status: 503, length: head.len() - 4, content_length: Some(12), close: true }
        );
    }

    #[test]
    fn every_cut_before_the_end_is_partial() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(parse(&head[..cut]), Head::Partial, "cut at {cut}");
        }
    }

    #[test]
    fn other_protocols_and_endless_heads_are_bad() {
        assert_eq!(parse(b"SSH-2.0-x\r\n\r\n"), Head::Bad);
        assert_eq!(parse(&[b'a'; 40_000]), Head::Bad);
    }
}
