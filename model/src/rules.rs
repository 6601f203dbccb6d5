//! The rules for single values, shared by the file and the API. An error says what is allowed.

use std::time::Duration;

use ipnet::IpNet;
use speedmimi_policy::Algorithm;

use crate::config::{HostPattern, Scheme};
use crate::secret::MASK;

mod spelling;

pub(crate) use spelling::unknown;

/// Longest duration that can be configured, in milliseconds: a year.
const LONGEST: u64 = 366 * 24 * 3600 * 1000;
/// Longest name: a host name (253 characters) and its port must fit, for they are the id of a backend without one.
const NAME: usize = 300;
/// Longest label, in bytes.
const LABEL: usize = 1024;

/// `30s`, `500ms`, `5m`, `1h30m`; at least a millisecond.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no duration: write a number with ms, s, m, h or d, such as 500ms, 30s or 1h30m");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&at| at > 0).ok_or_else(wrong)?;
        // A number that does not fit is longer than any duration, too.
        let number: u64 = rest[..digits].parse().unwrap_or(u64::MAX);
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 24 * 3_600_000,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(number.saturating_mul(unit));
        rest = &rest[letters..];
    }
    if !(1..=LONGEST).contains(&total) {
        return Err(format!("{text:?} is not within 1ms..366d"));
    }
    Ok(Duration::from_millis(total))
}

/// The shortest way to write a duration that [`duration()`] reads back.
pub(crate) fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A name of an upstream or a route, or the id of a backend: no spaces, no slash, so that `UPSTREAM/ID` is one way to
/// write it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_graphic() && c != '/' && c != ',' && c != '"';
    if text.is_empty() || text.len() > NAME || !text.chars().all(fits) {
        return Err(format!("{text:?} is no name: 1..{NAME} visible ASCII characters, without / , and double quotes"));
    }
    Ok(text.to_owned())
}

/// What people call a backend.
pub(crate) fn title(text: &str) -> Result<String, String> {
    plain("name", text, NAME)
}

/// What a label is called.
pub(crate) fn label_name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a label needs a name".into()) } else { plain("name of a label", text, NAME) }
}

/// What a label says.
pub(crate) fn label(text: &str) -> Result<String, String> {
    plain("label", text, LABEL)
}

/// Text for people and scripts, on one line and of bounded length; nothing in it that a terminal would obey.
fn plain(what: &str, text: &str, most: usize) -> Result<String, String> {
    if text.len() > most {
        return Err(format!("this {what} has {} bytes; at most {most} are allowed", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} is no {what}: control characters are not allowed"));
    }
    Ok(text.to_owned())
}

/// An address or a DNS name.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if is_domain(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is neither an IP address nor a host name, such as 10.0.0.1, ::1 or web.internal"))
    }
}

fn is_domain(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // Digits and dots alone are an address somebody mistyped.
    text.len() <= 253 && text.split('.').all(label) && !text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A host of a route: a name, an address, or `*.` and a name.
pub(crate) fn host_pattern(text: &str) -> Result<HostPattern, String> {
    let wrong = || {
        format!("{text:?} is no host: write example.com or *.example.com, without a port; leave it out for any host")
    };
    let lower = text.to_ascii_lowercase();
    // The dot of the root is not part of what is compared.
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    if let Some(domain) = lower.strip_prefix("*.") {
        return if is_domain(domain) { Ok(HostPattern::Wildcard(domain.to_owned())) } else { Err(wrong()) };
    }
    let bare = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare.unwrap_or(lower).parse::<std::net::IpAddr>() {
        // As it stands in `Host`.
        Ok(std::net::IpAddr::V6(address)) => Ok(HostPattern::Exact(format!("[{address}]"))),
        Ok(std::net::IpAddr::V4(address)) if bare.is_none() => Ok(HostPattern::Exact(address.to_string())),
        _ if is_domain(lower) => Ok(HostPattern::Exact(lower.to_owned())),
        _ => Err(wrong()),
    }
}

/// A scheme; the ones of later versions are named.
pub(crate) fn scheme(text: &str) -> Result<Scheme, String> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" | "h2c" | "grpc" | "grpcs" | "tcp" | "udp" => {
            Err(format!("{text:?} is not available in this version; allowed: http"))
        }
        _ => Err(unknown("scheme", text, &["http"])),
    }
}

/// A balancing algorithm; the ones of later versions are named.
pub(crate) fn algorithm(text: &str) -> Result<Algorithm, String> {
    let available: Vec<&str> = Algorithm::ALL.iter().filter(|a| a.is_available()).map(|a| a.as_str()).collect();
    match text.parse::<Algorithm>() {
        Ok(algorithm) if algorithm.is_available() => Ok(algorithm),
        Ok(_) => Err(format!("{text:?} is not available in this version; allowed: {}", available.join(", "))),
        Err(_) => Err(unknown("algorithm", text, &available)),
    }
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let net = text.parse::<IpNet>().ok().or_else(single);
    net.ok_or_else(|| format!("{text:?} is no network: write 10.0.0.0/8, 2001:db8::/32 or one address"))
}

