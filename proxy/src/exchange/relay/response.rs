//! Backend to client.

use std::task::{Context, Poll};

use speedmimi_http1::{BodyScanner, Framing, Limits, Parsed, Version, parse_response};

use crate::exchange::heads::{self, Delivery};
use crate::exchange::transfer::{End, Stage, Step, Transfer};
use crate::exchange::{Exchange, Then};
use crate::protocol::Protocol;
use crate::reason::Reason;
use crate::stream::tunnel::Tunnel;
use crate::worker::buffers::Scratch;

/// What a backend's head may measure: wider than what clients may send, because cookies and policies grow there.
const LIMITS: Limits = Limits { request_line: 8 * 1024, header_field: 32 * 1024, header_count: 256 };
/// The most bytes of an unfinished response head that are kept.
const HEAD: usize = 128 * 1024;

/// Moves more of the response, unless the client has not taken what came before.
pub(super) fn step(transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    match super::flush_client(transfer, exchange, context) {
        Ok(true) => {}
        Ok(false) => return Step::Wait,
        Err(reason) => return super::fail(exchange, reason),
    }
    if let Stage::Body = transfer.stage
        && transfer.response.is_done()
    {
        return done(transfer, exchange);
    }
    let worker = exchange.worker.clone();
    let scratch = &mut *worker.scratch.borrow_mut();
    let Some(connection) = &mut transfer.connection else { return super::fail(exchange, Reason::Internal) };
    let read = match crate::io::read(&connection.socket, &mut scratch.input, context) {
        Poll::Pending => return Step::Wait,
        Poll::Ready(Ok(read)) if read > 0 => read,
        Poll::Ready(end) => return ended(transfer, exchange, end.is_ok()),
    };
    transfer.moved.upstream = true;
    transfer.admission.backend().cells[worker.index].bytes_received.add(read as u64);
    if !transfer.answered {
        first_byte(transfer, exchange);
    }
    let result = match transfer.stage {
        Stage::Body => body(transfer, exchange, scratch, read, context),
        _ => head(transfer, exchange, scratch, read, context),
    };
    match result {
        Ok(()) if transfer.to_client.is_empty() && is_over(transfer) => done(transfer, exchange),
        Ok(()) => Step::Moved,
        Err(reason) => super::fail(exchange, reason),
    }
}

fn is_over(transfer: &Transfer) -> bool {
    matches!(transfer.stage, Stage::Body) && transfer.response.is_done()
}

fn first_byte(transfer: &mut Transfer, exchange: &mut Exchange<'_>) {
    transfer.answered = true;
    let now = exchange.worker.clock.refresh();
    exchange.figures.first_byte = Some(now.saturating_sub(exchange.request.started));
    let cells = &transfer.admission.backend().cells[exchange.worker.index];
    cells.first_byte.record(now.saturating_sub(transfer.sent_at));
}

/// The response is delivered.
fn done(transfer: &Transfer, exchange: &Exchange<'_>) -> Step {
    let then = match (transfer.close, exchange.body.is_done()) {
        (false, true) => Then::KeepAlive,
        _ => Then::Linger,
    };
    Step::End(End::Done(then))
}

/// The backend closed.
fn ended(transfer: &mut Transfer, exchange: &Exchange<'_>, clean: bool) -> Step {
    transfer.reusable = false;
    match transfer.stage {
        Stage::Body if clean && transfer.response.is_until_close() => done(transfer, exchange),
        _ => super::fail(exchange, Reason::UpstreamClosed),
    }
}

/// Bytes of a body: checked, then written as they are.
fn body(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    scratch: &mut Scratch,
    read: usize,
    context: &mut Context<'_>,
) -> Result<(), Reason> {
    let Scratch { input, output, .. } = scratch;
    let bytes = &input[..read];
    output.clear();
    let consumed = take_body(transfer, bytes, output)?;
    if transfer.dechunk {
        super::write_client(transfer, exchange, output, context)
    } else {
        super::write_client(transfer, exchange, &bytes[..consumed], context)
    }
}

/// Advances over body bytes; where chunks are taken apart, appends what they carry. Returns how many bytes belong to
/// the body. More than that after its end spoils the connection.
fn take_body(transfer: &mut Transfer, bytes: &[u8], output: &mut Vec<u8>) -> Result<usize, Reason> {
    let scanned = if transfer.dechunk {
        transfer.response.scan_data(bytes, |range| output.extend_from_slice(&bytes[range]))
    } else {
        transfer.response.scan(bytes)
    };
    let scanned = scanned.map_err(|_| Reason::UpstreamProtocol)?;
    if scanned.consumed < bytes.len() {
        transfer.reusable = false;
    }
    Ok(scanned.consumed)
}

