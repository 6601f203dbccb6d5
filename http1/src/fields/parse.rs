//! Field lines of a head (RFC 9112 §5), strictly.

use super::{Field, Fields, Known};
use crate::{Limits, Span, scan};

/// Why a field line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// CR that no LF follows.
    #[error("a carriage return without line feed in a field line")]
    BareCr,
    /// LF that no CR precedes.
    #[error("a line feed without carriage return in a field line")]
    BareLf,
    /// White space before the first field line.
    #[error("white space before the first field line")]
    LeadingWhitespace,
    /// A line that begins with white space, which once continued the line before it.
    #[error("a folded field line")]
    ObsFold,
    /// White space between name and colon.
    #[error("white space before the colon of a field line")]
    SpaceBeforeColon,
    /// Nothing before the colon.
    #[error("a field without a name")]
    EmptyName,
    /// A byte in the name that no token has, or a line without colon.
    #[error("a field name that is not a token")]
    BadName,
    /// A control character (NUL included) in the value.
    #[error("a control character in a field value")]
    BadValue,
    /// A line longer than [`Limits::header_field`].
    #[error("a field line longer than allowed")]
    TooLong,
    /// More lines than [`Limits::header_count`].
    #[error("more fields than allowed")]
    TooMany,
    /// A head longer than [`Limits::max_head`].
    #[error("a head longer than allowed")]
    HeadTooLong,
}

/// Reads field lines from `*at` up to and including the blank line, and answers with the offset
/// behind it; `None` when the blank line has not come. `*at` moves over the lines that are done,
/// so that a later call with more bytes goes on from there.
pub(crate) fn parse_fields(
    buf: &[u8],
    at: &mut usize,
    limits: &Limits,
    fields: &mut Fields,
) -> Result<Option<usize>, FieldError> {
    let max_head = limits.max_head();
    loop {
        let end = match next_line(buf, *at, limits, fields)? {
            Line::Field(end) => end,
            Line::Blank(end) if end > max_head => return Err(FieldError::HeadTooLong),
            Line::Blank(end) => return Ok(Some(end)),
            Line::Partial if buf.len() > max_head => return Err(FieldError::HeadTooLong),
            Line::Partial => return Ok(None),
        };
        if end > max_head {
            return Err(FieldError::HeadTooLong);
        }
        *at = end;
    }
}

enum Line {
    Field(usize),
    Blank(usize),
    Partial,
}

#[inline]
fn next_line(buf: &[u8], start: usize, limits: &Limits, fields: &mut Fields) -> Result<Line, FieldError> {
    let line = buf.get(start..).unwrap_or_default();
    let colon = scan::token_end(line, 0);
    if colon == 0 {
        return no_name(line, start, fields);
    }
    if fields.as_slice().len() >= limits.header_count {
        return Err(FieldError::TooMany);
    }
    match line.get(colon) {
        Some(b':') => {}
        Some(b' ' | b'\t') => return Err(FieldError::SpaceBeforeColon),
        Some(_) => return Err(FieldError::BadName),
        None if line.len() > limits.header_field => return Err(FieldError::TooLong),
        None => return Ok(Line::Partial),
    }
    let end = scan::value_end(line, colon + 1);
    if end > limits.header_field {
        return Err(FieldError::TooLong);
    }
    match (line.get(end), line.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r'), Some(_)) => return Err(FieldError::BareCr),
        (Some(b'\r'), None) | (None, _) => return Ok(Line::Partial),
        (Some(b'\n'), _) => return Err(FieldError::BareLf),
        (Some(_), _) => return Err(FieldError::BadValue),
    }
    let (value_start, value_end) = trimmed(line, colon + 1, end);
    let known = Known::of_name(&line[..colon]);
    fields.push(Field {
        name: Span::new(start, start + colon),
        value: Span::new(start + value_start, start + value_end),
        line: Span::new(start, start + end + 2),
        known,
        hop: known.is_hop(),
    });
    Ok(Line::Field(start + end + 2))
}

/// A line that does not begin with a name: the blank one, or a fault.
#[cold]
fn no_name(line: &[u8], start: usize, fields: &Fields) -> Result<Line, FieldError> {
    match line {
        [] | [b'\r'] => Ok(Line::Partial),
        [b'\r', b'\n', ..] => Ok(Line::Blank(start + 2)),
        [b'\r', ..] => Err(FieldError::BareCr),
        [b'\n', ..] => Err(FieldError::BareLf),
        [b' ' | b'\t', ..] if fields.as_slice().is_empty() => Err(FieldError::LeadingWhitespace),
        [b' ' | b'\t', ..] => Err(FieldError::ObsFold),
        [b':', ..] => Err(FieldError::EmptyName),
        _ => Err(FieldError::BadName),
    }
}

