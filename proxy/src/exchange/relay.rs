//! The two directions of an attempt, until both are done or one of them fails.

use std::io;
use std::task::{Context, Poll};

use super::Exchange;
use super::transfer::{End, Stage, Step, Transfer};
use crate::reason::Reason;
use crate::stream::tunnel;

mod request;
mod response;

/// Gives both directions one turn.
pub(super) fn step(transfer: &mut Transfer, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Step {
    match transfer.stage {
        Stage::Send => return request::begin(transfer, exchange, context),
        Stage::Tunnel(_) => return tunnel::step(transfer, exchange, context),
        Stage::Head | Stage::Body => {}
    }
    let request = request::step(transfer, exchange, context);
    if let Step::End(_) = request {
        return request;
    }
    let response = response::step(transfer, exchange, context);
    if response == Step::Wait { request } else { response }
}

/// Writes to the client what is still to be written. `Wait` while it does not take it all.
pub(crate) fn flush_client(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    context: &mut Context<'_>,
) -> Result<bool, Reason> {
    let blocks = &exchange.worker.blocks;
    let moved = &mut transfer.moved.to_client;
    match transfer.to_client.flush(&mut exchange.client.socket, blocks, context, moved) {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(())) => Ok(true),
        Poll::Ready(Err(_)) => Err(Reason::ClientClosed),
    }
}

/// Writes to the backend what is still to be written.
pub(crate) fn flush_upstream(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    context: &mut Context<'_>,
) -> io::Result<bool> {
    let Some(connection) = &mut transfer.connection else { return Ok(true) };
    let blocks = &exchange.worker.blocks;
    match transfer.to_upstream.flush(&mut connection.socket, blocks, context, &mut transfer.moved.upstream) {
        Poll::Pending => Ok(false),
        Poll::Ready(result) => result.map(|()| true),
    }
}

/// Writes bytes to the client and keeps what it does not take.
#[inline]
pub(crate) fn write_client(
    transfer: &mut Transfer,
    exchange: &mut Exchange<'_>,
    bytes: &[u8],
    context: &mut Context<'_>,
) -> Result<(), Reason> {
    let client = &mut *exchange.client;
    let written = transfer.to_client.write(&mut client.socket, bytes, &client.worker.blocks, context);
    exchange.figures.bytes_out += bytes.len() as u64;
    transfer.moved.to_client = true;
    written.map_err(|_| Reason::ClientClosed)
}

/// An end caused by this reason: a refusal while the client has seen nothing, else a broken answer.
pub(crate) fn fail(exchange: &Exchange<'_>, reason: Reason) -> Step {
    let begun = exchange.figures.bytes_out > 0;
    Step::End(if begun { End::Broken(reason) } else { End::Refused(reason) })
}
