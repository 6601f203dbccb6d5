//! The field table of a head.

mod connection;
mod known;
mod parse;

pub use known::Known;
pub use parse::FieldError;

pub(crate) use connection::{Options, apply as apply_connection};
pub(crate) use parse::parse_fields;

use crate::Span;

/// One field line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as received.
    pub name: Span,
    /// The value without the white space around it.
    pub value: Span,
    /// The whole line, CRLF included: what is copied when the field is forwarded.
    pub line: Span,
    /// Which of the names that matter here it is.
    pub known: Known,
    /// Not to be forwarded as received: hop-by-hop ([`Known::is_hop`]), or named by `Connection`.
    pub hop: bool,
}

/// The fields of a head in the order received. Reused from message to message.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    /// One bit for each [`Known`] that occurs: most look-ups are for what is not there.
    present: u64,
}

impl Fields {
    /// All fields in order.
    pub fn as_slice(&self) -> &[Field] {
        &self.list
    }

    /// All fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// The first field of this name. Of [`Known::Other`] there is none: use
    /// [`find_name`](Self::find_name).
    pub fn find(&self, known: Known) -> Option<&Field> {
        if known == Known::Other || self.present & known.bit() == 0 {
            return None;
        }
        self.list.iter().find(|field| field.known == known)
    }

    /// The first field of this lower-case name, whatever case it was received in.
    pub fn find_name(&self, buf: &[u8], name: &[u8]) -> Option<&Field> {
        self.list.iter().find(|field| field.name.len() == name.len() && field.name.of(buf).eq_ignore_ascii_case(name))
    }

    /// Copies the lines of the fields for which `keep` is true to the end of `out`, as received;
    /// neighbouring lines in one piece.
    pub fn copy_to(&self, buf: &[u8], out: &mut Vec<u8>, keep: impl Fn(&Field) -> bool) {
        let mut run = Span::default();
        for field in self.list.iter().filter(|field| keep(field)) {
            if field.line.start == run.end {
                run.end = field.line.end;
            } else {
                out.extend_from_slice(run.of(buf));
                run = field.line;
            }
        }
        out.extend_from_slice(run.of(buf));
    }

    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.present = 0;
    }

    pub(crate) fn push(&mut self, field: Field) {
        self.present |= field.known.bit();
        self.list.push(field);
    }

    /// Whether any of these names occurs.
    pub(crate) fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Field] {
        &mut self.list
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    const LINES: &[u8] = b"Host: a\r\nX-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\nX-Three: 3\r\n\r\n";

    fn table(buf: &[u8]) -> Fields {
        let mut fields = Fields::default();
        let mut at = 0;
        parse_fields(buf, &mut at, &Limits::default(), &mut fields).expect("valid").expect("complete");
        connection::apply(&mut fields, buf).expect("few options");
        fields
    }

    #[test]
    fn lines_are_copied_as_received_without_hops() {
        let fields = table(LINES);
        let mut out = b"x".to_vec();
        fields.copy_to(LINES, &mut out, |field| !field.hop);
        assert_eq!(out, b"xHost: a\r\nX-One: 1\r\nX-Three: 3\r\n");
        out.clear();
        fields.copy_to(LINES, &mut out, |_| false);
        assert!(out.is_empty());
        fields.copy_to(LINES, &mut out, |_| true);
        assert_eq!(out, &LINES[..LINES.len() - 2]);
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let fields = table(LINES);
        assert_eq!(fields.find(Known::Host).map(|field| field.value.of(LINES)), Some(b"a".as_slice()));
        assert_eq!(fields.find(Known::Other), None);
        assert_eq!(fields.find(Known::Date), None);
        assert_eq!(fields.find_name(LINES, b"x-two").map(|field| field.value.of(LINES)), Some(b"2".as_slice()));
        assert_eq!(fields.find_name(LINES, b"x-twa"), None);
    }

    #[test]
    fn a_cleared_table_finds_nothing() {
        let mut fields = table(LINES);
        fields.clear();
        assert!(fields.as_slice().is_empty() && fields.find(Known::Host).is_none());
    }
}
