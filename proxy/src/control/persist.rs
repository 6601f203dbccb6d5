//! What outlives the process: the overlay, its revisions, remembered answers. Whoever calls decides what the bytes mean.
//!
//! A [`Batch`] is on the disk, whole, when [`Storage::commit`] says so, or it is nowhere. One commit is one `fsync`, so a
//! caller with many changes at hand puts them into one batch. Every call may wait for the disk: none belongs on a
//! worker.
//!
//! [`open`] keeps the store in one file of a directory that one process holds at a time. [`Memory`] keeps nothing.

use std::fmt;
use std::time::Duration;

mod batch;
mod directory;
mod disk;
mod error;
mod lock;
mod medium;
mod memory;
mod nowhere;
mod place;
#[cfg(test)]
mod tests;
mod unwritable;

pub use batch::{Batch, Table};
pub use directory::{Opened, SetAside, open};
pub use error::{Blame, StoreError};
pub use memory::Memory;
pub use nowhere::Nowhere;
pub use place::{Surroundings, place};

/// A durable store.
pub trait Storage: Send + fmt::Debug {
    /// Everything in a table, in the order of its keys.
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// One entry of a table.
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// What was answered to a request. `None` once it is older at `now` (milliseconds since 1970) than [`Limits::age`],
    /// even if it is still stored.
    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// How many answers are stored.
    fn answers(&self) -> Result<u64, StoreError>;

    /// What is recorded of a revision.
    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Records of the revisions below `before` (all, if `None`), the newest first, at most `limit`. The rest is not read.
    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Makes a batch durable. After an error nothing of it is in the store, what was there before is, and a later
    /// commit succeeds once the cause is gone.
    ///
    /// One case can promise less: the device fails and then also refuses to take the old state back. Until a later
    /// commit succeeds, a power cut may then leave the refused batch in the store. It is there whole or not at all.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// After a read that was refused: takes back what a failed commit left, and opens the store anew. Then reads work
    /// again, once the cause is gone.
    fn recover(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How much is kept. What is over is removed by the commits that add, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Remembered answers, at least 1; 100,000 unless said otherwise.
    pub answers: u64,
    /// Bytes of remembered answers and their names; the newest is kept however long it is. 256 MiB unless said
    /// otherwise.
    pub answer_bytes: u64,
    /// How long an answer is remembered; 24 hours unless said otherwise.
    pub age: Duration,
    /// Records of revisions, at least 1; 1,000 unless said otherwise.
    pub history: u64,
    /// Bytes of them; the newest is kept however long it is. 128 MiB unless said otherwise.
    pub history_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answers: 100_000,
            answer_bytes: 256 << 20,
            age: Duration::from_secs(24 * 60 * 60),
            history: 1_000,
            history_bytes: 128 << 20,
        }
    }
}

/// Bytes that are kept of what [`Limits`] bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bytes {
    answers: u64,
    history: u64,
}

/// What an answer counts.
fn size_of_answer(request_id: &str, answer: &[u8]) -> u64 {
    length(request_id.len() + answer.len())
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Limits {
    /// Where they are kept in memory: 64 MiB of answers.
    pub fn in_memory() -> Self {
        Self { answer_bytes: 64 << 20, ..Self::default() }
    }

    /// The last moment (milliseconds since 1970) whose answers are forgotten at `now`, if there is one.
    fn forgotten(&self, now: u64) -> Option<u64> {
        now.checked_sub(u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX))?.checked_sub(1)
    }

    /// How many a batch that adds `added` may remove for their age or number: more than it adds, so that a backlog
    /// shrinks, and not so many that one change waits for the clean-up of a day. For their bytes it removes as many as
    /// it takes.
    fn removed_at_once(added: usize) -> usize {
        2 * added + 64
    }
}
