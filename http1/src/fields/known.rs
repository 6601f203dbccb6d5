//! Names that the proxy acts on.

/// A field name that something in the proxy looks for; all others are [`Known::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Known {
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Upgrade`
    Upgrade,
    /// `Expect`
    Expect,
    /// `Forwarded`
    Forwarded,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `Accept`
    Accept,
    /// `Content-Type`
    ContentType,
    /// `Date`
    Date,
    /// `Server`
    Server,
    /// `Via`
    Via,
    /// `Retry-After`
    RetryAfter,
    /// `Proxy-Status`
    ProxyStatus,
    /// `Sec-WebSocket-Key`
    SecWebsocketKey,
    /// `Sec-WebSocket-Version`
    SecWebsocketVersion,
    /// `HTTP2-Settings`
    Http2Settings,
    /// A load report in a header (ORCA): `endpoint-load-metrics`, `-bin` or `-json`.
    EndpointLoadMetrics,
    /// `Last-Event-ID`
    LastEventId,
    /// Any other name.
    Other,
}

impl Known {
    /// The known name that `name` is, in any case.
    pub fn of_name(name: &[u8]) -> Self {
        let Some(first) = name.first() else { return Self::Other };
        // Length and first letter leave one candidate, so that most names cost no comparison.
        let (candidate, known): (&[u8], Self) = match (name.len(), first | 0x20) {
            (2, b't') => (b"te", Self::Te),
            (3, b'v') => (b"via", Self::Via),
            (4, b'h') => (b"host", Self::Host),
            (4, b'd') => (b"date", Self::Date),
            (6, b'a') => (b"accept", Self::Accept),
            (6, b's') => (b"server", Self::Server),
            (6, b'e') => (b"expect", Self::Expect),
            (7, b'u') => (b"upgrade", Self::Upgrade),
            (7, b't') => (b"trailer", Self::Trailer),
            (9, b'f') => (b"forwarded", Self::Forwarded),
            (10, b'c') => (b"connection", Self::Connection),
            (10, b'k') => (b"keep-alive", Self::KeepAlive),
            (11, b'r') => (b"retry-after", Self::RetryAfter),
            (12, b'c') => (b"content-type", Self::ContentType),
            (12, b'p') => (b"proxy-status", Self::ProxyStatus),
            (13, b'l') => (b"last-event-id", Self::LastEventId),
            (14, b'c') => (b"content-length", Self::ContentLength),
            (14, b'h') => (b"http2-settings", Self::Http2Settings),
            (15, b'x') => (b"x-forwarded-for", Self::XForwardedFor),
            (16, b'x') => (b"x-forwarded-host", Self::XForwardedHost),
            (16, b'p') => (b"proxy-connection", Self::ProxyConnection),
            (17, b't') => (b"transfer-encoding", Self::TransferEncoding),
            (17, b'x') => (b"x-forwarded-proto", Self::XForwardedProto),
            (17, b's') => (b"sec-websocket-key", Self::SecWebsocketKey),
            (18, b'p') => (b"proxy-authenticate", Self::ProxyAuthenticate),
            (19, b'p') => (b"proxy-authorization", Self::ProxyAuthorization),
            (21, b's') => (b"sec-websocket-version", Self::SecWebsocketVersion),
            (21, b'e') => (b"endpoint-load-metrics", Self::EndpointLoadMetrics),
            (25, b'e') => (b"endpoint-load-metrics-bin", Self::EndpointLoadMetrics),
            (26, b'e') => (b"endpoint-load-metrics-json", Self::EndpointLoadMetrics),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(candidate) { known } else { Self::Other }
    }

    /// Whether a field of this name is for this connection only.
    ///
    /// RFC 9110 §7.6.1 names `Connection`, `Proxy-Connection`, `Keep-Alive`, `TE`,
    /// `Transfer-Encoding` and `Upgrade`. Added here: `HTTP2-Settings`, which belongs to an
    /// upgrade that is never passed on; `Proxy-Authenticate` and `Proxy-Authorization`, whose
    /// other end is a proxy and not a backend; load reports, which are for us. `Trailer`
    /// announces what stands behind a forwarded chunked body and stays.
    pub fn is_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ProxyConnection
                | Self::KeepAlive
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::EndpointLoadMetrics
        )
    }

    pub(crate) fn bit(self) -> u64 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        let names = [
            ("Host", Known::Host),
            ("Content-Length", Known::ContentLength),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("Connection", Known::Connection),
            ("Keep-Alive", Known::KeepAlive),
            ("Proxy-Connection", Known::ProxyConnection),
            ("Proxy-Authenticate", Known::ProxyAuthenticate),
            ("Proxy-Authorization", Known::ProxyAuthorization),
            ("TE", Known::Te),
            ("Trailer", Known::Trailer),
            ("Upgrade", Known::Upgrade),
            ("Expect", Known::Expect),
            ("Forwarded", Known::Forwarded),
            ("X-Forwarded-For", Known::XForwardedFor),
            ("X-Forwarded-Proto", Known::XForwardedProto),
            ("X-Forwarded-Host", Known::XForwardedHost),
            ("Accept", Known::Accept),
            ("Content-Type", Known::ContentType),
            ("Date", Known::Date),
            ("Server", Known::Server),
            ("Via", Known::Via),
            ("Retry-After", Known::RetryAfter),
            ("Proxy-Status", Known::ProxyStatus),
            ("Sec-WebSocket-Key", Known::SecWebsocketKey),
            ("Sec-WebSocket-Version", Known::SecWebsocketVersion),
            ("HTTP2-Settings", Known::Http2Settings),
            ("endpoint-load-metrics", Known::EndpointLoadMetrics),
            ("endpoint-load-metrics-bin", Known::EndpointLoadMetrics),
            ("Endpoint-Load-Metrics-JSON", Known::EndpointLoadMetrics),
            ("Last-Event-ID", Known::LastEventId),
        ];
        for (name, known) in names {
            assert_eq!(Known::of_name(name.as_bytes()), known, "{name}");
            assert_eq!(Known::of_name(name.to_lowercase().as_bytes()), known, "{name}");
            assert_eq!(Known::of_name(name.to_uppercase().as_bytes()), known, "{name}");
            assert_eq!(Known::of_name(format!("{name}x").as_bytes()), Known::Other, "{name}");
            let last = format!("{}x", &name[..name.len() - 1]);
            assert_eq!(Known::of_name(last.as_bytes()), Known::Other, "{last}");
        }
        assert_eq!(Known::of_name(b"X-Other"), Known::Other);
        assert_eq!(Known::of_name(b""), Known::Other);
    }
}
