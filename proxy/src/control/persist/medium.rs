//! What the database is written to, and how a failed write is taken back.
//!
//! After a failed `fsync` Linux marks the pages it could not write as clean and keeps them: a later read, even by another
//! process, finds what is not on the disk, and a later `fsync` succeeds without writing it. A database opened on such a
//! file would take a refused commit for a durable one and build on pages that a power cut takes away. Hence:
//!
//! - The database never overwrites what the last commit needs; only its first page says which commit that is. So the
//!   first page (and the length) as it was before a commit is all that is needed to take the commit back: it is written
//!   again, which makes it dirty again, and synced, before the refusal is answered ([`Guard::put_back`]).
//! - Before the file is opened, at start and after a failure, everything dirty is synced and what the kernel keeps of it
//!   in memory is given up, so that what is read is what the disk has ([`Guard::settle`]).
//! - The handle of a database in which something failed is cut off: closing it writes nothing ([`Guard::cut_off`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::Errno;

use super::lock::Lock;

/// A file, or what a test has in place of one.
pub(super) trait Medium: StorageBackend {
    /// Gives up what is kept in memory, so that reads come from the device. What is not synced stays.
    fn give_up_cached(&self);
}

/// A file, in a directory that stays locked while it is open.
#[derive(Debug)]
pub(super) struct OnFile {
    file: File,
    _lock: Arc<Lock>,
}

impl OnFile {
    pub(super) fn new(file: File, lock: &Arc<Lock>) -> Self {
        Self { file, _lock: Arc::clone(lock) }
    }
}

impl StorageBackend for OnFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = StorageBackend::len(self)?;
        if len > before {
            // A full disk shows here, before anything is written, and not in the middle of a commit.
            match fallocate(&self.file, FallocateFlags::empty(), before, len - before) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                done => return Ok(done?),
            }
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}

impl Medium for OnFile {
    fn give_up_cached(&self) {
        // Advice: a file system that cannot follow it (tmpfs) has no device that could differ from its memory.
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }
}

/// Bytes at the start of the file that say which commit is the last: the first page of the database.
const HEAD: u64 = 4096;

/// What it takes to go back to a commit.
#[derive(Debug)]
pub(super) struct Mark {
    head: Vec<u8>,
    len: u64,
}

impl Mark {
    /// The first page, or as much of it as there is.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }
}

/// A medium whose last commits can be taken back.
#[derive(Debug)]
pub(super) struct Guard<M> {
    medium: M,
    /// Counts the databases that were cut off; a handle made before the last of them is dead.
    generation: AtomicU64,
}

impl<M: Medium> Guard<M> {
    pub(super) fn new(medium: M) -> Arc<Self> {
        Arc::new(Self { medium, generation: AtomicU64::new(0) })
    }

    /// What a new database reads and writes through.
    pub(super) fn handle(self: &Arc<Self>) -> Handle<M> {
        Handle { generation: self.generation.load(Ordering::Acquire), guard: Arc::clone(self) }
    }

    /// From here on every call through a handle given out before fails and reaches nothing.
    pub(super) fn cut_off(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes what the device has and what is read the same thing.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.medium.sync_data()?;
        self.medium.give_up_cached();
        Ok(())
    }

    /// The state to go back to, should what follows fail.
    pub(super) fn mark(&self) -> io::Result<Mark> {
        let len = self.medium.len()?;
        let mut head = vec![0; usize::try_from(len.min(HEAD)).unwrap_or_default()];
        self.medium.read(0, &mut head)?;
        Ok(Mark { head, len })
    }

    /// Goes back. The database must be cut off.
    pub(super) fn put_back(&self, mark: &Mark) -> io::Result<()> {
        // A head must never be on the device without the length that it speaks of: longer first, shorter last.
        if self.medium.len()? < mark.len {
            self.medium.set_len(mark.len)?;
            self.medium.sync_data()?;
        }
        self.medium.write(0, &mark.head)?;
        self.settle()?;
        if self.medium.len()? > mark.len {
            self.medium.set_len(mark.len)?;
            self.settle()?;
        }
        if self.mark()?.head == mark.head {
            Ok(())
        } else {
            Err(io::Error::other("the device does not keep what is written to it"))
        }
    }
}

/// What one database has of the medium.
#[derive(Debug)]
pub(super) struct Handle<M> {
    guard: Arc<Guard<M>>,
    generation: u64,
}

impl<M: Medium> Handle<M> {
    fn medium(&self) -> io::Result<&M> {
        let live = self.generation == self.guard.generation.load(Ordering::Acquire);
        live.then_some(&self.guard.medium).ok_or_else(|| io::Error::other("this database was given up after a failure"))
    }
}

impl<M: Medium> StorageBackend for Handle<M> {
    fn len(&self) -> io::Result<u64> {
        self.medium()?.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.medium()?.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.medium()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.medium()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.medium()?.write(offset, data)
    }
}
