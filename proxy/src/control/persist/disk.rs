//! The store on a disk: an embedded database in one file.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::medium::{Guard, Mark, Medium};
use super::{Batch, Bytes, Limits, Storage, StoreError, Table};

mod schema;
mod write;

#[cfg(test)]
pub(super) use schema::CURRENT;
pub(super) use schema::tables;

/// The longest key or value, in bytes. A configuration is far below; beyond, a mistake is more likely than a need.
pub(super) const MOST: usize = 64 << 20;
/// Memory for pages of the database, in bytes: the requests of a day are looked up from the disk.
const CACHE: usize = 2 << 20;

/// A store on a medium.
pub(super) struct Disk<M: Medium> {
    /// `None` between a failure and the call that finds its cause gone.
    database: Option<Database>,
    /// What a failed commit still has to be taken back to.
    owed: Option<Mark>,
    guard: Arc<Guard<M>>,
    limits: Limits,
    /// What the database keeps.
    bytes: Bytes,
    /// For messages.
    path: PathBuf,
}

impl<M: Medium> fmt::Debug for Disk<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("path", &self.path).field("open", &self.database.is_some()).finish_non_exhaustive()
    }
}

impl<M: Medium> Disk<M> {
    /// Opens what the medium has, repairs what a power cut left half done, checks every page, and brings an older
    /// schema up to date. An empty medium becomes an empty store. `path` is only for messages.
    pub(super) fn open(medium: M, path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let guard = Guard::new(medium);
        guard.settle().map_err(|error| StoreError::unusable("sync", path, error))?;
        schema::refuse_newer_format(&guard, path)?;
        let mut disk =
            Self { database: None, owed: None, guard, limits, bytes: Bytes::default(), path: path.to_owned() };
        disk.ready()?;
        Ok(disk)
    }

    /// The database, opened again if something failed before.
    fn ready(&mut self) -> Result<(), StoreError> {
        if self.database.is_none() {
            let mark = match self.owed.take() {
                None => self.mark()?,
                Some(mark) => {
                    if let Err(error) = self.guard.put_back(&mark) {
                        self.owed = Some(mark);
                        return Err(StoreError::unusable("write", &self.path, error));
                    }
                    mark
                }
            };
            match open_checked(&self.guard, &self.path) {
                Ok((database, bytes)) => (self.database, self.bytes) = (Some(database), bytes),
                Err(error) => {
                    self.guard.cut_off();
                    self.owed = Some(mark);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Commits, or goes back to what was before.
    fn attempt(&mut self, batch: &Batch) -> Result<Result<(), redb::Error>, StoreError> {
        self.ready()?;
        let mark = self.mark()?;
        match write::commit(self.open_database()?, batch, self.limits, self.bytes) {
            Ok(bytes) => {
                self.bytes = bytes;
                Ok(Ok(()))
            }
            Err(error) => {
                // The database does not go on after a failure and cannot say how far it came. It is closed without
                // another write, what was before is put back, and it is opened again.
                self.close(mark);
                // Where even that fails, the next call tries again, and is refused for the reason that it finds then.
                let _ = self.ready();
                Ok(Err(error))
            }
        }
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.guard.mark().map_err(|error| StoreError::unusable("read", &self.path, error))
    }

    /// Closes the database without another write, so that it is opened as it was at the mark.
    fn close(&mut self, mark: Mark) {
        self.guard.cut_off();
        self.database = None;
        self.owed = Some(mark);
    }

    fn open_database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or_else(|| {
            let error = io::Error::other("it is closed since a write failed; the next call tries to open it again");
            StoreError::unusable("read", &self.path, error)
        })
    }

    fn read<T>(&self, look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let transaction = self.open_database()?.begin_read();
        transaction
            .map_err(redb::Error::from)
            .and_then(|read| look(&read))
            .map_err(|error| refusal("read", &self.path, error))
    }
}

impl<M: Medium> Storage for Disk<M> {
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|transaction| {
            let entries = transaction.open_table(tables::ENTRIES)?;
            let mut found = Vec::new();
            for entry in entries.range(tables::all(table))? {
                let (key, value) = entry?;
                found.push((key.value().1.to_owned(), value.value().to_owned()));
            }
            Ok(found)
        })
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| {
            let entries = transaction.open_table(tables::ENTRIES)?;
            Ok(entries.get((tables::number(table), key))?.map(|value| value.value().to_owned()))
        })
    }

    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let forgotten = self.limits.forgotten(now);
        self.read(|transaction| {
            let table = transaction.open_table(tables::ANSWERS)?;
            let answer = table.get(request_id)?;
            Ok(answer.and_then(|answer| {
                let (at, bytes) = answer.value();
                forgotten.is_none_or(|last| at > last).then(|| bytes.to_owned())
            }))
        })
    }

    fn answers(&self) -> Result<u64, StoreError> {
        self.read(|transaction| Ok(transaction.open_table(tables::ANSWERS)?.len()?))
    }

    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(tables::HISTORY)?;
            Ok(table.get(revision)?.map(|record| record.value().to_owned()))
        })
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(tables::HISTORY)?;
            let below = match before {
                Some(before) => table.range(..before)?,
                None => table.iter()?,
            };
            let owned = |entry: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>), _>| {
                entry.map(|(revision, record)| (revision.value(), record.value().to_owned()))
            };
            Ok(below.rev().take(limit).map(owned).collect::<Result<_, _>>()?)
        })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let size = batch.longest();
        if size > MOST {
            return Err(StoreError::TooLarge { size, most: MOST });
        }
        let mut done = self.attempt(batch)?;
        if matches!(done, Err(redb::Error::PreviousIo)) {
            // A read failed since the last commit, and the database had closed itself. Now it is open again.
            done = self.attempt(batch)?;
        }
        done.map_err(|error| refusal("write", &self.path, error))
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        if self.database.is_some() {
            // A read failed, after which the database does not go on.
            let mark = self.mark()?;
            self.close(mark);
        }
        self.ready()
    }
}

/// Opens the database, after a repair if it was not closed, and looks at every page of it; with how much it keeps.
fn open_checked<M: Medium>(guard: &Arc<Guard<M>>, path: &Path) -> Result<(Database, Bytes), StoreError> {
    // The database is careful with what it reads, but a damaged file must not end the start whatever is in it.
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<Database, redb::Error> {
        let repaired = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&repaired);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
        let mut database = builder.create_with_backend(guard.handle())?;
        // A repair has looked at every page. After a clean end nobody has, and damage would show at some later read.
        if !repaired.load(Ordering::Relaxed) {
            database.check_integrity()?;
        }
        Ok(database)
    }));
    let database = opened
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("reading it ended in a panic".to_owned())))
        .map_err(|error| refusal("open", path, error))?;
    schema::bring_up_to_date(&database, path)?;
    let bytes = write::weigh(&database).map_err(|error| refusal("open", path, error))?;
    Ok((database, bytes))
}

/// What the database said, as the operator should hear it: a damaged file, or a system that refuses.
fn refusal(action: &'static str, path: &Path, error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => match error.kind() {
            // Said of the contents: no database, or one cut short.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => StoreError::damaged(path, error.to_string()),
            _ => StoreError::unusable(action, path, error),
        },
        redb::Error::DatabaseAlreadyOpen => {
            StoreError::Locked { dir: path.parent().unwrap_or(path).to_owned(), pid: None }
        }
        redb::Error::Corrupted(detail) => StoreError::damaged(path, detail),
        other @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_)) => StoreError::damaged(path, other.to_string()),
        other => StoreError::unusable(action, path, io::Error::other(other)),
    }
}
