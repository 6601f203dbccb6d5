//! The calls that move bytes, as lean as they can be: straight to the kernel, without the C library, whose wrappers
//! arrange for thread cancellation around each of them.
//!
//! A short read means that the socket is drained, a short write that it is full. tokio is told so at once, by the only
//! word it understands, so that no system call is spent on hearing it again.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::worker::buffers::Block;

/// Space kept free in a block for the next read.
const ROOM: usize = 1024;

/// Reads into initialised memory. `Ok(0)` is the end.
#[inline]
pub(crate) fn read(socket: &TcpStream, into: &mut [u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        let wanted = into.len();
        let moved = attempt(socket, Interest::READABLE, wanted, || {
            recv(socket, &mut *into, RecvFlags::empty()).map(|(_, received)| received)
        });
        match moved {
            Some(result) => return Poll::Ready(result),
            None => ready!(socket.poll_read_ready(context))?,
        }
    }
}

/// Appends to a block. `Ok(0)` is the end.
#[inline]
pub(crate) fn read_block(socket: &TcpStream, block: &mut Block, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    if block.capacity() - block.len() < ROOM {
        block.reserve(ROOM);
    }
    loop {
        let wanted = block.capacity() - block.len();
        let moved = attempt(socket, Interest::READABLE, wanted, || {
            recv(socket, spare_capacity(block), RecvFlags::empty()).map(|(_, received)| received)
        });
        match moved {
            Some(result) => return Poll::Ready(result),
            None => ready!(socket.poll_read_ready(context))?,
        }
    }
}

/// Writes what the socket takes.
#[inline]
pub(crate) fn write(socket: &TcpStream, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        match attempt(socket, Interest::WRITABLE, bytes.len(), || send(socket, bytes, SendFlags::NOSIGNAL)) {
            Some(result) => return Poll::Ready(result),
            None => ready!(socket.poll_write_ready(context))?,
        }
    }
}

/// Makes the call if the socket may be ready; none when it is not. A result that is short of what was wanted is
/// reported to tokio as "would block": the socket is not ready any more.
#[inline]
fn attempt(
    socket: &TcpStream,
    interest: Interest,
    wanted: usize,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> Option<io::Result<usize>> {
    let mut moved = None;
    let seen = socket.try_io(interest, || {
        let result = loop {
            match call() {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        match result {
            Ok(count) => {
                moved = Some(count);
                if count > 0 && count < wanted { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            }
            Err(error) => Err(error.into()),
        }
    });
    match (moved, seen) {
        (Some(count), _) => Some(Ok(count)),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        (None, Err(error)) => Some(Err(error)),
        // Without a count the call has failed.
        (None, Ok(())) => None,
    }
}
