//! Heads as text, taken apart without judgement: what a test expects is for the test to say.

/// Header or trailer fields in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a comma-separated field has this member.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).iter().flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    pub fn push_line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        self.0.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// The first line and the fields of a head.
pub fn split_head(head: &[u8]) -> (String, Fields) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let mut fields = Fields::default();
    lines.for_each(|line| fields.push_line(line));
    (first, fields)
}

/// A response as a client saw it.
#[derive(Debug, Clone)]
pub struct Response {
    pub version: String,
    pub status: u16,
    pub reason: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
}

impl Response {
    /// A response without its body yet.
    pub fn from_head(head: &[u8]) -> Self {
        let (line, fields) = split_head(head);
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().unwrap_or_default().parse().unwrap_or_else(|_| panic!("no status in {line:?}"));
        let reason = words.next().unwrap_or_default().to_owned();
        Self { version, status, reason, fields, body: Vec::new(), trailers: Fields::default() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header field; the test fails without it.
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no field {name} in {self:#?}"))
    }

    /// Fails unless this is the proxy's own answer with that status and reason token.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, token: &str) {
        assert_eq!(self.status, status, "expected {status} {token}: {self:#?}");
        let field = self.field("proxy-status");
        let parts: Vec<&str> = field.split(';').map(str::trim).collect();
        assert_eq!(parts.first(), Some(&"speedmimi"), "Proxy-Status: {field}");
        let error = parts.iter().find_map(|part| part.strip_prefix("error="));
        assert!(error.is_some_and(|error| REGISTERED.contains(&error)), "no registered error type: {field}");
        assert!(
            parts.contains(&format!("reason={token}").as_str()),
            "expected reason={token} in Proxy-Status: {field}"
        );
    }

    /// Fails unless a backend's answer came through with that status and without a word of the proxy's own.
    #[track_caller]
    pub fn assert_forwarded(&self, status: u16) {
        assert_eq!(self.status, status, "{self:#?}");
        assert!(!self.fields.has("proxy-status"), "Proxy-Status on a forwarded answer: {self:#?}");
    }
}

/// The error types of RFC 9209 §2.3.
const REGISTERED: &[&str] = &[
    "dns_timeout",
    "dns_error",
    "destination_not_found",
    "destination_unavailable",
    "destination_ip_prohibited",
    "destination_ip_unroutable",
    "connection_refused",
    "connection_terminated",
    "connection_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "connection_limit_reached",
    "tls_protocol_error",
    "tls_certificate_error",
    "tls_alert_received",
    "http_request_error",
    "http_request_denied",
    "http_response_incomplete",
    "http_response_header_section_size",
    "http_response_header_size",
    "http_response_body_size",
    "http_response_trailer_section_size",
    "http_response_trailer_size",
    "http_response_transfer_coding",
    "http_response_content_coding",
    "http_response_timeout",
    "http_upgrade_failed",
    "http_protocol_error",
    "proxy_internal_response",
    "proxy_internal_error",
    "proxy_configuration_error",
    "proxy_loop_detected",
];
