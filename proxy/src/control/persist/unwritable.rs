//! A store that cannot be written when the proxy starts: a read-only file system, a missing permission, a full disk.
//!
//! Traffic must go on, with the changes that were made before. So they are read, and every change is refused with the
//! reason, until one finds that the store can be written.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::directory::{Accept, NAME, begin, existing, make, put_aside};
use super::disk::Disk;
use super::lock::Lock;
use super::medium::OnFile;
use super::{Batch, Limits, Memory, Storage, StoreError, Table};

mod overlaid;

use overlaid::Overlaid;

/// What is in the directory, and how to write it when that becomes possible.
#[derive(Debug)]
pub(super) struct Unwritable {
    dir: PathBuf,
    limits: Limits,
    /// `None` if there is nothing to lock.
    lock: Option<Arc<Lock>>,
    content: Box<dyn Storage>,
    /// What is wrong with the file: nothing of it is in the content, and it is to be set aside.
    damage: Option<String>,
    /// Whether the content is the store itself by now.
    writable: bool,
}

impl Unwritable {
    /// Reads what is there. Fails if something is there that the system does not let it read: a start without the changes
    /// in it would be a start with another configuration. Nothing brings back what a damaged file had, so there is a start
    /// without, and the damage is returned.
    pub(super) fn open(
        dir: &Path,
        limits: Limits,
        accept: Accept<'_>,
    ) -> Result<(Self, Option<StoreError>), StoreError> {
        let path = dir.join(NAME);
        let mut damaged = None;
        let (lock, content): (_, Box<dyn Storage>) = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => (Lock::take(dir).ok(), Box::new(Memory::new(limits))),
            Err(error) => return Err(StoreError::unusable("open", &path, error)),
            Ok(file) => {
                let lock = Lock::take(dir)?;
                match existing(Overlaid::new(file), &path, limits, accept) {
                    Ok(disk) => (Some(lock), Box::new(disk)),
                    Err(error @ StoreError::Damaged { .. }) => {
                        damaged = Some(error);
                        (Some(lock), Box::new(Memory::new(limits)))
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let damage = match &damaged {
            Some(StoreError::Damaged { detail, .. }) => Some(detail.clone()),
            _ => None,
        };
        let (dir, lock) = (dir.to_owned(), lock.map(Arc::new));
        Ok((Self { dir, limits, lock, content, damage, writable: false }, damaged))
    }

    fn try_to_write(&mut self) -> Result<(), StoreError> {
        make(&self.dir)?;
        let path = self.dir.join(NAME);
        let lock = match &self.lock {
            Some(lock) => Arc::clone(lock),
            None => Arc::new(Lock::take(&self.dir)?),
        };
        if let Some(detail) = self.damage.clone() {
            // Told by itself; a file that is gone already is no reason to refuse.
            if path.exists() {
                put_aside(&self.dir, detail, SystemTime::now(), &mut None)?;
            }
            self.damage = None;
        }
        let disk = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(_) if self.lock.is_none() => {
                let error =
                    io::Error::other("another process began it in the meantime; start this one again to use it");
                return Err(StoreError::unusable("use", &path, error));
            }
            Ok(file) => Disk::open(OnFile::new(file, &lock), &path, self.limits)?,
            Err(error) if error.kind() == ErrorKind::NotFound => begin(&self.dir, &lock, self.limits)?,
            Err(error) => return Err(StoreError::unusable("write", &path, error)),
        };
        self.content = Box::new(disk);
        self.writable = true;
        Ok(())
    }
}

impl Storage for Unwritable {
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.content.entries(table)
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.content.get(table, key)
    }

    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.content.answer(request_id, now)
    }

    fn answers(&self) -> Result<u64, StoreError> {
        self.content.answers()
    }

    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.content.record(revision)
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.content.history(before, limit)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if !self.writable {
            self.try_to_write()?;
        }
        self.content.commit(batch)
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        self.content.recover()
    }
}
