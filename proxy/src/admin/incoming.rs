//! Connections of the gRPC face, a bounded number at once, each with who is at its other end.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::places::{Place, Places};
use crate::access::{Face, Peer, Secured, Verdict};

/// Connections open at once; more wait in the kernel.
const CONNECTIONS: usize = 256;
/// How often a connection is looked at, whether it has to go.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// Time for a TLS handshake, and again for the first bytes of HTTP/2.
pub(super) const GREETING: Duration = Duration::from_secs(10);
/// How long the other end may take to read why a handshake failed.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// A listener of either kind.
#[derive(Debug)]
pub(super) enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// The connections of a listener, as tonic wants them. Never ends while the tasks go on.
pub(super) fn incoming(
    listener: Listener,
    face: Arc<Face>,
    tasks: &mut JoinSet<()>,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let (ready, connections) = mpsc::channel(1);
    tasks.spawn(accept(listener, face, ready));
    futures_util::stream::unfold(connections, |mut connections| async {
        connections.recv().await.map(|connection| (Ok(connection), connections))
    })
}

/// Accepts; handshakes go on beside each other, each holding a place.
async fn accept(listener: Listener, face: Arc<Face>, ready: mpsc::Sender<Connection>) {
    let places = Places::new(CONNECTIONS);
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        let place = places.free().await;
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, address)| {
                // A failure means that the connection is gone already; serving it finds that out.
                let _ = stream.set_nodelay(true);
                (Plain::Tcp(stream), Peer::tcp(address))
            }),
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                // A caller that the kernel does not name may nothing without a token.
                let uid = stream.peer_cred().map_or(u32::MAX, |credentials| credentials.uid());
                (Plain::Unix(stream), Peer::unix(Some(uid)))
            }),
        };
        let accepted = match accepted {
            Ok((stream, peer)) => match places.give(place, peer.ip) {
                Some(place) => Ok((stream, peer, place)),
                None => {
                    tracing::debug!(from = %peer.from, "too many connections of management from there");
                    continue;
                }
            },
            Err(error) => Err(error),
        };
        match (accepted, face.tls()) {
            (Ok((Plain::Tcp(stream), peer, place)), Some(secured)) => {
                let (ready, face) = (ready.clone(), face.clone());
                handshakes.spawn(async move {
                    if let Some((stream, peer)) = shake_hands(stream, peer, secured, &face).await {
                        let connection = Connection::new(Socket::Tls(Box::new(stream)), peer, place, face);
                        // An error means that the face has ended.
                        let _ = ready.send(connection).await;
                    }
                });
            }
            (Ok((stream, peer, place)), _) => {
                let socket = match stream {
                    Plain::Tcp(stream) => Socket::Tcp(stream),
                    Plain::Unix(stream) => Socket::Unix(stream),
                };
                if ready.send(Connection::new(socket, peer, place, face.clone())).await.is_err() {
                    return;
                }
            }
            (Err(error), _) => {
                // Out of descriptors: they come back when connections end, asking at once would only spin.
                tracing::warn!(%error, "the gRPC listener cannot accept");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A TLS handshake within its time, and what its certificate says of the caller. Why it failed is told at `debug`:
/// anybody can make it fail.
pub(super) async fn shake_hands(
    stream: TcpStream,
    peer: Peer,
    Secured { config, trust }: Secured,
    face: &Face,
) -> Option<(TlsStream<TcpStream>, Peer)> {
    match timeout(GREETING, TlsAcceptor::from(config).accept(stream).into_fallible()).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
            let peer = peer.with_certificate(shown.as_deref(), face.clients());
            Some((stream, Peer { trust, ..peer }))
        }
        Ok(Err((error, stream))) => {
            tracing::debug!(from = %peer.from, %error, "a TLS handshake of management failed");
            // Closed at once, with bytes unread, the connection would be reset, and the reason lost on its way.
            let _ = timeout(FAREWELL, until_closed(stream)).await;
            None
        }
        Err(_) => {
            tracing::debug!(from = %peer.from, "a TLS handshake of management took too long");
            None
        }
    }
}

/// Sends nothing more, and reads until the other end has closed.
async fn until_closed(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection and its place among those allowed.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    peer: Arc<Peer>,
    greeting: Greeting,
    /// When it is looked at again, whether it has to go.
    look: Pin<Box<Sleep>>,
    face: Arc<Face>,
    place: Place,
}

/// Until the first bytes have come, in time.
#[derive(Debug)]
enum Greeting {
    Awaited(Pin<Box<Sleep>>, usize),
    Done,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    fn new(socket: Socket, peer: Peer, place: Place, face: Arc<Face>) -> Self {
        let greeting = Greeting::Awaited(Box::pin(sleep(GREETING)), 0);
        Self { socket, peer: Arc::new(peer), greeting, look: Box::pin(sleep(LOOK)), face, place }
    }

    /// Whether it has to go. Asked wherever the connection waits, so that one that neither sends nor takes anything is
    /// looked at as well.
    fn waits(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.look.as_mut().poll(cx).is_ready() {
            self.look.as_mut().reset(Instant::now() + LOOK);
            let line = &self.peer.line;
            match line.verdict(self.place.is_scarce(), self.face.is_outdated(&self.peer)) {
                None => {}
                // Who asks for health is nobody, and some of them may stay.
                Some(Verdict::Stranger) if line.is_used() && self.place.stays() => {}
                Some(verdict) => {
                    tracing::debug!(from = %self.peer.from, %verdict, "a connection of management is closed");
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, verdict));
                }
            }
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if result.is_pending() {
            this.waits(cx)?;
        }
        if let Greeting::Awaited(deadline, come) = &mut this.greeting {
            *come += buf.filled().len() - before;
            if *come >= PREFACE {
                this.greeting = Greeting::Done;
            } else if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        if result.is_pending() {
            this.waits(cx)?;
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
