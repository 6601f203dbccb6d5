//! The fields that tell a backend who asked: taken from trusted peers, never from anybody else.

use std::io::Write as _;

use speedmimi_http1::{Field, Known, RequestHead};

use super::request::Request;
use crate::snapshot::{Edits, ServerRules};

/// Whether a forwarding field of the client's is copied as it is.
pub(crate) fn keeps(server: &ServerRules, request: &Request, block: &[u8], field: &Field) -> bool {
    match field.known {
        // Written anew, with the peer appended.
        Known::XForwardedFor => false,
        Known::XForwardedProto | Known::XForwardedHost | Known::Forwarded => request.trusted,
        _ => match &server.real_ip_header {
            Some(name) if !request.trusted => !field.name.of(block).eq_ignore_ascii_case(name.as_bytes()),
            _ => true,
        },
    }
}

/// Appends the forwarding fields, but for those that the route removes or sets itself.
pub(crate) fn append(
    output: &mut Vec<u8>,
    head: &RequestHead,
    request: &Request,
    block: &[u8],
    peer: std::net::IpAddr,
    edits: &Edits,
) {
    if !edits.drops(b"x-forwarded-for") {
        append_for(output, head, request, block, peer);
    }
    let ours = |known, name| (!request.trusted || head.fields.find(known).is_none()) && !edits.drops(name);
    if ours(Known::XForwardedProto, b"x-forwarded-proto") {
        output.extend_from_slice(b"X-Forwarded-Proto: http\r\n");
    }
    if ours(Known::XForwardedHost, b"x-forwarded-host")
        && let Some(authority) = head.authority.filter(|authority| !authority.is_empty())
    {
        output.extend_from_slice(b"X-Forwarded-Host: ");
        output.extend_from_slice(authority.of(block));
        output.extend_from_slice(b"\r\n");
    }
}

fn append_for(output: &mut Vec<u8>, head: &RequestHead, request: &Request, block: &[u8], peer: std::net::IpAddr) {
    output.extend_from_slice(b"X-Forwarded-For: ");
    if request.trusted {
        for field in head.fields.iter().filter(|field| field.known == Known::XForwardedFor) {
            let value = field.value.of(block);
            if !value.is_empty() {
                output.extend_from_slice(value);
                output.extend_from_slice(b", ");
            }
        }
    }
    append_address(output, peer);
    output.extend_from_slice(b"\r\n");
}

fn append_address(output: &mut Vec<u8>, address: std::net::IpAddr) {
    if let std::net::IpAddr::V4(v4) = address {
        // The common case by hand: the formatting machinery costs ten times as much.
        for (index, octet) in v4.octets().into_iter().enumerate() {
            if index > 0 {
                output.push(b'.');
            }
            if octet >= 100 {
                output.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                output.push(b'0' + octet / 10 % 10);
            }
            output.push(b'0' + octet % 10);
        }
    } else {
        write!(output, "{address}").expect("writing to a Vec cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_writes_them() {
        for text in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "10.20.100.9", "2001:db8::1"] {
            let mut output = Vec::new();
            append_address(&mut output, text.parse().expect("an address"));
            assert_eq!(output, text.as_bytes());
        }
    }
}
