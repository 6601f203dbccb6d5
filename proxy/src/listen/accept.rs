//! Accepting: within `server.max_conn`, in small bursts, on the less loaded of two workers.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::downstream;
use crate::worker::Worker;
use crate::worker::mailbox::{Envelope, Message};

/// Connections accepted before other work gets a turn.
const BURST: usize = 16;
/// How many more connections than another worker this one must hold before it hands a new one over: a hand-over
/// costs a wake-up of another thread, which is worth it for a standing imbalance only.
const IMBALANCE: u64 = 8;
/// How often a paused accept looks whether there is room again; closing connections also wake it.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts on the socket until the worker drains, then takes what is queued already and closes it.
pub(crate) async fn run(worker: Rc<Worker>, socket: std::net::TcpListener) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(worker = worker.index, %error, "a listening socket cannot be watched: nothing is accepted");
            return;
        }
    };
    let mut in_hand = None;
    loop {
        tokio::select! {
            biased;
            () = worker.drain_begun() => break,
            burst = poll_fn(|context| burst(&worker, &socket, &mut in_hand, context)) => match burst {
                Burst::More => tokio::task::yield_now().await,
                Burst::Pause => worker.room(PAUSE).await,
            }
        }
    }
    let mut context = Context::from_waker(std::task::Waker::noop());
    while matches!(burst(&worker, &socket, &mut in_hand, &mut context), Poll::Ready(Burst::More)) {}
}

enum Burst {
    /// There may be more.
    More,
    /// No room, or no descriptors.
    Pause,
}

/// A connection that was accepted beyond the limit. One a worker: it shows that somebody waits, for whom others have to
/// make room; the next ones stay in the kernel's queue.
type InHand = Option<(TcpStream, SocketAddr)>;

/// Takes connections from the queue; pending when it is empty.
fn burst(worker: &Rc<Worker>, socket: &TcpListener, in_hand: &mut InHand, context: &mut Context<'_>) -> Poll<Burst> {
    for _ in 0..BURST {
        if in_hand.is_none() {
            match ready!(socket.poll_accept(context)) {
                Ok(accepted) => *in_hand = Some(accepted),
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(worker = worker.index, %error, "accept failed; pausing");
                    worker.evict();
                    return Poll::Ready(Burst::Pause);
                }
            }
        }
        if !worker.has_room() {
            worker.evict();
            return Poll::Ready(Burst::Pause);
        }
        if let Some((stream, peer)) = in_hand.take() {
            place(worker, stream, peer);
        }
    }
    Poll::Ready(Burst::More)
}

/// Errors of `accept(2)` that concern the connection taken from the queue, not the socket or the process.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset
    ) || error.raw_os_error() == Some(rustix::io::Errno::PROTO.raw_os_error())
}

/// Serves the connection here, or hands it to another worker that holds clearly fewer: long streams never move
/// again, so this is the only moment to balance them (the power of two choices, Mitzenmacher 2001).
fn place(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    worker.cells().accepted.add(1);
    worker.live.connections.fetch_add(1, Ordering::Relaxed);
    if let Some(other) = worker.random_peer() {
        let theirs = worker.live.workers()[other].connections.get();
        if worker.cells().connections.get() >= theirs + IMBALANCE {
            hand_over(worker, other, stream, peer);
            return;
        }
    }
    serve(worker, stream, peer);
}

fn hand_over(worker: &Rc<Worker>, other: usize, stream: TcpStream, peer: SocketAddr) {
    let sent = stream.into_std().ok().map(|stream| {
        let envelope = Envelope { message: Message::Adopt(stream, peer), done: None };
        worker.peers[other].send(envelope)
    });
    match sent {
        Some(Ok(())) => worker.cells().handed_over.add(1),
        _ => drop(worker.live.connections.fetch_sub(1, Ordering::Relaxed)),
    }
}

/// Serves a connection that another worker accepted and counted in `Live::connections`.
pub(crate) fn adopt(worker: &Rc<Worker>, stream: std::net::TcpStream, peer: SocketAddr) {
    match TcpStream::from_std(stream) {
        Ok(stream) => serve(worker, stream, peer),
        Err(error) => {
            worker.live.connections.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(worker = worker.index, %error, "a client connection cannot be watched");
        }
    }
}

fn serve(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    // A failure means that the connection is gone already; serving it finds that out.
    let _ = stream.set_nodelay(true);
    drop(tokio::task::spawn_local(downstream::h1::serve(worker.clone(), stream, peer)));
}
