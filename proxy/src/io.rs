//! The four calls that move bytes. They go through tokio's `poll_*` methods, which notice a short read or write as
//! "the socket is drained" (or full), so that no system call is spent on hearing it again.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::worker::buffers::Block;

/// Space kept free in a block for the next read.
const ROOM: usize = 1024;

/// Reads into initialised memory. `Ok(0)` is the end.
#[inline]
pub(crate) fn read(socket: &mut TcpStream, into: &mut [u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(socket).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Appends to a block. `Ok(0)` is the end.
#[inline]
pub(crate) fn read_block(
    socket: &mut TcpStream,
    block: &mut Block,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if block.capacity() - block.len() < ROOM {
        block.reserve(ROOM);
    }
    pin!(socket.read_buf(block)).poll(context)
}

/// Writes what the socket takes.
#[inline]
pub(crate) fn write(socket: &mut TcpStream, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    Pin::new(socket).poll_write(context, bytes)
}
