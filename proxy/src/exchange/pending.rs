//! Bytes that one side has not taken yet. While there are any, the other side is not read: that is the backpressure.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use crate::worker::buffers::{Block, Blocks};

/// What is left of a write.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    block: Option<Block>,
    taken: usize,
}

impl Pending {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.block.is_none()
    }

    /// Writes the bytes as far as the socket takes them and keeps the rest. Must be empty before.
    #[inline]
    pub(crate) fn write(
        &mut self,
        socket: &mut TcpStream,
        bytes: &[u8],
        blocks: &Blocks,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        debug_assert!(self.is_empty(), "bytes must not overtake each other");
        let mut taken = 0;
        while taken < bytes.len() {
            match crate::io::write(socket, &bytes[taken..], context) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => taken += written,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let mut block = blocks.take();
                    block.extend_from_slice(&bytes[taken..]);
                    self.block = Some(block);
                    self.taken = 0;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Goes on with what is left; ready once nothing is. `Ok(true)`: some bytes were taken in this call.
    pub(crate) fn flush(
        &mut self,
        socket: &mut TcpStream,
        blocks: &Blocks,
        context: &mut Context<'_>,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        while let Some(block) = &self.block {
            match ready!(crate::io::write(socket, &block[self.taken..], context)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    *moved = true;
                    self.taken += written;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.block.as_ref().is_some_and(|block| self.taken >= block.len()) {
                self.release(blocks);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets what is left.
    pub(crate) fn release(&mut self, blocks: &Blocks) {
        if let Some(block) = self.block.take() {
            blocks.put(block);
        }
        self.taken = 0;
    }
}
