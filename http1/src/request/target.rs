//! The four forms of a request target (RFC 9112 §3.2).

use super::{RequestError, RequestHead};
use crate::{Method, Span, authority};

/// The form of a request target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, with OPTIONS only.
    Asterisk,
    /// `host:port`, with CONNECT only. CONNECT is refused, so no accepted head has this form.
    Authority,
}

/// Judges the target and fills in form, authority (of an absolute target) and path.
///
/// An absolute target with a query but no path (`http://host?q`) is refused: it could not be
/// forwarded in origin form without inventing a byte.
pub(super) fn settle(buf: &[u8], head: &mut RequestHead) -> Result<(), RequestError> {
    if head.method == Method::Connect {
        return Err(RequestError::Connect);
    }
    let target = head.target.of(buf);
    match target {
        [b'/', ..] => {
            (head.form, head.path) = (TargetForm::Origin, head.target);
            Ok(())
        }
        b"*" if head.method == Method::Options => {
            (head.form, head.path) = (TargetForm::Asterisk, head.target);
            Ok(())
        }
        _ => {
            let scheme = scheme_len(target).ok_or(RequestError::BadTarget)?;
            let rest = &target[scheme..];
            let length = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
            if !authority::is_valid(&rest[..length]) || rest.get(length) == Some(&b'?') {
                return Err(RequestError::BadAbsoluteTarget);
            }
            let start = head.target.start as usize + scheme;
            head.form = TargetForm::Absolute;
            head.authority = Some(Span::new(start, start + length));
            head.path = Span { start: (start + length) as u32, end: head.target.end };
            Ok(())
        }
    }
}

/// Bytes of `http://` or `https://` at the start of a target, in any case.
fn scheme_len(target: &[u8]) -> Option<usize> {
    [b"http://".as_slice(), b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(<[u8]>::len)
}
