//! Which route a request takes, and who asks.

use std::net::IpAddr;

use speedmimi_http1::{Known, TargetForm, path};

use super::request::Request;
use crate::reason::Reason;
use crate::snapshot::{Found, ServerRules};
use crate::worker::Worker;
use crate::worker::buffers::Scratch;
use crate::worker::view::View;

/// Finds the route and the client address. The head must be the one parsed last.
#[inline]
pub(crate) fn find(worker: &Worker, view: &View, request: &mut Request) -> Result<usize, Reason> {
    search(worker, view, request).map(|found| found.index)
}

/// The same, with the rule that matched.
#[inline]
pub(crate) fn search<'v>(worker: &Worker, view: &'v View, request: &mut Request) -> Result<Found<'v>, Reason> {
    let scratch = &mut *worker.scratch.borrow_mut();
    let block = request.block.as_deref().unwrap_or_default();
    debug_assert_eq!(scratch.owner, request.serial, "routing happens before anybody else parses");
    let server = &view.snapshot.server;
    if !server.trusted.is_empty() && server.trusts(request.client) {
        request.trusted = true;
        request.client = client_address(server, scratch, block, request.client);
    }
    let Scratch { request: head, path: normal, host, .. } = scratch;
    host.clear();
    if let Some(authority) = head.authority {
        let name = without_port(authority.of(block));
        host.extend(name.iter().map(u8::to_ascii_lowercase));
        if host.last() == Some(&b'.') {
            host.pop();
        }
    }
    let target = match head.form {
        TargetForm::Asterisk => &b"/"[..],
        _ => head.path.of(block),
    };
    let target = path::normalise(target, normal).map_err(|_| Reason::BadRequest)?;
    view.snapshot.table.search(host, target).ok_or(Reason::RouteNotFound)
}

/// Walks from the nearest hop to the farthest and stops at the first that is not trusted. An entry that is no
/// address ends the walk at the last hop known.
fn client_address(server: &ServerRules, scratch: &Scratch, block: &[u8], peer: IpAddr) -> IpAddr {
    let fields = scratch.request.fields.iter().rev();
    let values = fields.filter(|field| match &server.real_ip_header {
        Some(name) => field.name.of(block).eq_ignore_ascii_case(name.as_bytes()),
        None => field.known == Known::XForwardedFor,
    });
    let mut client = peer;
    for value in values {
        for entry in value.value.of(block).rsplit(|&byte| byte == b',') {
            let Some(address) = parse_address(entry.trim_ascii()) else { return client };
            client = address;
            if !server.trusts(client) {
                return client;
            }
        }
    }
    client
}

/// An address as proxies write it: bare, with a port, or an IPv6 one in brackets.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = text.parse::<IpAddr>().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(bracketed).map(|address| address.to_canonical())
}

fn without_port(authority: &[u8]) -> &[u8] {
    if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|&byte| byte == b']').map_or(authority.len(), |end| end + 1);
        return &authority[..end];
    }
    let end = authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len());
    &authority[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_spelling() {
        let v4: IpAddr = "192.0.2.1".parse().expect("an address");
        let v6: IpAddr = "2001:db8::1".parse().expect("an address");
        for text in ["192.0.2.1", "192.0.2.1:80", "::ffff:192.0.2.1"] {
            assert_eq!(parse_address(text.as_bytes()), Some(v4), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"] {
            assert_eq!(parse_address(text.as_bytes()), Some(v6), "{text}");
        }
        for text in ["", "unknown", "192.0.2", "_hidden"] {
            assert_eq!(parse_address(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_the_host() {
        for (authority, host) in [("a.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(authority.as_bytes()), host.as_bytes());
        }
    }
}