/// A subject alternative name of a certificate: a DNS name, a URI, an address of mail or of a machine.
pub(crate) fn san(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LABEL || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!(
            "{text:?} is no name of a certificate: write it as it stands there, such as ops.example.com, \
             spiffe://example.com/ops or ops@example.com"
        ));
    }
    Ok(text.to_owned())
}

/// A path in the file system.
pub(crate) fn file(text: &str) -> Result<std::path::PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("{text:?} is no path of a file"));
    }
    Ok(text.into())
}

/// A path of a route or a check.
pub(crate) fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no path: it begins with / and has visible ASCII characters alone, but no #"))
}

/// A path that routes compare: without a query, in normal form.
pub(crate) fn route_path(text: &str) -> Result<String, String> {
    let path = path(text)?;
    let segments_fit = !path.contains("//") && path.split('/').all(|segment| segment != "." && segment != "..");
    if path.contains(['?', '%', '\\']) || !segments_fit {
        return Err(format!("{text:?} is not in normal form: no query, no %, no \\, no //, no . or .. segment"));
    }
    Ok(path)
}

/// Fields that belong to one hop or to the framing: no edit may touch them.
const UNTOUCHABLE: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "content-length",
    "expect",
    "proxy-status",
    "proxy-authenticate",
    "proxy-authorization",
];

/// A name of a field that may be edited.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > 256 || !text.bytes().all(token) {
        return Err(format!(
            "{text:?} is no header name: letters, digits and !#$%&'*+-.^_`|~ are allowed, 1..256 of them"
        ));
    }
    if UNTOUCHABLE.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(format!("{text:?} cannot be edited: it belongs to one hop or to the framing of the message"));
    }
    Ok(text.to_owned())
}

/// A value of a field. What is refused is not repeated: it may be a secret with a line end too many.
pub(crate) fn header_value(text: &str) -> Result<String, String> {
    if text == MASK {
        return Err(format!(
            "{MASK:?} is the mask over a value that its reader may not see, and is not stored: give the value itself, \
             or have somebody with the role admin do it"
        ));
    }
    let fits = |b: u8| b == b' ' || b == b'\t' || b.is_ascii_graphic() || b >= 0x80;
    if text.len() > 8190 || !text.bytes().all(fits) || text.trim() != text {
        return Err("this is no header value: at most 8190 visible characters, no spaces at the ends".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_back() {
        for (text, millis) in
            [("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("1h30m", 5_400_000), ("1d", 86_400_000)]
        {
            let read = duration(text).expect(text);
            assert_eq!(read, Duration::from_millis(millis));
            assert_eq!(duration(&write_duration(read)), Ok(read));
        }
        let long = Duration::from_millis(LONGEST - 1);
        assert_eq!(duration(&write_duration(long)), Ok(long));
        for text in ["", "30", "s", "-1s", "1.5s", "30 s", "0s", "400d", "99999999999999999999s", "1x"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_people_read_is_short_and_on_one_line() {
        assert!(title("Backend 1 é").is_ok() && label("").is_ok() && label(&"x".repeat(LABEL)).is_ok());
        assert!(title("a\u{1b}[2J").is_err() && label("a\nb").is_err() && label_name("").is_err());
        assert!(title(&"x".repeat(NAME + 1)).is_err() && label(&"x".repeat(LABEL + 1)).is_err());
    }

    #[test]
    fn hosts_of_routes_are_as_clients_write_them() {
        for (text, exact) in
            [("Example.COM.", "example.com"), ("::1", "[::1]"), ("[0:0::1]", "[::1]"), ("10.0.0.1", "10.0.0.1")]
        {
            assert_eq!(host_pattern(text), Ok(HostPattern::Exact(exact.into())));
        }
        assert_eq!(host_pattern("*.Example.com"), Ok(HostPattern::Wildcard("example.com".into())));
        for text in ["*", "", ".", "a:80", "[::1]:80", "[10.0.0.1]", "*.1.2", "http://a"] {
            assert!(host_pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        for text in ["127.0.0.1", "::1", "[::1]", "localhost", "a.example.com", "my_service"] {
            assert!(host(text).is_ok(), "{text}");
        }
        for text in ["", "a b", "127.0.0", "300.1.1.1", "http://x", "a/b", "x:80", "-".repeat(64).as_str()] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn framing_fields_cannot_be_edited() {
        for name in ["Content-Length", "transfer-encoding", "Connection"] {
            assert!(header_name(name).is_err_and(|message| message.contains("cannot be edited")), "{name}");
        }
        assert!(header_name("X-Team").is_ok());
        let told = header_value("Bearer s3cr3t\r\n").expect_err("no line may end in it");
        assert!(!told.contains("s3cr3t"), "{told}");
        assert!(header_value(MASK).is_err_and(|told| told.contains("mask")) && header_value("****").is_ok());
    }
}