/// Bytes of a head, perhaps after interim ones, perhaps with the beginning of the body.
fn head(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    scratch: &mut Scratch,
    read: usize,
    context: &mut Context<'_>,
) -> Result<(), Reason> {
    let mut kept = transfer.head.take();
    if let Some(block) = &mut kept {
        block.extend_from_slice(&scratch.input[..read]);
    }
    let result = heads(transfer, exchange, scratch, kept.as_deref(), read, context);
    match (result, kept) {
        (Ok(taken), kept) if !matches!(transfer.stage, Stage::Head) => {
            debug_assert!(taken > 0, "a head has bytes");
            kept.into_iter().for_each(|block| exchange.worker.blocks.put(block));
            Ok(())
        }
        (Ok(taken), Some(mut block)) => {
            block.drain(..taken);
            bounded(block.len())?;
            transfer.head = Some(block);
            Ok(())
        }
        (Ok(taken), None) => {
            if taken < read {
                let mut block = exchange.worker.blocks.take();
                block.extend_from_slice(&scratch.input[taken..read]);
                bounded(block.len())?;
                transfer.head = Some(block);
            }
            Ok(())
        }
        (Err(reason), kept) => {
            kept.into_iter().for_each(|block| exchange.worker.blocks.put(block));
            Err(reason)
        }
    }
}

fn bounded(kept: usize) -> Result<(), Reason> {
    if kept > HEAD { Err(Reason::UpstreamProtocol) } else { Ok(()) }
}

/// Parses heads until a final one or the end of the bytes, and writes to the client what they come to. Returns how
/// many bytes are done with.
fn heads(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    scratch: &mut Scratch,
    kept: Option<&[u8]>,
    read: usize,
    context: &mut Context<'_>,
) -> Result<usize, Reason> {
    let Scratch { input, output, response, .. } = scratch;
    let bytes = kept.unwrap_or(&input[..read]);
    output.clear();
    let mut taken = 0;
    while matches!(transfer.stage, Stage::Head) && taken < bytes.len() {
        let rest = &bytes[taken..];
        match parse_response(rest, exchange.request.method, &LIMITS, response) {
            Ok(Parsed::Partial) => break,
            Ok(Parsed::Complete) => {}
            Err(error) => {
                tracing::debug!(backend = %transfer.admission.backend().id, %error, "an answer is not HTTP");
                return Err(Reason::UpstreamProtocol);
            }
        }
        taken += response.len;
        match response.status {
            101 => taken += upgrade(transfer, exchange, scratch_head(response, rest), output)?,
            100..=199 if exchange.request.version == Version::Http10 => {}
            100..=199 => heads::write_interim(output, response, rest),
            _ => {
                if response.event_stream && response.framing != Framing::None {
                    exchange.streams_events();
                }
                let delivery = deliver(transfer, exchange, response.framing, response.status, response.keep_alive);
                heads::write_response(exchange, output, response, rest, delivery);
                exchange.figures.status = response.status;
                transfer.response = BodyScanner::new(response.framing);
                transfer.stage = Stage::Body;
                let body = &rest[response.len..];
                let consumed = take_body(transfer, body, output)?;
                if !transfer.dechunk {
                    output.extend_from_slice(&body[..consumed]);
                }
                taken = bytes.len();
            }
        }
    }
    if !output.is_empty() {
        super::write_client(transfer, exchange, output, context)?;
    }
    if let Stage::Body | Stage::Tunnel(_) = transfer.stage {
        // The answer has begun: the request will not be told again.
        if !(transfer.to_client.is_empty() && is_over(transfer)) {
            exchange.remember();
        }
        if let Some(block) = exchange.request.block.take() {
            exchange.worker.blocks.put(block);
        }
    }
    Ok(taken)
}

fn scratch_head<'a>(
    head: &'a speedmimi_http1::ResponseHead,
    bytes: &'a [u8],
) -> (&'a speedmimi_http1::ResponseHead, &'a [u8]) {
    (head, bytes)
}

/// The backend agreed to change the protocol: what it was asked for, or nothing. Returns the bytes behind the head,
/// which go along with it.
fn upgrade(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    (head, bytes): (&speedmimi_http1::ResponseHead, &[u8]),
    output: &mut Vec<u8>,
) -> Result<usize, Reason> {
    if exchange.request.protocol != Protocol::WebSocket {
        return Err(Reason::UpstreamProtocol);
    }
    heads::write_interim(output, head, bytes);
    let rest = &bytes[head.len..];
    let mut tunnel = Tunnel::default();
    tunnel.follow_backend(rest);
    output.extend_from_slice(rest);
    exchange.figures.status = 101;
    transfer.reusable = false;
    transfer.close = true;
    transfer.stage = Stage::Tunnel(tunnel);
    Ok(rest.len())
}

/// Decides how the response reaches this client and whether its connection goes on.
fn deliver(
    transfer: &mut Transfer,
    exchange: &Exchange<'_>,
    framing: Framing,
    status: u16,
    keep_alive: bool,
) -> Delivery {
    let request = &exchange.request;
    transfer.reusable &= keep_alive && framing != Framing::UntilClose;
    transfer.dechunk = framing == Framing::Chunked && request.version == Version::Http10;
    // A refusal before the body is here makes the rest of it pointless: say so.
    let pointless = status >= 400 && !exchange.body.is_done();
    transfer.close = !request.keep_alive
        || exchange.worker.is_draining()
        || framing == Framing::UntilClose
        || transfer.dechunk
        || pointless;
    Delivery { close: transfer.close, dechunk: transfer.dechunk }
}
