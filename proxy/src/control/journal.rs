//! What outlives the process, in the words of the store: which bytes stand for which fact, and when they are written.
//!
//! Written are the steps from one [`Store`] to the next, never the whole: rows of the overlay, revisions of objects,
//! the file as it was last seen, a record for the history, and answers to calls that have a `request_id`. What one
//! commit holds is on the disk together or not at all.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use speedmimi_model::{Config, Difference, Overlay};

use super::drain::Drains;
use super::operation::Call;
use super::persist::{Batch, Storage, StoreError, Table};
use super::store::Store;

mod open;
mod record;
#[cfg(test)]
mod tests;

pub use record::Revision;

pub(super) use open::open;
pub(super) use record::Author;

/// The global revision, in [`Table::Meta`].
const REVISION: &str = "revision";
/// The file as it was last in force, in [`Table::Meta`].
const FILE: &str = "file";

/// Where changes are kept, as it is told to people.
#[derive(Debug, Default)]
pub struct Home {
    /// The directory; none where they end with the process, or where there is none and each is refused.
    pub dir: Option<PathBuf>,
    /// Why they cannot be kept at this time, and are refused therefore.
    problem: Mutex<Option<String>>,
    /// What became of the store at this start, where operators should know it.
    pub note: Option<String>,
}

impl Home {
    /// Every change is refused until it can be kept.
    fn refusing(dir: Option<PathBuf>, error: &impl Display) -> Self {
        tracing::error!(%error, "changes made through the API cannot be kept and are refused until they can");
        Self { dir, problem: Mutex::new(Some(error.to_string())), note: None }
    }

    /// Whether changes are taken and end with the process.
    pub fn is_volatile(&self) -> bool {
        self.dir.is_none() && self.problem().is_none()
    }

    /// Why changes cannot be kept at this time.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }
}

/// The writer of the store.
#[derive(Debug)]
pub(super) struct Journal {
    /// On its way while it is used on another thread.
    storage: Option<Box<dyn Storage>>,
    /// What happened at the start and could not be written then; the next commit takes it along.
    owed: Batch,
    home: Arc<Home>,
}

impl Journal {
    /// Where it is kept.
    pub(super) fn home(&self) -> Arc<Home> {
        self.home.clone()
    }

    /// Makes a batch durable, with what is owed. After an error nothing of it was done. One that changes nothing needs
    /// no disk, whatever is owed.
    pub(super) async fn commit(&mut self, batch: Batch) -> Result<(), Arc<StoreError>> {
        if batch.is_empty() { Ok(()) } else { self.write(batch).await }
    }

    /// Makes durable what is owed.
    pub(super) async fn settle(&mut self) -> Result<(), Arc<StoreError>> {
        if self.owed.is_empty() { Ok(()) } else { self.write(Batch::new()).await }
    }

    async fn write(&mut self, mut batch: Batch) -> Result<(), Arc<StoreError>> {
        if !self.owed.is_empty() {
            let mut all = self.owed.clone();
            all.append(batch);
            batch = all;
        }
        let done = self.elsewhere(move |storage| storage.commit(&batch)).await;
        match &done {
            Ok(()) => {
                self.owed = Batch::new();
                if let Some(problem) = self.home.problem.lock().take() {
                    tracing::info!(problem, "changes can be kept again");
                }
            }
            Err(error) => {
                let told = error.to_string();
                let before = self.home.problem.lock().replace(told.clone());
                // The audit log has every refusal; this line is for the cause, once.
                if before != Some(told) {
                    tracing::error!(%error, "changes cannot be kept and are refused");
                }
            }
        }
        done
    }

    /// What was answered to a call of this name, and the fingerprint of that call.
    pub(super) async fn recall(&mut self, request_id: &str) -> Result<Option<Known>, Arc<StoreError>> {
        let at = now() / 1000;
        let found = self.here()?.answer(request_id, at);
        let found = match found {
            Ok(found) => found,
            // It may be closed since a write failed.
            Err(_) => {
                let request_id = request_id.to_owned();
                self.look(move |storage| storage.answer(&request_id, at)).await?
            }
        };
        Ok(found.and_then(|bytes| {
            let (fingerprint, answer) = bytes.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*fingerprint), answer.into()))
        }))
    }

    /// What is recorded of the revisions below `before` (all, if none), newest first.
    pub(super) async fn history(
        &mut self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Revision>, Arc<StoreError>> {
        // A page may be megabytes: it is read and understood where nobody waits.
        self.look(move |storage| {
            let records = storage.history(before, limit)?;
            Ok(records.into_iter().filter_map(|(revision, bytes)| record::told(revision, &bytes)).collect())
        })
        .await
    }

    /// What lay over the file at an earlier revision, and what drained: everything after it taken back, the newest first.
    /// None where the history does not reach so far; then the oldest revision that it reaches.
    pub(super) async fn earlier(
        &mut self,
        store: &Store,
        revision: u64,
    ) -> Result<Result<Earlier, u64>, Arc<StoreError>> {
        let now = Earlier { overlay: store.layers().overlay().clone(), draining: (**store.draining()).clone() };
        let current = store.revision();
        self.look(move |storage| take_back(storage, now.clone(), current, revision)).await
    }

    fn here(&self) -> Result<&dyn Storage, Arc<StoreError>> {
        self.storage.as_deref().ok_or_else(lost)
    }

    /// Reads, where that may wait for the disk. Where it is refused the store is opened anew: after a write that could not
    /// be taken back it is closed, and works again once the device does.
    async fn look<T: Send + 'static>(
        &mut self,
        read: impl Fn(&dyn Storage) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Arc<StoreError>> {
        self.elsewhere(move |storage| match read(storage) {
            Err(error) if error.may_pass() => {
                storage.recover()?;
                read(storage)
            }
            done => done,
        })
        .await
    }

    /// Uses the store on a thread that may wait for the disk.
    async fn elsewhere<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Storage) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Arc<StoreError>> {
        let mut storage = self.storage.take().ok_or_else(lost)?;
        let (storage, done) = tokio::task::spawn_blocking(move || {
            let done = work(&mut *storage);
            (storage, done)
        })
        .await
        .map_err(|_| lost())?;
        self.storage = Some(storage);
        Ok(done?)
    }
}

