//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;
use super::error::refuses_writing;

/// The file in the directory that is locked. It stays there: removing it would let two processes lock two files of the
/// same name.
const NAME: &str = "lock";

/// The right to use a directory, until it is dropped or the process ends in whatever way: the system releases it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, or says who has it.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(NAME);
        let refused = |error| StoreError::unusable("lock", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = match options.open(&path) {
            // Where nothing can be written, what is there can still be locked.
            Err(error) if refuses_writing(&error) => File::open(&path).map_err(|_| refused(error))?,
            done => done.map_err(refused)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { dir: dir.to_owned(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        // The name is for the message alone. On a full disk there is none, and the lock holds all the same.
        let _ = sign(&mut file);
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // A process id has ten digits at most; whatever else stands there is not read.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
