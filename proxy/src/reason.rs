//! Why an exchange did not end as its client wished: the closed list of CONTRACT.
//!
//! One table decides the token, the HTTP status, the gRPC code and the registered `Proxy-Status` error type
//! (RFC 9209 §2.3); the answer, the access log and the metric label all read it.

/// A row of the table behind [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The token users see: `reason=TOKEN`, metric label, access log field.
    pub token: &'static str,
    /// HTTP status of the proxy's own answer; 499 where there is nobody left to answer.
    pub status: u16,
    /// Numeric `google.rpc.Code` for gRPC clients.
    pub grpc: u8,
    /// Registered error type of RFC 9209.
    pub proxy_status: &'static str,
    /// Whose doing it was.
    pub blame: Blame,
}

/// Who has to act for the refusal to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The client sent something unusable, or left.
    Client,
    /// A backend failed, was slow, or was full.
    Backend,
    /// The operator's configuration or this process.
    Proxy,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $token:literal, $status:literal, $grpc:literal, $kind:literal, $blame:ident;)*) => {
        /// A reason token. Metric arrays are indexed by `reason as usize`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The row of this reason.
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        token: $token, status: $status, grpc: $grpc, proxy_status: $kind, blame: Blame::$blame,
                    }),*
                }
            }
        }
    };
}

reasons! {
    /// Every usable backend is at its connection limit.
    ConnectionLimit = "connection_limit", 503, 14, "connection_limit_reached", Backend;
    /// No backend is enabled and up.
    NoBackend = "no_backend", 503, 14, "destination_unavailable", Backend;
    /// The proxy is stopping.
    Draining = "draining", 503, 14, "proxy_internal_response", Proxy;
    /// Every address refused the connection.
    ConnectFailed = "connect_failed", 502, 14, "connection_refused", Backend;
    /// The backend closed before it answered.
    UpstreamClosed = "upstream_closed", 502, 14, "connection_terminated", Backend;
    /// The backend answered with something that is not HTTP.
    UpstreamProtocol = "upstream_protocol", 502, 14, "http_protocol_error", Backend;
    /// `timeouts.connect` passed.
    ConnectTimeout = "connect_timeout", 504, 4, "connection_timeout", Backend;
    /// `timeouts.first_byte` passed.
    FirstByteTimeout = "first_byte_timeout", 504, 4, "http_response_timeout", Backend;
    /// `timeouts.idle` passed.
    IdleTimeout = "idle_timeout", 504, 4, "connection_read_timeout", Backend;
    /// `timeouts.total` passed.
    TotalTimeout = "total_timeout", 504, 4, "http_response_timeout", Backend;
    /// Not one unambiguous HTTP request.
    BadRequest = "bad_request", 400, 3, "http_request_error", Client;
    /// The head, or the next bytes of the body, did not arrive within `server.read_timeout`.
    RequestTimeout = "request_timeout", 408, 4, "http_request_error", Client;
    /// The request line is longer than `server.limits.request_line`.
    UriTooLong = "uri_too_long", 414, 3, "http_request_error", Client;
    /// A field is longer, or there are more, than `server.limits` allows.
    HeaderTooLarge = "header_too_large", 431, 3, "http_request_error", Client;
    /// The body is larger than `server.limits.body`.
    BodyTooLarge = "body_too_large", 413, 3, "http_request_error", Client;
    /// No route matches host and path.
    RouteNotFound = "route_not_found", 404, 12, "destination_not_found", Proxy;
    /// A method that is never proxied (CONNECT).
    MethodNotAllowed = "method_not_allowed", 405, 12, "http_request_denied", Client;
    /// A part of HTTP that this version does not offer.
    NotImplemented = "not_implemented", 501, 12, "http_request_error", Client;
    /// Not HTTP/1.0 or HTTP/1.1.
    VersionNotSupported = "version_not_supported", 505, 3, "http_request_error", Client;
    /// A fault of ours.
    Internal = "internal", 500, 13, "proxy_internal_error", Proxy;
    /// The client left before the end; logs and metrics only.
    ClientClosed = "client_closed", 499, 1, "http_request_error", Client;
    /// The client took no byte for `server.write_timeout`; logs and metrics only.
    WriteTimeout = "write_timeout", 499, 1, "http_request_error", Client;
    /// An operator cut the backend's exchanges; logs and metrics, and 503 when no answer had begun.
    Disconnected = "disconnected", 503, 14, "destination_unavailable", Proxy;
}

impl Reason {
    /// The token users see.
    pub const fn token(self) -> &'static str {
        self.row().token
    }

    /// Status of the proxy's own answer.
    pub const fn status(self) -> u16 {
        self.row().status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unique_and_in_table_order() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(Reason::ALL.iter().filter(|other| other.token() == reason.token()).count(), 1);
        }
    }
}
