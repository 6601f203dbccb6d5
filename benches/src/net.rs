//! Non-blocking TCP sockets and epoll, as little of them as the three loops here need.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData};
use rustix::event::{Timespec, epoll::Event};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

pub(crate) use rustix::event::epoll::EventFlags;

/// One epoll instance.
pub(crate) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, fd: &impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    pub(crate) fn modify(&self, fd: &impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    /// Fills `events` with what is ready; empty after `timeout` or a signal.
    pub(crate) fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a call on a non-blocking socket came to.
pub(crate) enum Io {
    /// So many bytes moved; for a receive, 0 is the end of the stream.
    Moved(usize),
    /// Nothing possible now.
    Wait,
}

fn outcome(result: Result<usize, Errno>) -> io::Result<Io> {
    match result {
        Ok(count) => Ok(Io::Moved(count)),
        Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN | Errno::INPROGRESS) => Ok(Io::Wait),
        Err(error) => Err(error.into()),
    }
}

/// Receives into `buffer`.
pub(crate) fn recv(fd: &impl AsFd, buffer: &mut [u8]) -> io::Result<Io> {
    outcome(net::recv(fd, buffer, RecvFlags::empty()).map(|(_, count)| count))
}

/// Takes up to `buffer.len()` bytes out of the socket without copying them (`MSG_TRUNC` on TCP), so
/// that large bodies cost the generator next to nothing.
pub(crate) fn discard(fd: &impl AsFd, buffer: &mut [u8]) -> io::Result<Io> {
    outcome(net::recv(fd, buffer, RecvFlags::TRUNC).map(|(_, count)| count))
}

/// Sends the start of `bytes`.
pub(crate) fn send(fd: &impl AsFd, bytes: &[u8]) -> io::Result<Io> {
    outcome(net::send(fd, bytes, SendFlags::NOSIGNAL))
}

/// Sends from `file` at `offset` without copying through this process.
pub(crate) fn send_file(fd: &impl AsFd, file: &impl AsFd, offset: u64, count: usize) -> io::Result<Io> {
    let mut offset = offset;
    outcome(rustix::fs::sendfile(fd, file, Some(&mut offset), count))
}

/// Starts a connection; the first send says [`Io::Wait`] until it stands.
pub(crate) fn connect(to: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    if let Some(source) = source {
        net::bind(&fd, &SocketAddrV4::new(source, 0))?;
    }
    match net::connect(&fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error.into()),
    }
}

/// A listening socket with a deep backlog: bursts of 512 connections must not wait for a SYN retry.
pub(crate) fn listen(address: SocketAddr) -> io::Result<(OwnedFd, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    net::bind(&fd, &address)?;
    net::listen(&fd, 4096)?;
    let bound = SocketAddr::try_from(net::getsockname(&fd)?)?;
    Ok((fd, bound))
}

/// Takes one waiting connection, or none.
pub(crate) fn accept(listener: &impl AsFd) -> io::Result<Option<OwnedFd>> {
    match net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(fd) => {
            sockopt::set_tcp_nodelay(&fd, true)?;
            Ok(Some(fd))
        }
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A loopback port that nothing listens on now, for programs that cannot bind port 0 and say where.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
