//! The only place where an error becomes an answer.

use std::future::poll_fn;
use std::io::Write as _;
use std::task::Poll;

use speedmimi_http1::{BodyScanner, Known, Limits, Parsed, RequestHead, Version, parse_request};

use super::request::Request;
use crate::downstream::h1::Client;
use crate::reason::Reason;
use crate::worker::table::Signal;

mod accept;

/// An answer the proxy makes itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) reason: Reason,
    /// The connection ends with it.
    pub(crate) close: bool,
    /// As JSON instead of text.
    pub(crate) json: bool,
    /// Without its body: the request was HEAD.
    pub(crate) head_only: bool,
}

/// The answer for a request, and whether the connection ends with it: it goes on only when nothing of the request is
/// still to come.
pub(crate) fn for_request(client: &Client, request: &Request, body: BodyScanner, reason: Reason) -> (bool, Answer) {
    let close = !request.keep_alive
        || !body.is_done()
        || client.worker.is_draining()
        || request.version == Version::Http10
        || reason == Reason::BadRequest;
    let mut head = RequestHead::default();
    let bytes = request.head_bytes();
    let json = matches!(parse_request(bytes, &Limits::default(), &mut head), Ok(Parsed::Complete))
        && head
            .fields
            .iter()
            .filter(|field| field.known == Known::Accept)
            .any(|f| accept::prefers_json(f.value.of(bytes)));
    (close, Answer { reason, close, json, head_only: request.method.is_head() })
}

/// What became of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// Bytes that went out.
    pub(crate) bytes: u64,
    /// All of it did.
    pub(crate) whole: bool,
    /// It did not because an operator ended it.
    pub(crate) cut: bool,
}

/// Writes the answer within `server.write_timeout`.
pub(crate) async fn send(client: &mut Client, answer: &Answer) -> Said {
    let bytes = render(answer);
    let worker = client.worker.clone();
    worker.clock.refresh();
    let wait = worker.view().snapshot.server.write_timeout;
    worker.table.arm(client.key, worker.clock.after(wait));
    let mut taken = 0;
    let mut cut = false;
    poll_fn(|context| {
        while taken < bytes.len() {
            match worker.table.poll(client.key, context) {
                None => {}
                Some(Signal::Asked) => continue,
                Some(signal) => {
                    cut = signal == Signal::Cut;
                    break;
                }
            }
            match crate::io::write(&client.socket, &bytes[taken..], context) {
                Poll::Ready(Ok(written)) if written > 0 => taken += written,
                Poll::Ready(_) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Said { bytes: taken as u64, whole: taken == bytes.len(), cut })
    })
    .await
}

fn render(answer: &Answer) -> Vec<u8> {
    let Answer { reason, close, json, head_only } = *answer;
    let row = reason.row();
    let message = message(reason);
    let (kind, body) = if json {
        let body = format!("{{\"error\":\"{message}\",\"reason\":\"{}\"}}\n", row.token);
        ("application/json", body)
    } else {
        // Exactly these bytes for a full upstream: scripts compare them.
        ("text/plain; charset=utf-8", message)
    };
    let mut bytes = Vec::with_capacity(512);
    write!(
        bytes,
        "HTTP/1.1 {} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Proxy-Status: speedmimi; error={}; reason={}\r\n",
        row.status,
        phrase(row.status),
        body.len(),
        row.proxy_status,
        row.token,
    )
    .expect("writing to a Vec cannot fail");
    if reason == Reason::MethodNotAllowed {
        bytes.extend_from_slice(b"Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE\r\n");
    }
    if close {
        bytes.extend_from_slice(b"Connection: close\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if !head_only {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

fn message(reason: Reason) -> String {
    format!("{} ({})", phrase(reason.status()), detail(reason))
}

/// One line for a person. Never an address of a backend.
const fn detail(reason: Reason) -> &'static str {
    match reason {
        Reason::ConnectionLimit => "All backends at connection limit",
        Reason::NoBackend => "No backend is available",
        Reason::Draining => "The proxy is stopping",
        Reason::ConnectFailed => "The backend refused the connection",
        Reason::UpstreamClosed => "The backend closed the connection before it answered",
        Reason::UpstreamProtocol => "The backend's answer is not valid HTTP",
        Reason::ConnectTimeout => "The backend did not accept the connection in time: timeouts.connect",
        Reason::FirstByteTimeout => "The backend did not begin to answer in time: timeouts.first_byte",
        Reason::IdleTimeout => "The backend stopped in the middle: timeouts.idle",
        Reason::TotalTimeout => "The exchange took too long: timeouts.total",
        Reason::BadRequest => "The request is not one unambiguous HTTP message",
        Reason::RequestTimeout => "The request did not arrive in time: server.read_timeout",
        Reason::UriTooLong => "The request line is too long: server.limits.request_line",
        Reason::HeaderTooLarge => "The header is too large: server.limits.header_field, header_count",
        Reason::BodyTooLarge => "The body is too large: server.limits.body",
        Reason::RouteNotFound => "No route for this host and path",
        Reason::MethodNotAllowed => "This method is not proxied",
        Reason::NotImplemented => "Not offered by this proxy",
        Reason::VersionNotSupported => "HTTP/1.0 and HTTP/1.1 are spoken here",
        Reason::Internal => "A fault of the proxy",
        Reason::Disconnected => "An operator disconnected the backend",
        Reason::ClientClosed | Reason::WriteTimeout => "The client left",
    }
}

const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Client Closed Request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_upstream_is_answered_with_the_words_of_the_contract() {
        let answer = Answer { reason: Reason::ConnectionLimit, close: false, json: false, head_only: false };
        let text = String::from_utf8(render(&answer)).expect("ASCII");
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nService Unavailable (All backends at connection limit)"), "{text}");
        assert!(
            text.contains("\r\nProxy-Status: speedmimi; error=connection_limit_reached; reason=connection_limit\r\n")
        );
    }

    #[test]
    fn every_answer_is_a_whole_message() {
        for &reason in Reason::ALL {
            for json in [false, true] {
                let bytes = render(&Answer { reason, close: true, json, head_only: false });
                let mut head = speedmimi_http1::ResponseHead::default();
                let limits = Limits::default();
                let parsed = speedmimi_http1::parse_response(&bytes, speedmimi_http1::Method::Get, &limits, &mut head);
                assert!(matches!(parsed, Ok(Parsed::Complete)), "{reason:?}");
                let length = (bytes.len() - head.len) as u64;
                assert_eq!(head.framing, speedmimi_http1::Framing::Length(length), "{reason:?}");
            }
        }
    }
}
