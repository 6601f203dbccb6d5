//! Listening sockets: one a worker on the same address, so that the kernel spreads connections over workers.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

pub(crate) mod accept;

/// Connections that may wait for `accept`; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The sockets of one listener, bound and listening, one for each worker.
#[derive(Debug)]
pub struct Bound {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Bound {
    /// The address bound, with the real port where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

/// Binds `host:port` once for each worker. Fails when a name does not resolve or another process holds the port.
pub fn bind(host: &str, port: u16, workers: usize) -> io::Result<Bound> {
    let wanted = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")))?;
    // SO_REUSEPORT would let two proxies share a port in silence; a first bind without it finds that out.
    let mut address = wanted;
    if port != 0 {
        drop(open(wanted, false)?);
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(address, true)?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(Bound { address, sockets })
}

fn open(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() {
        // An IPv6 wildcard serves both families, as peers do by default on Linux.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    if share {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_gives_every_worker_the_same_port() {
        let bound = bind("127.0.0.1", 0, 3).expect("loopback is there");
        assert_ne!(bound.address().port(), 0);
        let port = bound.address().port();
        for socket in bound.into_sockets() {
            assert_eq!(socket.local_addr().expect("bound").port(), port);
        }
    }

    #[test]
    fn a_port_in_use_is_an_error() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let port = holder.local_addr().expect("bound").port();
        let error = bind("127.0.0.1", port, 2).expect_err("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let first = bind("127.0.0.1", 0, 2).expect("a free port");
        let error = bind("127.0.0.1", first.address().port(), 1).expect_err("we hold it");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
