//! Accepting: within `server.max_conn`, in small bursts, on the less loaded of two workers.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::SocketFlags;
use tokio::io::unix::AsyncFd;

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
pub(crate) async fn run(worker: Rc<Worker>, socket: TcpListener) {
    let Ok(socket) = AsyncFd::new(socket) else {
        tracing::error!(worker = worker.index, "a listening socket cannot be watched; this worker accepts nothing");
        return;
    };
    loop {
        tokio::select! {
            biased;
            () = worker.drain_begun() => break,
            ready = socket.readable() => {
                let Ok(mut ready) = ready else { return };
                match burst(&worker, socket.get_ref()) {
                    Burst::Drained => ready.clear_ready(),
                    Burst::More => tokio::task::yield_now().await,
                    Burst::Pause => worker.room(PAUSE).await,
                }
            }
        }
    }
    while matches!(burst(&worker, socket.get_ref()), Burst::More) {}
}

enum Burst {
    /// The queue is empty.
    Drained,
    /// There may be more.
    More,
    /// No room, or no descriptors.
    Pause,
}

fn burst(worker: &Rc<Worker>, socket: &TcpListener) -> Burst {
    for _ in 0..BURST {
        if !worker.make_room() {
            return Burst::Pause;
        }
        match accept(socket) {
            Ok((stream, peer)) => place(worker, stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Burst::Drained,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(worker = worker.index, %error, "accept failed; pausing");
                worker.evict();
                return Burst::Pause;
            }
        }
    }
    Burst::More
}

fn accept(socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (descriptor, peer) = rustix::net::acceptfrom_with(socket, flags)?;
    let peer = peer
        .and_then(|address| SocketAddr::try_from(address).ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    Ok((descriptor.into(), peer))
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
            let message = Message::Adopt(stream, peer);
            match worker.peers[other].send(Envelope { message, done: None }) {
                Ok(()) => worker.cells().handed_over.add(1),
                Err(_) => drop(worker.live.connections.fetch_sub(1, Ordering::Relaxed)),
            }
            return;
        }
    }
    adopt(worker, stream, peer);
}

/// Serves a connection that is already counted in `Live::connections`.
pub(crate) fn adopt(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true);
    match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => drop(tokio::task::spawn_local(downstream::h1::serve(worker.clone(), stream, peer))),
        Err(error) => {
            worker.live.connections.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(worker = worker.index, %error, "a client connection cannot be watched");
        }
    }
}
