//! Comma-separated lists (RFC 9110 §5.6.1).

/// The elements of a list value without the white space around them. Empty elements are left
/// out, as a recipient must. Quotes are not looked at: none of the lists read here carry a comma
/// inside quotes in the part that matters.
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// `bytes` without spaces and tabs at either end.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// The media type of a `Content-Type` or of one element of `Accept`, and its parameters.
pub(crate) fn media_type(element: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b';', element) {
        Some(at) => (trim(&element[..at]), &element[at + 1..]),
        None => (trim(element), b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_elements_are_left_out() {
        let found: Vec<_> = elements(b" a,,\t b ,").collect();
        assert_eq!(found, [b"a", b"b"]);
        assert_eq!(elements(b"").count(), 0);
    }

    #[test]
    fn a_media_type_ends_at_its_parameters() {
        assert_eq!(media_type(b"text/html ; q=1"), (b"text/html".as_slice(), b" q=1".as_slice()));
        assert_eq!(media_type(b"text/html"), (b"text/html".as_slice(), b"".as_slice()));
    }
}
