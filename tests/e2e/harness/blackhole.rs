//! An address where connecting neither succeeds nor fails.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A listener whose queue is full: the kernel drops every further SYN.
pub struct Blackhole {
    listener: Socket,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    pub fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port is free on loopback");
        listener.listen(0).expect("a bound socket can listen");
        let address = address(&listener);
        let mut queue = Vec::new();
        // Fills the queue until the kernel stops answering.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(stream);
            assert!(queue.len() < 64, "the queue of a listener with backlog 0 never fills");
        }
        Self { listener, _queue: queue }
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.listener)
    }
}

fn address(listener: &Socket) -> SocketAddr {
    listener.local_addr().expect("a bound socket has an address").as_socket().expect("it is an IPv4 address")
}

/// An address where nothing listens: connecting is refused.
pub fn refused() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free on loopback");
    listener.local_addr().expect("a listener has an address")
}
