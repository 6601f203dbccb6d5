//! A connection for one attempt: a pooled one, or a new one within `timeouts.connect`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use speedmimi_http1::Framing;

use super::Exchange;
use super::admit::Admission;
use super::clocks::Clock;
use crate::reason::Reason;
use crate::upstream::{Upstream, connect};
use crate::worker::table::Signal;

/// An idle connection of the backend, if there is one that the request may be trusted to.
#[inline]
pub(crate) fn pooled(exchange: &mut Exchange<'_>, admission: &Admission, index: usize) -> Option<Upstream> {
    if exchange.wants_fresh {
        return None;
    }
    let backend = &exchange.upstream().backends[index];
    let cells = &admission.backend().cells[exchange.worker.index];
    let replayable = exchange.request.method.is_idempotent() && exchange.request.framing == Framing::None;
    loop {
        let connection = exchange.worker.pools.take(backend.state.uid, &backend.addresses, cells)?;
        // A request that cannot be replayed gets a closer look: the backend's FIN may have arrived this moment.
        if replayable || is_open(&connection) {
            cells.reuses.add(1);
            exchange.figures.reused = true;
            return Some(connection);
        }
    }
}

/// Asks the kernel, where the readiness seen so far cannot be trusted to be fresh.
fn is_open(connection: &Upstream) -> bool {
    let mut byte = [0u8];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(&connection.socket, &mut byte, flags), Err(Errno::AGAIN))
}

/// Opens a connection. On the way it listens for the clock, a cut, and the client's leaving.
pub(crate) async fn connect(
    exchange: &mut Exchange<'_>,
    admission: &Admission,
    index: usize,
) -> Result<Upstream, Reason> {
    let worker = exchange.worker.clone();
    let view = exchange.view.clone();
    let backend = &view.snapshot.upstreams[exchange.route().upstream].backends[index];
    let cells = &admission.backend().cells[worker.index];
    let first = (worker.random() * backend.addresses.len() as f64) as usize;
    let began = worker.clock.refresh();
    super::clocks::arm(exchange, Clock::Connect);
    cells.connects.add(1);
    exchange.figures.reused = false;
    let mut connecting = pin!(connect::connect(backend.addresses.clone(), first));
    // A client with a body on its way is not read from: its bytes could not be kept here.
    let may_watch = exchange.request.framing == Framing::None;
    let result = poll_fn(|context| {
        match worker.table.poll(exchange.client.key, context) {
            Some(Signal::Expired) => return Poll::Ready(Err(super::clocks::passed(exchange, Clock::Connect))),
            Some(Signal::Cut) => return Poll::Ready(Err(Reason::Disconnected)),
            Some(Signal::Asked) => exchange.remember(),
            Some(Signal::Evicted) | None => {}
        }
        if let Poll::Ready(result) = connecting.as_mut().poll(context) {
            return Poll::Ready(result.map_err(|error| {
                tracing::debug!(backend = %backend.state.id, %error, "connect failed");
                Reason::ConnectFailed
            }));
        }
        if may_watch && exchange.client.poll_left(context) {
            return Poll::Ready(Err(Reason::ClientClosed));
        }
        Poll::Pending
    })
    .await;
    exchange.figures.connect = Some(worker.clock.refresh().saturating_sub(began));
    match &result {
        Err(Reason::ConnectFailed | Reason::ConnectTimeout) => {
            cells.connect_failures.add(1);
            if backend.state.passive.on_connect_failure(worker.clock.cached_millis(), worker.random()) {
                tracing::warn!(
                    upstream = %backend.state.upstream, backend = %backend.state.id,
                    "connections fail; the backend is avoided for a while"
                );
            }
        }
        Ok(_) => backend.state.passive.on_success(),
        Err(_) => {}
    }
    result
}
