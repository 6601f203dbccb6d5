//! What keeps pages of the web away from management: a browser sends requests wherever a page wants it to, with the
//! reach of the machine it runs on. It cannot help saying so.

use axum::http::{HeaderMap, Method, header};

/// What a browser says about the page that wants a request made.
const SITE: &str = "sec-fetch-site";
/// What a page of ours adds to a change without a body: a foreign one may not add fields without asking first.
const OURS: &str = "x-speedmimi";

/// Why a request that a browser may have made is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The page is somebody else's.
    #[error("a page of another origin may not use management")]
    Foreign,
    /// A form can send it.
    #[error("a change made by a browser needs content-type: application/json or, without a body, X-SpeedMimi: 1")]
    Form,
    /// The gRPC face knows no browsers.
    #[error("the gRPC face does not answer browsers")]
    Browser,
}

/// Whether the request may go on, as far as browsers are concerned. `own` says whether a host, with its port if it has
/// one, is ours.
pub fn check(method: &Method, headers: &HeaderMap, own: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    // Several values, or one that is no text, are nobody's.
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap_or(""));
        if values.next().is_some() { Some("") } else { first }
    };
    let (origin, site) = (one("origin"), one(SITE));
    if origin.is_some_and(|origin| !is_same(origin, one("host"), &own))
        || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
    {
        return Err(Refusal::Foreign);
    }
    let browser = is_browser(headers);
    if !browser || matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let json = one("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    let bodyless = !headers.contains_key(header::TRANSFER_ENCODING)
        && one("content-length").is_none_or(|length| length == "0")
        && !headers.contains_key(header::CONTENT_TYPE);
    if json || (bodyless && one(OURS) == Some("1")) { Ok(()) } else { Err(Refusal::Form) }
}

/// Whether a browser made the request: no other client says where a page came from.
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// An origin is ours when it is the host that was asked, and that is one of ours.
fn is_same(origin: &str, host: Option<&str>, own: &impl Fn(&str) -> bool) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) && own(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(method: &Method, fields: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1:9091".parse().expect("a value"));
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        check(method, &headers, |host| host.starts_with("127.0.0.1"))
    }

    #[test]
    fn pages_of_others_are_refused() {
        let own = ("origin", "http://127.0.0.1:9091");
        for fields in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:8080")],
            &[own, own],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[own, ("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(outcome(&Method::GET, fields), Err(Refusal::Foreign), "{fields:?}");
        }
        for fields in [&[][..], &[own], &[own, ("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]] {
            assert_eq!(outcome(&Method::GET, fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn a_form_changes_nothing() {
        let page = ("sec-fetch-site", "same-origin");
        let ours = ("x-speedmimi", "1");
        for fields in [
            &[page][..],
            &[page, ("content-type", "text/plain"), ("content-length", "2")],
            &[page, ours, ("content-length", "2")],
            &[page, ours, ("content-type", "text/plain")],
            &[page, ours, ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(outcome(&Method::POST, fields), Err(Refusal::Form), "{fields:?}");
        }
        for fields in [
            &[][..],
            &[page, ours],
            &[page, ours, ("content-length", "0")],
            &[page, ("content-type", "application/json; charset=utf-8")],
        ] {
            assert_eq!(outcome(&Method::POST, fields), Ok(()), "{fields:?}");
        }
    }
}
