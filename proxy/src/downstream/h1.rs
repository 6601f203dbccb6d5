//! A client connection that speaks HTTP/1: heads in, exchanges one after the other, until either side is done.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use speedmimi_http1::{Parsed, RequestError, parse_request};
use tokio::net::TcpStream;

use super::linger;
use crate::exchange::request::Request;
use crate::exchange::{Exchange, Then, record, respond};
use crate::reason::Reason;
use crate::worker::Worker;
use crate::worker::buffers::Block;
use crate::worker::table::{Key, Phase, Signal};

/// Bytes of further requests that are read while an exchange goes on. Beyond it the client has to wait, and its
/// leaving is seen only when its turn comes.
const PIPELINE: usize = 16 * 1024;

/// A client connection. Dropping it takes it out of the worker's books.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) socket: TcpStream,
    pub(crate) peer: IpAddr,
    pub(crate) key: Key,
    /// Bytes read beyond the request in hand: the next ones.
    pub(crate) waiting: Option<Block>,
    /// Its FIN has been read.
    ended: bool,
    /// Why what it sent last is no request.
    unreadable: Option<Reason>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(block) = self.waiting.take() {
            self.worker.blocks.put(block);
        }
        self.worker.table.close(self.key);
        self.worker.connection_ended();
    }
}