/// Goes from what is so at one revision back to another, step by step.
fn take_back(
    storage: &dyn Storage,
    mut earlier: Earlier,
    mut at: u64,
    revision: u64,
) -> Result<Result<Earlier, u64>, StoreError> {
    while at > revision {
        for (number, bytes) in storage.history(Some(at + 1), PAGE)? {
            if at <= revision {
                break;
            }
            let undone = (number == at).then(|| record::undo(&bytes, &earlier)).flatten();
            let Some(before) = undone else { return Ok(Err(at)) };
            earlier = before;
            at -= 1;
        }
        if storage.record(at)?.is_none() && at > revision {
            return Ok(Err(at));
        }
    }
    Ok(Ok(earlier))
}

/// What an earlier revision had that the file does not say.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub(super) overlay: Overlay,
    pub(super) draining: Drains,
}

/// The fingerprint of a call, and what was answered to it.
type Known = (u64, Arc<[u8]>);

/// Records that are looked at together.
const PAGE: usize = 64;

/// The thread that had the store panicked. What it was writing may be there or not; nothing is acknowledged any more.
fn lost() -> Arc<StoreError> {
    let source = io::Error::other("it was lost by an internal error; restart the process");
    Arc::new(StoreError::Unusable { action: "use", path: Path::new("the state store").to_owned(), source })
}

/// What was so before a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    /// The global revision; 0 where nothing was there.
    pub(super) revision: u64,
    pub(super) overlay: &'a Overlay,
    /// None where it is not known.
    pub(super) file: Option<&'a Config>,
    pub(super) disconnected: &'a BTreeSet<(String, String)>,
    pub(super) draining: &'a Drains,
}

impl<'a> From<&'a Store> for Before<'a> {
    fn from(store: &'a Store) -> Self {
        let layers = store.layers();
        Self {
            revision: store.revision(),
            overlay: layers.overlay(),
            file: Some(layers.file()),
            disconnected: store.disconnected(),
            draining: store.draining(),
        }
    }
}

/// What is to be written for a step, with a record of it where it makes a revision.
///
/// `differences`: what it makes of the configuration.
pub(super) fn step(before: Before<'_>, after: &Store, differences: &[Difference], author: &Author<'_>) -> Batch {
    let mut batch = Batch::new();
    let layers = after.layers();
    for (object, row) in layers.overlay().changed(before.overlay) {
        match row {
            Some(row) => batch.put(Table::Overlay, text(&object), bytes(&row)),
            None => batch.delete(Table::Overlay, text(&object)),
        };
    }
    let same_file = |file: &Config| std::ptr::eq(file, layers.file()) || file == layers.file();
    if !before.file.is_some_and(same_file) {
        batch.put(Table::Meta, FILE, bytes(&layers.file().to_json()));
    }
    for pair in after.disconnected().difference(before.disconnected) {
        batch.put(Table::Disconnected, text(pair), Vec::new());
    }
    for pair in before.disconnected.difference(after.disconnected()) {
        batch.delete(Table::Disconnected, text(pair));
    }
    for (pair, drain) in after.draining().iter().filter(|(pair, drain)| before.draining.get(*pair) != Some(drain)) {
        batch.put(Table::Drains, text(pair), bytes(drain));
    }
    for pair in before.draining.keys().filter(|pair| !after.draining().contains_key(*pair)) {
        batch.delete(Table::Drains, text(pair));
    }
    if before.revision != after.revision() {
        batch.put(Table::Meta, REVISION, bytes(&after.revision()));
        for object in after.touched() {
            match after.revision_of(object) {
                0 => batch.delete(Table::Revisions, text(object)),
                revision => batch.put(Table::Revisions, text(object), bytes(&revision)),
            };
        }
        batch.record(after.revision(), record::of(before, after, differences, author));
    }
    batch
}

/// An answer that is to be remembered.
pub(super) fn remember(call: &Call, answer: &[u8]) -> Batch {
    let mut bytes = call.fingerprint.to_le_bytes().to_vec();
    bytes.extend_from_slice(answer);
    let mut batch = Batch::new();
    batch.remember(&*call.request_id, now() / 1000, bytes);
    batch
}

fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    text(value).into_bytes()
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain values with names for keys can always be written")
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
