//! The path that routing looks at. It is never forwarded: backends get the path as received.

/// Why a path is not routed. The answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It begins with neither `/` nor is it empty or `*`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// `%` without two hexadecimal digits.
    #[error("the path has a percent sign without two hexadecimal digits")]
    BadEscape,
    /// `%00`.
    #[error("the path has an escaped NUL")]
    Nul,
    /// `\` or `%5c`, which some servers take for `/`.
    #[error("the path has a backslash")]
    Backslash,
    /// `..` above the root.
    #[error("the path climbs above its root")]
    AboveRoot,
    /// A dot segment beside an escaped slash, or with parameters (`..;a`): servers disagree about
    /// what it refers to.
    #[error("the path has a dot segment that servers read differently")]
    AmbiguousDots,
}

/// The path of `target` (path and query in origin form) as routing sees it: `target` itself where
/// it is normal already, else written to `out`, whose old content is lost.
///
/// - The query is left out. An empty path is `/`; `*` stays.
/// - Escaped unreserved bytes are unescaped, once (`%2e` is `.`, `%252e` stays `%252e`); the
///   digits of other escapes become upper-case.
/// - `%2F` separates segments as `/` does: servers that unescape before they look for the file
///   or the handler see a slash there, and a prefix rule must not be passed by writing one.
/// - Repeated slashes count once; `.` and `..` segments are resolved (RFC 3986 §5.2.4).
/// - What servers are known to read differently is refused, see [`PathError`].
pub fn normalise<'a>(target: &'a [u8], out: &'a mut Vec<u8>) -> Result<&'a [u8], PathError> {
    let path = match memchr::memchr(b'?', target) {
        Some(query) => &target[..query],
        None => target,
    };
    match path {
        b"" => return Ok(b"/"),
        b"*" => return Ok(path),
        [b'/', ..] if is_plain(path) => return Ok(path),
        [b'/', ..] => {}
        _ => return Err(PathError::NotAbsolute),
    }
    out.clear();
    rewrite(path, out)?;
    Ok(out)
}

/// Whether nothing in a path needs a second look: no escape, no backslash, no slash that another
/// slash or a dot follows.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    path.iter().all(|&byte| {
        let special = matches!(byte, b'%' | b'\\') || after_slash && matches!(byte, b'/' | b'.');
        after_slash = byte == b'/';
        !special
    })
}

/// How a segment was separated from its neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Slash,
    Escaped,
    End,
}

fn rewrite(path: &[u8], out: &mut Vec<u8>) -> Result<(), PathError> {
    let (mut before, mut start) = (Separator::Slash, 1);
    out.push(b'/');
    let mut at = 1;
    loop {
        let (byte, width) = match path.get(at..).unwrap_or_default() {
            [] => return close_segment(out, start, before, Separator::End),
            [b'%', high, low, ..] => (unescape(*high, *low)?, 3),
            [b'%', ..] => return Err(PathError::BadEscape),
            [byte, ..] => (*byte, 1),
        };
        match (byte, width) {
            (b'/', _) => {
                let after = if width == 1 { Separator::Slash } else { Separator::Escaped };
                close_segment(out, start, before, after)?;
                (before, start) = (after, out.len());
            }
            (b'\\', _) => return Err(PathError::Backslash),
            (0, _) => return Err(PathError::Nul),
            (_, 3) if !is_unreserved(byte) => out.extend(path[at..at + 3].iter().map(u8::to_ascii_uppercase)),
            _ => out.push(byte),
        }
        at += width;
    }
}

/// The segment that begins at `start` of `out` is complete: resolves dots, and leaves `out` with
/// a slash at its end unless the path ends with a name.
fn close_segment(out: &mut Vec<u8>, start: usize, before: Separator, after: Separator) -> Result<(), PathError> {
    let segment = &out[start..];
    let name = &segment[..memchr::memchr(b';', segment).unwrap_or(segment.len())];
    let is_dots = matches!(name, b"." | b"..");
    if is_dots && (name.len() < segment.len() || before == Separator::Escaped || after == Separator::Escaped) {
        return Err(PathError::AmbiguousDots);
    }
    match segment {
        b"" => {}
        b"." => out.truncate(start),
        b".." => {
            let parent = start.checked_sub(1).and_then(|end| memchr::memrchr(b'/', &out[..end]));
            out.truncate(parent.ok_or(PathError::AboveRoot)? + 1);
        }
        _ if after != Separator::End => out.push(b'/'),
        _ => {}
    }
    Ok(())
}

fn unescape(high: u8, low: u8) -> Result<u8, PathError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(PathError::BadEscape);
    Ok((digit(high)? * 16 + digit(low)?) as u8)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests;
