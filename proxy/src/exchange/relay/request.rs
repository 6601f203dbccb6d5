//! Client to backend.

use std::task::{Context, Poll};

use crate::exchange::transfer::{Stage, Step, Transfer};
use crate::exchange::{Exchange, heads};
use crate::reason::Reason;

/// Writes the head and what has arrived of the body, in one piece.
pub(super) fn begin(transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    let worker = exchange.worker.clone();
    let scratch = &mut *worker.scratch.borrow_mut();
    heads::write_request(exchange, scratch);
    if let Some(block) = &exchange.request.block {
        scratch.output.extend_from_slice(&block[exchange.request.head as usize..]);
    }
    transfer.stage = Stage::Head;
    write(transfer, exchange, &scratch.output, context);
    transfer.sent_at = worker.clock.cached();
    Step::Moved
}

/// Moves more of the body; once it is all sent, listens whether the client leaves.
pub(super) fn step(transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    match super::flush_upstream(transfer, exchange, context) {
        Ok(true) => {}
        Ok(false) => {
            // The backend is not taking: the client must wait, but may still leave once all of it has been read.
            return if exchange.body.is_done() { watch(exchange, context) } else { Step::Wait };
        }
        Err(_) => went_deaf(transfer, exchange),
    }
    if exchange.body.is_done() || transfer.deaf {
        return watch(exchange, context);
    }
    let worker = exchange.worker.clone();
    let scratch = &mut *worker.scratch.borrow_mut();
    let read = match exchange.client.read(&mut scratch.input, context) {
        Poll::Pending => return Step::Wait,
        Poll::Ready(Ok(read)) if read > 0 => read,
        Poll::Ready(_) => {
            exchange.client.has_ended();
            return super::fail(exchange, Reason::ClientClosed);
        }
    };
    transfer.moved.from_client = true;
    exchange.figures.bytes_in += read as u64;
    let bytes = &scratch.input[..read];
    let scanned = match exchange.body.scan(bytes) {
        Ok(scanned) => scanned,
        Err(_) => return super::fail(exchange, Reason::BadRequest),
    };
    let limit = exchange.view.snapshot.server.body_limit;
    if limit > 0 && exchange.body.payload() > limit {
        return super::fail(exchange, Reason::BodyTooLarge);
    }
    if scanned.consumed < read {
        exchange.client.keep(&bytes[scanned.consumed..]);
    }
    write(transfer, exchange, &bytes[..scanned.consumed], context);
    transfer.sent_at = worker.clock.cached();
    Step::Moved
}

fn watch(exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    if exchange.client.poll_left(context) { super::fail(exchange, Reason::ClientClosed) } else { Step::Wait }
}

fn write(transfer: &mut Transfer, exchange: &Exchange<'_>, bytes: &[u8], context: &mut Context<'_>) {
    let Some(connection) = &mut transfer.connection else { return };
    let cells = &transfer.admission.backend().cells[exchange.worker.index];
    match transfer.to_upstream.write(&mut connection.socket, bytes, &exchange.worker.blocks, context) {
        Ok(()) => {
            cells.bytes_sent.add(bytes.len() as u64);
            transfer.sent = true;
            transfer.moved.upstream = true;
        }
        Err(_) => went_deaf(transfer, exchange),
    }
}

/// The backend takes no more. It may have answered before it closed, so the answer is still waited for.
fn went_deaf(transfer: &mut Transfer, exchange: &Exchange<'_>) {
    transfer.to_upstream.release(&exchange.worker.blocks);
    transfer.deaf = true;
    transfer.reusable = false;
}
