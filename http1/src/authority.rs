//! `host[:port]` as it may stand in `Host` and in an absolute target.

use std::net::Ipv6Addr;

/// Whether `bytes` is a host with an optional port (RFC 3986 §3.2.2, narrowed).
///
/// A name is made of letters, digits, `-`, `.`, `_` and `~`. RFC 3986 would also allow
/// percent-encoding and `!$&'()*+,;=`; no resolvable name has them and recipients disagree about
/// them, so they are refused. A literal is `[IPv6]` without zone. The port is empty or a number
/// up to 65535. An empty host is refused (RFC 9110 §4.2.1), and so is user information.
pub(crate) fn is_valid(bytes: &[u8]) -> bool {
    let (host_ok, rest) = if let [b'[', inner @ ..] = bytes {
        match memchr::memchr(b']', inner) {
            Some(close) => (is_ipv6(&inner[..close]), &inner[close + 1..]),
            None => return false,
        }
    } else {
        let end = bytes.iter().position(|&byte| !is_name(byte)).unwrap_or(bytes.len());
        (end > 0, &bytes[end..])
    };
    host_ok && is_port(rest)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_ipv6(inner: &[u8]) -> bool {
    str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// What may follow a host: nothing, `:`, or `:` and a port number.
fn is_port(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_valid() {
        for good in
            ["a", "example.com", "a_b-c.d~e:80", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "a:", "a:65535"]
        {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for bad in [
            "",
            ":80",
            "a b",
            "a/b",
            "u@a",
            "a,b",
            "a:65536",
            "a:000080",
            "a:+80",
            "a:8 0",
            "a:80:80",
            "[::1",
            "[]",
            "[::1%25eth0]",
            "[v1.a]",
            "[1.2.3.4]",
            "[::1]a",
            "::1",
            "a%41",
            "a\\b",
            "a?b",
            "a#b",
            "a\tb",
            "\u{e4}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
