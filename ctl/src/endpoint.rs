//! Where a proxy is managed.

use std::fmt;
use std::str::FromStr;

/// A management address, as written and as it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    written: String,
    uri: String,
}

impl Endpoint {
    /// Whether it is secured by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.uri.starts_with("https:")
    }

    /// Whether nobody else hears what goes there: TLS, or this machine.
    pub(crate) fn is_private(&self) -> bool {
        let Some(authority) = self.uri.strip_prefix("http://") else { return true };
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }

    /// For a connection: `http://…`, `https://…` or `unix:…`.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    /// `unix:` without a path.
    #[error("unix: needs the path of a socket, as in unix:/run/speedmimi.sock")]
    NoPath,
    /// A scheme that is not spoken.
    #[error("{0}:// is not spoken: write http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH")]
    Scheme(String),
    /// No port.
    #[error("the port is missing: write HOST:PORT, as in 127.0.0.1:9090")]
    NoPort,
    /// Not an address.
    #[error("not an address: write http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH")]
    Malformed,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let written = text.to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(EndpointError::NoPath)
            } else {
                Ok(Self { written, uri: format!("unix:{path}") })
            };
        }
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest.strip_suffix('/').unwrap_or(rest)),
            Some((scheme, _)) => return Err(EndpointError::Scheme(scheme.to_owned())),
            None => ("http", text),
        };
        let authority: tonic::codegen::http::uri::Authority =
            authority.parse().map_err(|_| EndpointError::Malformed)?;
        if authority.host().is_empty() {
            return Err(EndpointError::Malformed);
        }
        if authority.port_u16().is_none() {
            return Err(EndpointError::NoPort);
        }
        Ok(Self { written, uri: format!("{scheme}://{authority}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_an_address() {
        let uri = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.uri);
        assert_eq!(uri("http://127.0.0.1:9090").as_deref(), Ok("http://127.0.0.1:9090"));
        assert_eq!(uri("http://127.0.0.1:9090/").as_deref(), Ok("http://127.0.0.1:9090"));
        assert_eq!(uri("localhost:9090").as_deref(), Ok("http://localhost:9090"));
        assert_eq!(uri("[::1]:9090").as_deref(), Ok("http://[::1]:9090"));
        assert_eq!(uri("unix:/run/s.sock").as_deref(), Ok("unix:/run/s.sock"));
        assert_eq!(uri("unix:///run/s.sock").as_deref(), Ok("unix:/run/s.sock"));
        assert_eq!(uri("unix:"), Err(EndpointError::NoPath));
        assert_eq!(uri("https://a:1/").as_deref(), Ok("https://a:1"));
        assert_eq!(uri("ftp://a:1"), Err(EndpointError::Scheme("ftp".to_owned())));
        assert_eq!(uri("localhost"), Err(EndpointError::NoPort));
        assert_eq!(uri("a b:1"), Err(EndpointError::Malformed));
        assert_eq!(uri("http://a:1/path"), Err(EndpointError::Malformed));
        assert_eq!(uri(":9090"), Err(EndpointError::Malformed));
    }

    #[test]
    fn what_others_could_hear_is_known() {
        let is_private = |text: &str| text.parse::<Endpoint>().expect(text).is_private();
        assert!(["unix:/s", "https://a:1", "http://127.0.0.1:1", "[::1]:1", "localhost:1"].into_iter().all(is_private));
        assert!(!is_private("http://a:1") && !is_private("10.0.0.1:1") && !is_private("localhost.example:1"));
    }
}
