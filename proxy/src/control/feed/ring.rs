//! A ring that is bounded by number and by bytes, and whose entries have numbers.

use std::collections::VecDeque;
use std::sync::Arc;

/// An entry that is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what comes next is no longer kept")]
pub struct Lost;

/// The ring.
#[derive(Debug)]
pub(super) struct Ring<T> {
    entries: VecDeque<(Arc<T>, usize)>,
    first: u64,
    bytes: usize,
    most: (usize, usize),
}

impl<T> Ring<T> {
    /// An empty ring of at most so many entries and so many bytes, whose first entry has the number 0.
    pub(super) fn new(most: (usize, usize)) -> Self {
        Self::beginning_at(0, most)
    }

    /// The same with another first number.
    pub(super) fn beginning_at(first: u64, most: (usize, usize)) -> Self {
        Self { entries: VecDeque::new(), first, bytes: 0, most }
    }

    /// Appends an entry; gives back those that had to make room.
    pub(super) fn push(&mut self, entry: T, bytes: usize) -> Vec<Arc<T>> {
        self.entries.push_back((Arc::new(entry), bytes));
        self.bytes += bytes;
        let mut dropped = Vec::new();
        while self.entries.len() > self.most.0 || (self.bytes > self.most.1 && self.entries.len() > 1) {
            let Some((entry, bytes)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
            self.first += 1;
            dropped.push(entry);
        }
        dropped
    }

    /// The entry with this number; `None` when it is yet to come.
    pub(super) fn at(&self, number: u64) -> Result<Option<Arc<T>>, Lost> {
        let index = number.checked_sub(self.first).ok_or(Lost)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        Ok(self.entries.get(index).map(|(entry, _)| entry.clone()))
    }

    /// Number of the oldest entry, or of the next one where there is none.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_by_number_and_by_bytes() {
        let mut ring = Ring::new((3, 10));
        for entry in 0..3 {
            assert!(ring.push(entry, 1).is_empty());
        }
        assert_eq!(ring.push(3, 1).iter().map(|entry| **entry).collect::<Vec<_>>(), [0]);
        assert_eq!((ring.at(0), ring.at(1).map(|entry| entry.map(|entry| *entry))), (Err(Lost), Ok(Some(1))));
        assert_eq!(ring.push(4, 9).len(), 2, "bytes count, too");
        assert_eq!((ring.first(), ring.next(), ring.at(5)), (3, 5, Ok(None)));
        assert_eq!(ring.push(5, 1000).len(), 2, "one that is larger than all is kept alone");
        assert_eq!((ring.first(), ring.next()), (5, 6));
    }
}
