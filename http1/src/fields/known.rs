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
        let candidates: &[(&[u8], Self)] = match name.len() {
            2 => &[(b"te", Self::Te)],
            3 => &[(b"via", Self::Via)],
            4 => &[(b"host", Self::Host), (b"date", Self::Date)],
            6 => &[(b"accept", Self::Accept), (b"server", Self::Server), (b"expect", Self::Expect)],
            7 => &[(b"upgrade", Self::Upgrade), (b"trailer", Self::Trailer)],
            9 => &[(b"forwarded", Self::Forwarded)],
            10 => &[(b"connection", Self::Connection), (b"keep-alive", Self::KeepAlive)],
            11 => &[(b"retry-after", Self::RetryAfter)],
            12 => &[(b"content-type", Self::ContentType), (b"proxy-status", Self::ProxyStatus)],
            13 => &[(b"last-event-id", Self::LastEventId)],
            14 => &[(b"content-length", Self::ContentLength), (b"http2-settings", Self::Http2Settings)],
            15 => &[(b"x-forwarded-for", Self::XForwardedFor)],
            16 => &[(b"x-forwarded-host", Self::XForwardedHost), (b"proxy-connection", Self::ProxyConnection)],
            17 => &[
                (b"transfer-encoding", Self::TransferEncoding),
                (b"x-forwarded-proto", Self::XForwardedProto),
                (b"sec-websocket-key", Self::SecWebsocketKey),
            ],
            18 => &[(b"proxy-authenticate", Self::ProxyAuthenticate)],
            19 => &[(b"proxy-authorization", Self::ProxyAuthorization)],
            21 => &[
                (b"sec-websocket-version", Self::SecWebsocketVersion),
                (b"endpoint-load-metrics", Self::EndpointLoadMetrics),
            ],
            25 => &[(b"endpoint-load-metrics-bin", Self::EndpointLoadMetrics)],
            26 => &[(b"endpoint-load-metrics-json", Self::EndpointLoadMetrics)],
            _ => &[],
        };
        candidates
            .iter()
            .find(|(candidate, _)| name.eq_ignore_ascii_case(candidate))
            .map_or(Self::Other, |&(_, known)| known)
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
        }
        assert_eq!(Known::of_name(b"X-Other"), Known::Other);
        assert_eq!(Known::of_name(b""), Known::Other);
    }
}
