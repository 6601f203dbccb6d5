//! An upgraded connection: bytes flow both ways. It knows where WebSocket frames end (RFC 6455 §5.2), so that when the
//! proxy has to end it, it can do so politely.

use std::task::{Context, Poll};

use speedmimi_http1::ws::FrameScanner;

use crate::exchange::relay::{fail, flush_client, flush_upstream, write_client};
use crate::exchange::transfer::{End, Stage, Step, Transfer};
use crate::exchange::{Exchange, Then};
use crate::reason::Reason;

/// A close frame with status 1001, going away (RFC 6455 §7.4.1), from a server.
const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];
/// The same from a client, which masks; a mask of zeros is one like any other.
const GOING_AWAY_MASKED: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9];

/// Where either direction stands within its frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tunnel {
    client: FrameScanner,
    backend: FrameScanner,
    /// The backend closed: once the client has what it sent, this is over.
    backend_ended: bool,
    client_ended: bool,
}

impl Tunnel {
    /// Follows bytes on their way to the client.
    pub(crate) fn follow_backend(&mut self, bytes: &[u8]) {
        self.backend.scan(bytes);
    }

    /// Tells both sides that this ends, where they are between two frames and take it at once.
    pub(crate) fn say_goodbye(&self, transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) {
        if self.backend.at_boundary() && !self.backend.saw_close() && transfer.to_client.is_empty() {
            let _ = write_client(transfer, exchange, &GOING_AWAY, context);
        }
        if self.client.at_boundary()
            && !self.client.saw_close()
            && transfer.to_upstream.is_empty()
            && let Some(connection) = &mut transfer.connection
        {
            let blocks = &exchange.worker.blocks;
            let _ = transfer.to_upstream.write(&mut connection.socket, &GOING_AWAY_MASKED, blocks, context);
        }
    }
}

/// Gives both directions one turn.
pub(crate) fn step(transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    let Stage::Tunnel(mut tunnel) = std::mem::replace(&mut transfer.stage, Stage::Body) else {
        return fail(exchange, Reason::Internal);
    };
    let up = upwards(&mut tunnel, transfer, exchange, context);
    let down = downwards(&mut tunnel, transfer, exchange, context);
    let over = (tunnel.backend_ended && transfer.to_client.is_empty())
        || (tunnel.client_ended && transfer.to_upstream.is_empty());
    transfer.stage = Stage::Tunnel(tunnel);
    match (up, down) {
        (Err(reason), _) | (_, Err(reason)) => fail(exchange, reason),
        _ if over => Step::End(End::Done(Then::Linger)),
        (Ok(false), Ok(false)) => Step::Wait,
        _ => Step::Moved,
    }
}

fn upwards(
    tunnel: &mut Tunnel,
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    context: &mut Context<'_>,
) -> Result<bool, Reason> {
    if !flush_upstream(transfer, exchange, context).map_err(|_| Reason::UpstreamClosed)? || tunnel.client_ended {
        return Ok(false);
    }
    let worker = exchange.worker.clone();
    let scratch = &mut *worker.scratch.borrow_mut();
    // Frames that came together with the request are the first.
    let read = match exchange.client.waiting.take() {
        Some(block) => {
            let read = block.len().min(scratch.input.len());
            scratch.input[..read].copy_from_slice(&block[..read]);
            exchange.client.keep(&block[read..]);
            worker.blocks.put(block);
            read
        }
        None => match exchange.client.read(&mut scratch.input, context) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => {
                tunnel.client_ended = true;
                return Ok(true);
            }
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(_)) => return Err(Reason::ClientClosed),
        },
    };
    let bytes = &scratch.input[..read];
    tunnel.client.scan(bytes);
    exchange.figures.bytes_in += read as u64;
    transfer.moved.from_client = true;
    let Some(connection) = &mut transfer.connection else { return Err(Reason::Internal) };
    transfer.admission.backend().cells[worker.index].bytes_sent.add(read as u64);
    transfer
        .to_upstream
        .write(&mut connection.socket, bytes, &worker.blocks, context)
        .map_err(|_| Reason::UpstreamClosed)?;
    Ok(true)
}

fn downwards(
    tunnel: &mut Tunnel,
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    context: &mut Context<'_>,
) -> Result<bool, Reason> {
    if !flush_client(transfer, exchange, context)? || tunnel.backend_ended {
        return Ok(false);
    }
    let worker = exchange.worker.clone();
    let scratch = &mut *worker.scratch.borrow_mut();
    let Some(connection) = &mut transfer.connection else { return Err(Reason::Internal) };
    let read = match crate::io::read(&connection.socket, &mut scratch.input, context) {
        Poll::Pending => return Ok(false),
        Poll::Ready(Ok(0)) => {
            tunnel.backend_ended = true;
            return Ok(true);
        }
        Poll::Ready(Ok(read)) => read,
        Poll::Ready(Err(_)) => return Err(Reason::UpstreamClosed),
    };
    transfer.moved.upstream = true;
    transfer.admission.backend().cells[worker.index].bytes_received.add(read as u64);
    tunnel.backend.scan(&scratch.input[..read]);
    write_client(transfer, exchange, &scratch.input[..read], context)?;
    Ok(true)
}