/// Serves a connection until it ends.
///
/// Thousands of these lie idle or stream for an hour, so what the future holds is counted in a test. It captures the
/// client itself, and keeps nothing across an await that it can be without: what an `async fn` takes by value or
/// matches on stays in it twice.
pub(crate) fn serve(worker: Rc<Worker>, socket: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> {
    worker.cells().connections.add(1);
    let key = worker.table.open(worker.clock.refresh());
    let peer = peer.ip().to_canonical();
    let mut client = Client { worker, socket, peer, key, waiting: None, ended: false, unreadable: None };
    async move {
        let then = loop {
            let Some(request) = client.next_request().await else { break client.refuse().await };
            let mut exchange = Exchange::new(&mut client, request);
            let then = exchange.carry().await;
            if then != Then::KeepAlive {
                break then;
            }
        };
        if then == Then::Linger {
            linger::close(&mut client).await;
        }
    }
}

/// What came of waiting for a request.
type Next = Option<Result<Request, Reason>>;

impl Client {
    /// The next request; none when the client is gone, or sent what is no request: then [`Self::unreadable`] says why.
    async fn next_request(&mut self) -> Option<Request> {
        if !self.await_request() {
            return None;
        }
        let next = poll_fn(|context| self.poll_request(context)).await;
        self.worker.table.enter(self.key, Phase::Busy, self.worker.clock.cached());
        match next? {
            Ok(request) => Some(request),
            Err(reason) => {
                self.unreadable = Some(reason);
                None
            }
        }
    }

    /// Winds the clock for the next request; false when there is to be none.
    fn await_request(&self) -> bool {
        let worker = &self.worker;
        let between = worker.table.phase(self.key) == Phase::Busy;
        if worker.is_draining() && between && self.waiting.is_none() {
            return false;
        }
        // A new connection that says nothing is a slow head, not an idle keep-alive one.
        let resting = between && self.waiting.is_none();
        let view = worker.view();
        let server = &view.snapshot.server;
        let wait = if resting { server.idle_timeout } else { server.read_timeout };
        worker.table.enter(self.key, if resting { Phase::Idle } else { Phase::Head }, worker.clock.cached());
        worker.table.arm(self.key, worker.clock.after(wait));
        true
    }

    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let mut block = match self.waiting.take() {
            Some(block) => {
                // Bytes that came with the request before have not been looked at yet.
                if let Some(next) = self.parse(&block) {
                    return Poll::Ready(self.deliver(next, block));
                }
                block
            }
            None => self.worker.blocks.take(),
        };
        loop {
            match self.worker.table.poll(self.key, context) {
                Some(Signal::Expired | Signal::Evicted) if block.is_empty() => {
                    self.worker.blocks.put(block);
                    return Poll::Ready(None);
                }
                Some(Signal::Expired) => return Poll::Ready(self.deliver(Err(Reason::RequestTimeout), block)),
                Some(Signal::Evicted) if !self.worker.is_draining() => {
                    return Poll::Ready(self.deliver(Err(Reason::RequestTimeout), block));
                }
                Some(Signal::Evicted | Signal::Cut | Signal::Asked) | None => {}
            }
            let before = block.len();
            match crate::io::read_block(&self.socket, &mut block, context) {
                Poll::Pending if block.is_empty() => {
                    self.worker.blocks.put(block);
                    return Poll::Pending;
                }
                Poll::Pending => {
                    self.waiting = Some(block);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(read)) if read > 0 => {
                    self.worker.cells().bytes_received.add(read as u64);
                    if before == 0 {
                        self.head_begins();
                    }
                    if let Some(next) = self.parse(&block) {
                        return Poll::Ready(self.deliver(next, block));
                    }
                }
                Poll::Ready(_) => {
                    self.worker.blocks.put(block);
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// A head has `read_timeout` from its first byte on.
    fn head_begins(&self) {
        let now = self.worker.clock.refresh();
        self.worker.table.enter(self.key, Phase::Head, now);
        let wait = self.worker.view().snapshot.server.read_timeout;
        self.worker.table.arm(self.key, self.worker.clock.after(wait));
    }

    /// Looks for a whole head; `None` while it is not there yet.
    fn parse(&self, block: &Block) -> Option<Result<Request, Reason>> {
        let view = self.worker.view();
        let scratch = &mut *self.worker.scratch.borrow_mut();
        match parse_request(block, &view.snapshot.server.limits, &mut scratch.request) {
            Ok(Parsed::Partial) => None,
            Ok(Parsed::Complete) => {
                scratch.owner = self.worker.next_serial();
                Some(Ok(Request::new(scratch, self.worker.clock.cached(), self.peer)))
            }
            Err(error) => Some(Err(refusal(&error))),
        }
    }

    fn deliver(&self, next: Result<Request, Reason>, block: Block) -> Next {
        self.worker.cells().requests.add(1);
        match next {
            Ok(mut request) => {
                request.block = Some(block);
                Some(Ok(request))
            }
            Err(reason) => {
                self.worker.blocks.put(block);
                Some(Err(reason))
            }
        }
    }

    /// Answers what could not be read as a request, if there was such; the connection ends either way.
    async fn refuse(&mut self) -> Then {
        let Some(reason) = self.unreadable else { return Then::Close };
        let answer = respond::Answer { reason, close: true, json: false, head_only: false };
        let bytes = respond::send(self, &answer).await.bytes;
        record::unrouted(&self.worker, reason);
        record::log_unread(&self.worker, self.peer, reason, 0, bytes);
        Then::Linger
    }

    /// Whether the client left, as far as can be told without taking bytes it must wait for. Reads what it sends
    /// ahead, up to a bound.
    pub(crate) fn poll_left(&mut self, context: &mut Context<'_>) -> bool {
        while !self.ended {
            if self.waiting.as_ref().is_some_and(|block| block.len() >= PIPELINE) {
                return false;
            }
            if self.socket.poll_read_ready(context).is_pending() {
                return false;
            }
            let mut block = self.waiting.take().unwrap_or_else(|| self.worker.blocks.take());
            let read = crate::io::read_block(&self.socket, &mut block, context);
            if block.is_empty() {
                self.worker.blocks.put(block);
            } else {
                self.waiting = Some(block);
            }
            match read {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(read)) => self.worker.cells().bytes_received.add(read as u64),
                Poll::Ready(Err(_)) => return true,
            }
        }
        !self.worker.view().snapshot.server.keep_half_closed
    }

    /// Reads more of what it sends.
    pub(crate) fn read(&mut self, into: &mut [u8], context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let read = crate::io::read(&self.socket, into, context);
        if let Poll::Ready(Ok(read)) = read {
            self.worker.cells().bytes_received.add(read as u64);
        }
        read
    }

    /// Keeps bytes for the request they belong to: the next.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.waiting.get_or_insert_with(|| self.worker.blocks.take()).extend_from_slice(bytes);
        }
    }

    /// Remembers that its FIN has been read elsewhere.
    pub(crate) fn has_ended(&mut self) {
        self.ended = true;
    }
}

fn refusal(error: &RequestError) -> Reason {
    use speedmimi_http1::Refusal;
    match error.refusal() {
        Refusal::BadRequest => Reason::BadRequest,
        Refusal::UriTooLong => Reason::UriTooLong,
        Refusal::HeaderTooLarge => Reason::HeaderTooLarge,
        Refusal::MethodNotAllowed => Reason::MethodNotAllowed,
        Refusal::NotImplemented => Reason::NotImplemented,
        Refusal::VersionNotSupported => Reason::VersionNotSupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The future of a connection after the call that makes it, without making one.
    fn future_size<F: Future>(_: impl Fn(Rc<Worker>, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// tokio puts 160 bytes around it and asks for a multiple of 128: together they fit a kilobyte.
    #[test]
    fn a_connection_stays_small() {
        let size = future_size(serve);
        assert!(size <= 864, "the future of a connection holds {size} bytes");
    }
}
