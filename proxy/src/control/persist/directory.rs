//! The directory of a store: made, locked, opened; a damaged file set aside.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::disk::Disk;
use super::lock::Lock;
use super::medium::{Medium, OnFile};
use super::unwritable::Unwritable;
use super::{Limits, Storage, StoreError};

/// The file.
pub(super) const NAME: &str = "state.redb";
/// A file that is not complete yet.
const NEW: &str = "state.redb.new";
/// A damaged file, before the time at which it was set aside.
const DAMAGED: &str = "state.redb.damaged-";
/// Damaged files that are kept; the oldest beyond are removed.
const DAMAGED_KEPT: usize = 3;

/// What [`open`] found.
#[derive(Debug)]
pub struct Opened {
    /// The store. The directory is locked while it lives.
    pub storage: Box<dyn Storage>,
    /// A damaged file that was there; the store is then a new one. That was logged.
    pub set_aside: Option<SetAside>,
    /// A damaged file that is still there, since nothing can be written: the store is empty, and the first commit that
    /// finds it can write sets the file aside.
    pub damaged: Option<StoreError>,
    /// Why nothing can be written at this time. What was stored is there to read; every commit tries again, and is
    /// refused with the reason it finds until that is gone.
    pub unwritable: Option<StoreError>,
}

/// A damaged store that was moved out of the way. Its `Display` tells the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is.
    pub to: PathBuf,
    /// What is wrong with it.
    pub detail: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, detail) = (self.from.display(), self.to.display(), &self.detail);
        write!(
            f,
            "the state store {from} is damaged: {detail}; it was set aside as {to} and an empty one begun, \
             so changes made at run time are gone and the configuration file alone is in effect"
        )
    }
}

/// Says what makes no sense in a store, in words for the operator.
pub(super) type Accept<'a> = &'a dyn Fn(&dyn Storage) -> Result<(), String>;

/// Opens the store in a directory, which is made if it is missing (mode 0700).
///
/// A file that is damaged, or that `accept` refuses because it makes no sense of what is in it, is renamed to
/// `state.redb.damaged-` and `now` in UTC, and an empty store begun. A store that cannot be written (permission,
/// read-only, full disk) is opened all the same and says so in [`Opened::unwritable`], damaged or not. One that cannot be
/// read, a newer and a locked one are errors, and every file stays as it is.
pub fn open(
    dir: &Path,
    limits: Limits,
    now: SystemTime,
    accept: impl Fn(&dyn Storage) -> Result<(), String>,
) -> Result<Opened, StoreError> {
    let mut set_aside = None;
    match writable(dir, limits, now, &accept, &mut set_aside) {
        Err(error) if error.refuses_writing() => {
            let (storage, damaged) = Unwritable::open(dir, limits, &accept)?;
            Ok(Opened { storage: Box::new(storage), set_aside, damaged, unwritable: Some(error) })
        }
        Err(error) => Err(error),
        Ok(disk) => Ok(Opened { storage: Box::new(disk), set_aside, damaged: None, unwritable: None }),
    }
}

fn writable(
    dir: &Path,
    limits: Limits,
    now: SystemTime,
    accept: Accept<'_>,
    set_aside: &mut Option<SetAside>,
) -> Result<Disk<OnFile>, StoreError> {
    make(dir)?;
    let lock = Arc::new(Lock::take(dir)?);
    let path = dir.join(NAME);
    let found = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::unusable("write", &path, error)),
    };
    match found.map(|file| existing(OnFile::new(file, &lock), &path, limits, accept)) {
        Some(Ok(disk)) => return Ok(disk),
        Some(Err(StoreError::Damaged { detail, .. })) => put_aside(dir, detail, now, set_aside)?,
        Some(Err(error)) => return Err(error),
        None => {}
    }
    begin(dir, &lock, limits)
}

/// Makes a directory and those above it, each durable under its name.
pub(super) fn make(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    let made = DirBuilder::new().mode(0o700).create(dir).and_then(|()| match above.map_or(Ok(()), sync) {
        // Who may make a name in a directory may still not be allowed to read it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        done => done,
    });
    made.map_err(|error| StoreError::unusable("create", dir, error))
}

/// Opens a file that is there.
pub(super) fn existing<M: Medium>(
    medium: M,
    path: &Path,
    limits: Limits,
    accept: Accept<'_>,
) -> Result<Disk<M>, StoreError> {
    if medium.len().map_err(|error| StoreError::unusable("open", path, error))? == 0 {
        // It gets its name only once it is complete, so this is not a start that was cut short.
        return Err(StoreError::damaged(path, "it is empty"));
    }
    let disk = Disk::open(medium, path, limits)?;
    accept(&disk).map_err(|detail| StoreError::damaged(path, detail))?;
    Ok(disk)
}

/// Begins an empty store. It is complete and synced before it has its name: a power cut in between leaves none.
pub(super) fn begin(dir: &Path, lock: &Arc<Lock>, limits: Limits) -> Result<Disk<OnFile>, StoreError> {
    let (new, path) = (dir.join(NEW), dir.join(NAME));
    let create = || -> io::Result<File> {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new)
    };
    let file = create().map_err(|error| StoreError::unusable("create", &path, error))?;
    let disk = Disk::open(OnFile::new(file, lock), &path, limits)?;
    fs::rename(&new, &path).and_then(|()| sync(dir)).map_err(|error| StoreError::unusable("create", &path, error))?;
    Ok(disk)
}

/// Moves a damaged file out of the way, and tells it at once: whatever fails afterwards, the changes in it are gone.
pub(super) fn put_aside(
    dir: &Path,
    detail: String,
    now: SystemTime,
    told: &mut Option<SetAside>,
) -> Result<(), StoreError> {
    let from = dir.join(NAME);
    let refused = |error| StoreError::unusable("set aside", &from, error);
    let stamp = jiff::Timestamp::try_from(now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
    let name = format!("{DAMAGED}{stamp}");
    let others = damaged(dir).map_err(refused)?;
    // Nobody else is at work here, so a name that is free stays free. Numbers grow, so that names sort by age.
    let number =
        |other: &String| other.strip_prefix(&name)?.strip_prefix('-').map_or(Some(1), |n| n.parse::<u32>().ok());
    let to = dir.join(match others.iter().filter_map(number).max() {
        None => name,
        Some(last) => format!("{name}-{:02}", last.saturating_add(1)),
    });
    fs::rename(&from, &to).map_err(refused)?;
    let set_aside = told.insert(SetAside { from: from.clone(), to, detail });
    tracing::error!("{set_aside}");
    sync(dir).map_err(refused)?;
    let over = (others.len() + 1).saturating_sub(DAMAGED_KEPT);
    for other in others.iter().take(over) {
        // One that cannot be removed does no harm.
        let _ = fs::remove_file(dir.join(other));
    }
    Ok(())
}

/// Names of the files set aside before, the oldest first.
fn damaged(dir: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(DAMAGED)).collect();
    names.sort();
    Ok(names)
}

/// Makes names in a directory durable.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
