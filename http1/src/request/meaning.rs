//! What the fields of a complete request head mean together.

use super::{RequestError, RequestHead, Upgrade};
use crate::fields::{self, Options};
use crate::framing::Declared;
use crate::{Framing, Known, Method, Span, Version, authority, list};

/// What is gathered from the fields in one walk.
#[derive(Default)]
struct Gathered {
    host: Option<Span>,
    declared: Declared,
    expects: bool,
    accepts_event_stream: bool,
    upgrades: bool,
    websocket: bool,
    websocket_keys: u8,
    websocket_version: bool,
}

/// Judges the fields of a complete head and fills in what they mean.
pub(super) fn settle(buf: &[u8], head: &mut RequestHead) -> Result<(), RequestError> {
    let options = fields::apply_connection(&mut head.fields, buf).map_err(|_| RequestError::ConnectionOptions)?;
    let gathered = gather(buf, head)?;
    settle_host(buf, head, gathered.host)?;
    head.framing = gathered.declared.framing(head.version, Framing::None)?;
    head.keep_alive = options.persistent(head.version);
    let has_body = !matches!(head.framing, Framing::None | Framing::Length(0));
    head.expect_continue = gathered.expects && has_body && head.version == Version::Http11;
    head.accepts_event_stream = gathered.accepts_event_stream;
    head.upgrade = upgrade(head, &gathered, options, has_body);
    Ok(())
}

fn gather(buf: &[u8], head: &RequestHead) -> Result<Gathered, RequestError> {
    let mut gathered = Gathered::default();
    for field in &head.fields {
        let value = || field.value.of(buf);
        match field.known {
            Known::Host if gathered.host.is_some() => return Err(RequestError::HostRepeated),
            Known::Host => gathered.host = Some(field.value),
            Known::ContentLength | Known::TransferEncoding => gathered.declared.add(field.known, value())?,
            Known::Expect if gathered.expects || !value().eq_ignore_ascii_case(b"100-continue") => {
                return Err(RequestError::Expectation);
            }
            Known::Expect => gathered.expects = true,
            Known::Accept => gathered.accepts_event_stream |= list::elements(value()).any(is_event_stream),
            Known::Upgrade => {
                gathered.upgrades = true;
                gathered.websocket |= list::elements(value()).any(|name| name.eq_ignore_ascii_case(b"websocket"));
            }
            Known::SecWebsocketKey if !field.value.is_empty() => {
                gathered.websocket_keys = gathered.websocket_keys.saturating_add(1);
            }
            Known::SecWebsocketVersion => gathered.websocket_version = value() == b"13",
            _ => {}
        }
    }
    Ok(gathered)
}

/// `Host` stands exactly once in HTTP/1.1, at most once in HTTP/1.0, and is always valid, also
/// where an absolute target makes it void (RFC 9112 §3.2).
fn settle_host(buf: &[u8], head: &mut RequestHead, host: Option<Span>) -> Result<(), RequestError> {
    match host {
        None if head.version == Version::Http11 => return Err(RequestError::HostMissing),
        Some(host) if !authority::is_valid(host.of(buf)) => return Err(RequestError::HostInvalid),
        _ => {}
    }
    head.authority = head.authority.or(host);
    Ok(())
}

fn upgrade(head: &RequestHead, gathered: &Gathered, options: Options, has_body: bool) -> Upgrade {
    let complete = gathered.websocket
        && options.upgrade
        && head.method == Method::Get
        && head.version == Version::Http11
        && !has_body
        && gathered.websocket_keys == 1
        && gathered.websocket_version;
    match (gathered.upgrades, complete) {
        (false, _) => Upgrade::None,
        (true, true) => Upgrade::WebSocket,
        (true, false) => Upgrade::Other,
    }
}

/// Whether an element of `Accept` asks for events: `text/event-stream`, quality not 0.
fn is_event_stream(element: &[u8]) -> bool {
    let (media_type, parameters) = list::media_type(element);
    media_type.eq_ignore_ascii_case(b"text/event-stream")
        && !parameters.split(|&byte| byte == b';').map(list::trim).any(is_zero_quality)
}

/// `q=0`, `q=0.0` and so on.
fn is_zero_quality(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'.' | b'0')),
        _ => false,
    }
}
