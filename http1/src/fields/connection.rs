//! The `Connection` field: persistence, upgrades, and names that end here (RFC 9110 §7.6.1).

use super::{Fields, Known};
use crate::{Version, list};

/// Names that one head may make hop-by-hop. Each costs a walk over the table.
const MOST_NAMES: usize = 64;

/// What `Connection` says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl Options {
    /// Whether the connection outlives the message (RFC 9112 §9.3); `close` beats `keep-alive`.
    pub(crate) fn persistent(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// More than [`MOST_NAMES`] connection options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyOptions;

/// Reads all `Connection` fields and marks the fields they name as hop-by-hop.
///
/// `Host` and `Content-Length` cannot be named away: a backend that does not see them would read
/// another message than we did.
pub(crate) fn apply(fields: &mut Fields, buf: &[u8]) -> Result<Options, TooManyOptions> {
    let mut options = Options::default();
    if !fields.has(Known::Connection) {
        return Ok(options);
    }
    let mut names = 0;
    for index in 0..fields.as_slice().len() {
        let field = fields.as_slice()[index];
        if field.known != Known::Connection {
            continue;
        }
        for option in list::elements(field.value.of(buf)) {
            if option.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else {
                names += 1;
                if names > MOST_NAMES {
                    return Err(TooManyOptions);
                }
                mark(fields, buf, option);
            }
        }
    }
    Ok(options)
}

fn mark(fields: &mut Fields, buf: &[u8], name: &[u8]) {
    for field in fields.as_mut_slice() {
        let may = !matches!(field.known, Known::Host | Known::ContentLength);
        if may && field.name.len() == name.len() && field.name.of(buf).eq_ignore_ascii_case(name) {
            field.hop = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn applied(text: &str) -> (Result<Options, TooManyOptions>, Vec<String>) {
        let mut fields = Fields::default();
        super::super::parse_fields(text.as_bytes(), &mut 0, &Limits::default(), &mut fields).expect("valid");
        let options = apply(&mut fields, text.as_bytes());
        let hops = fields.iter().filter(|field| field.hop);
        (options, hops.map(|field| String::from_utf8_lossy(field.name.of(text.as_bytes())).into_owned()).collect())
    }

    #[test]
    fn options_are_read_from_lists_and_repeated_fields() {
        let (options, _) = applied("Connection: Keep-Alive, ,UPGRADE\r\nconnection: close\r\n\r\n");
        let options = options.expect("few");
        assert!(options.close && options.keep_alive && options.upgrade);
        assert!(!options.persistent(Version::Http11));
    }

    #[test]
    fn http_1_0_persists_only_when_it_says_so() {
        let keep = Options { keep_alive: true, ..Options::default() };
        assert!(Options::default().persistent(Version::Http11) && !Options::default().persistent(Version::Http10));
        assert!(keep.persistent(Version::Http10));
    }

    #[test]
    fn named_fields_are_hops_except_those_that_frame_and_route() {
        let (_, hops) = applied(
            "Connection: x-a, host, content-length\r\nX-A: 1\r\nX-B: 2\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(hops, ["Connection", "X-A"]);
    }

    #[test]
    fn standard_hops_need_no_naming() {
        let (_, hops) = applied("TE: trailers\r\nKeep-Alive: 5\r\nHTTP2-Settings: x\r\nTrailer: x\r\nDate: x\r\n\r\n");
        assert_eq!(hops, ["TE", "Keep-Alive", "HTTP2-Settings"]);
    }

    #[test]
    fn a_flood_of_options_is_refused() {
        let flood = format!("Connection: {}\r\n\r\n", "a,".repeat(65));
        assert_eq!(applied(&flood).0.err(), Some(TooManyOptions));
        let closes = format!("Connection: {}\r\n\r\n", "close,".repeat(200));
        assert!(applied(&closes).0.is_ok());
    }
}
