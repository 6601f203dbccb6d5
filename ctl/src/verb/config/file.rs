//! Writing a file whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Failure;

/// Puts `bytes` in the place of a file: whoever reads it sees what was there, or all of this.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::Unwritable { file: path.display().to_string(), error };
    let Some(name) = path.file_name() else {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    };
    // Beside it, so that it can be moved; by process, so that two do not meet.
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write(path, &beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // What is left of it serves nobody.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

fn write(old: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    // An administrator's document has secrets in it.
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    // Who could not read what was there does not get to read this.
    if let Ok(known) = fs::metadata(old) {
        file.set_permissions(known.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}
