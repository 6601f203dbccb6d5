//! A worker's end of the access log: blocks of lines, recycled between worker and writer.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::writer::Message;
use super::{Record, line};

/// Bytes of lines handed over at once.
const BLOCK: usize = 32 * 1024;
/// Room for the line that fills a block, so that it rarely grows.
const CAPACITY: usize = BLOCK + 4 * 1024;
/// Blocks a ring may own, 2.3 MB: at 100,000 lines a second the file may stall for 70 ms before a line is lost.
const BLOCKS: usize = 64;

/// Lines of one worker on their way to the writing thread. Not shared: each worker has its own.
#[derive(Debug)]
pub struct LogRing {
    block: Vec<u8>,
    /// Blocks made so far; they are made when they are first needed.
    made: usize,
    sender: SyncSender<Message>,
    spare: Receiver<Vec<u8>>,
    give_back: SyncSender<Vec<u8>>,
    clock: line::Clock,
    dropped: u64,
}

impl LogRing {
    pub(super) fn new(sender: SyncSender<Message>) -> Self {
        let (give_back, spare) = sync_channel(BLOCKS);
        Self {
            block: Vec::with_capacity(CAPACITY),
            made: 1,
            sender,
            spare,
            give_back,
            clock: line::Clock::default(),
            dropped: 0,
        }
    }

    /// Appends one line, or counts it as dropped when the writer is behind. Never blocks.
    #[inline]
    pub fn record(&mut self, record: &Record<'_>) {
        if self.block.len() >= BLOCK && !self.hand_over() {
            self.dropped += 1;
            return;
        }
        line::append(&mut self.block, &mut self.clock, record);
        if self.block.len() >= BLOCK {
            self.hand_over();
        }
    }

    /// Hands over what there is, so that a quiet worker's lines reach the file; to be called about once a second.
    pub fn tick(&mut self) {
        if !self.block.is_empty() {
            self.hand_over();
        }
    }

    /// Lines dropped since the start because the writer was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// False when there is no other block to go on with, or the queue is full; the block stays.
    fn hand_over(&mut self) -> bool {
        let next = match self.spare.try_recv() {
            Ok(block) => block,
            Err(_) if self.made < BLOCKS => {
                self.made += 1;
                Vec::with_capacity(CAPACITY)
            }
            Err(_) => return false,
        };
        let full = std::mem::replace(&mut self.block, next);
        match self.sender.try_send(Message::Lines(full, self.give_back.clone())) {
            Ok(()) => true,
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                if let Message::Lines(full, _) = message {
                    let next = std::mem::replace(&mut self.block, full);
                    // Cannot fail: the channel has room for every block of this ring.
                    let _ = self.give_back.try_send(next);
                }
                false
            }
        }
    }
}

/// Takes the lines of a block for reuse; an overgrown one is cut to size.
pub(super) fn recycle(mut block: Vec<u8>, give_back: &SyncSender<Vec<u8>>) {
    block.clear();
    block.shrink_to(4 * CAPACITY);
    // Fails only when the ring is gone.
    let _ = give_back.try_send(block);
}

impl Drop for LogRing {
    fn drop(&mut self) {
        self.tick();
    }
}