/// The range `start..end` without the white space at its ends.
#[inline]
fn trimmed(line: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && matches!(line[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(line[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(buf: &[u8], limits: &Limits) -> Result<Option<usize>, FieldError> {
        parse_fields(buf, &mut 0, limits, &mut Fields::default())
    }

    fn verdict(text: &str) -> Result<Option<usize>, FieldError> {
        parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn values_lose_the_white_space_around_them_only() {
        let buf = b"a: \t b\tc \t\r\nd:\r\ne: \r\n\r\n";
        let mut fields = Fields::default();
        assert_eq!(parse_fields(buf, &mut 0, &Limits::default(), &mut fields), Ok(Some(buf.len())));
        let values: Vec<_> = fields.iter().map(|field| field.value.of(buf)).collect();
        assert_eq!(values, [b"b\tc".as_slice(), b"", b""]);
        let lines: Vec<_> = fields.iter().map(|field| field.line.of(buf)).collect();
        assert_eq!(lines.concat(), &buf[..buf.len() - 2]);
    }

    #[test]
    fn line_ends_are_crlf_and_nothing_else() {
        assert_eq!(verdict("a: b\n\r\n"), Err(FieldError::BareLf));
        assert_eq!(verdict("a: b\rc\r\n\r\n"), Err(FieldError::BareCr));
        assert_eq!(verdict("a: b\r\r\n\r\n"), Err(FieldError::BareCr));
        assert_eq!(verdict("a: b\r\n\n"), Err(FieldError::BareLf));
        assert_eq!(verdict("a: b\r\n\ra"), Err(FieldError::BareCr));
        assert_eq!(verdict("a: b\r"), Ok(None));
        assert_eq!(verdict("a: b\r\n\r"), Ok(None));
    }

    #[test]
    fn lines_are_not_folded() {
        assert_eq!(verdict("a: b\r\n c\r\n\r\n"), Err(FieldError::ObsFold));
        assert_eq!(verdict("a: b\r\n\tc\r\n\r\n"), Err(FieldError::ObsFold));
        assert_eq!(verdict(" a: b\r\n\r\n"), Err(FieldError::LeadingWhitespace));
        assert_eq!(verdict(" \r\n\r\n"), Err(FieldError::LeadingWhitespace));
    }

    #[test]
    fn names_are_tokens_right_before_the_colon() {
        assert_eq!(verdict("a : b\r\n\r\n"), Err(FieldError::SpaceBeforeColon));
        assert_eq!(verdict("a\t: b\r\n\r\n"), Err(FieldError::SpaceBeforeColon));
        assert_eq!(verdict(": b\r\n\r\n"), Err(FieldError::EmptyName));
        for bad in ["a(b: c\r\n", "a\0: c\r\n", "\u{e4}: c\r\n", "a\r\n", "a\x0b: c\r\n", "\0", "[a]: b"] {
            assert_eq!(verdict(bad), Err(FieldError::BadName), "{bad:?}");
        }
    }

    #[test]
    fn values_have_no_controls_but_tab() {
        for bad in ["a: \0\r\n", "a: b\x01\r\n", "a: \x7f\r\n", "a: \x0b\r\n", "a: \x1b[m\r\n"] {
            assert_eq!(verdict(bad), Err(FieldError::BadValue), "{bad:?}");
        }
        assert!(parse(b"a: \xff\x80\r\n\r\n", &Limits::default()).is_ok_and(|end| end.is_some()));
    }

    #[test]
    fn an_unfinished_line_is_too_long_already() {
        let limits = Limits { header_field: 5, ..Limits::default() };
        assert_eq!(parse(b"a: bc\r\n\r\n", &limits), Ok(Some(9)));
        assert_eq!(parse(b"a: bc\r", &limits), Ok(None));
        assert_eq!(parse(b"a: bcd", &limits), Err(FieldError::TooLong));
        assert_eq!(parse(b"abcdef", &limits), Err(FieldError::TooLong));
        assert_eq!(parse(b"abcde", &limits), Ok(None));
    }

    #[test]
    fn fields_are_counted_before_they_end() {
        let limits = Limits { header_count: 1, ..Limits::default() };
        assert_eq!(parse(b"a: b\r\n\r\n", &limits), Ok(Some(8)));
        assert_eq!(parse(b"a: b\r\nc", &limits), Err(FieldError::TooMany));
    }

    #[test]
    fn a_head_is_bounded_as_a_whole() {
        let many = "abcdefgh: ".to_owned() + &"x".repeat(8000) + "\r\n";
        assert_eq!(verdict(&many.repeat(10)), Err(FieldError::HeadTooLong));
        assert_eq!(verdict(&many.repeat(9)), Ok(None));
        let unfinished = many.repeat(9) + "x: " + &"y".repeat(2000);
        assert_eq!(verdict(&unfinished), Err(FieldError::HeadTooLong));
    }

    #[test]
    fn a_later_call_goes_on_behind_the_finished_lines() {
        let buf = b"a: b\r\nc: d\r\n\r\n";
        let (mut at, mut fields) = (0, Fields::default());
        assert_eq!(parse_fields(&buf[..8], &mut at, &Limits::default(), &mut fields), Ok(None));
        assert_eq!(at, 6);
        assert_eq!(parse_fields(buf, &mut at, &Limits::default(), &mut fields), Ok(Some(14)));
        assert_eq!(fields.as_slice().len(), 2);
    }
}
