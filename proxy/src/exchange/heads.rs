//! Writing heads: the received lines are copied as they are, less what ends at this hop, plus what is ours.

use speedmimi_http1::{Framing, Known, ResponseHead, TargetForm, Version, parse_request};

use super::Exchange;
use super::forwarded;
use crate::protocol::Protocol;
use crate::worker::buffers::Scratch;

/// Writes the request head for the backend into the output. Parses the received head again where somebody else's has
/// been parsed since.
pub(crate) fn write_request(exchange: &Exchange<'_>, scratch: &mut Scratch) {
    let request = &exchange.request;
    let server = &exchange.view.snapshot.server;
    let block = request.head_bytes();
    if scratch.owner != request.serial {
        let again = parse_request(block, &server.limits, &mut scratch.request);
        debug_assert!(again.is_ok(), "the same bytes parsed before");
        scratch.owner = request.serial;
    }
    let Scratch { request: head, output, .. } = scratch;
    output.clear();
    output.extend_from_slice(head.method_name.of(block));
    output.push(b' ');
    output.extend_from_slice(head.origin_path(block));
    output.extend_from_slice(b" HTTP/1.1\r\n");
    let edits = &exchange.route().edits.request;
    let replaces_host = head.form == TargetForm::Absolute;
    head.fields.copy_to(block, output, |field| {
        let ends_here = match field.known {
            Known::TransferEncoding | Known::Trailer => false,
            Known::Host => replaces_host,
            _ => field.hop,
        };
        !ends_here && forwarded::keeps(server, request, block, field) && !edits.drops(field.name.of(block))
    });
    if (replaces_host || head.fields.find(Known::Host).is_none()) && !edits.drops(b"host") {
        output.extend_from_slice(b"Host: ");
        if let Some(authority) = head.authority {
            output.extend_from_slice(authority.of(block));
        }
        output.extend_from_slice(b"\r\n");
    }
    if request.protocol == Protocol::WebSocket {
        output.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    forwarded::append(output, head, request, block, exchange.client.peer, edits);
    output.extend_from_slice(&edits.appended);
    output.extend_from_slice(b"\r\n");
}

/// How the response reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The client is told that the connection ends.
    pub(crate) close: bool,
    /// Chunks are taken apart: the client does not know them.
    pub(crate) dechunk: bool,
}

/// Writes the response head for the client into the output, behind what is there.
pub(crate) fn write_response(
    exchange: &Exchange<'_>,
    output: &mut Vec<u8>,
    head: &ResponseHead,
    buffer: &[u8],
    delivery: Delivery,
) {
    let edits = &exchange.route().edits.response;
    write_status(output, head, buffer);
    let keeps_coding = head.framing == Framing::Chunked && !delivery.dechunk;
    head.fields.copy_to(buffer, output, |field| {
        let ends_here = match field.known {
            Known::TransferEncoding => !keeps_coding,
            Known::Trailer => delivery.dechunk,
            _ => field.hop,
        };
        !ends_here && !edits.drops(field.name.of(buffer))
    });
    output.extend_from_slice(&edits.appended);
    if delivery.close {
        output.extend_from_slice(b"Connection: close\r\n");
    } else if exchange.request.version == Version::Http10 {
        output.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    output.extend_from_slice(b"\r\n");
}

/// Writes an interim response (1xx) or the answer to an upgrade.
pub(crate) fn write_interim(output: &mut Vec<u8>, head: &ResponseHead, buffer: &[u8]) {
    write_status(output, head, buffer);
    head.fields.copy_to(buffer, output, |field| !field.hop && field.known != Known::TransferEncoding);
    if head.status == 101 {
        output.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    output.extend_from_slice(b"\r\n");
}

fn write_status(output: &mut Vec<u8>, head: &ResponseHead, buffer: &[u8]) {
    let status = head.status;
    let digits = [b'0' + (status / 100 % 10) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(&digits);
    output.push(b' ');
    output.extend_from_slice(head.reason.of(buffer));
    output.extend_from_slice(b"\r\n");
}
