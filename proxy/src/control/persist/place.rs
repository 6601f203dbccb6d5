//! Which directory keeps the state.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;

/// What the choice depends on besides the configuration; an argument, because a test must be able to say it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// `$STATE_DIRECTORY`, which systemd sets: a list with `:` between its paths.
    pub state_directory: Option<&'a OsStr>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<&'a OsStr>,
    /// `$HOME`, else what the system knows of the user.
    pub home: Option<&'a OsStr>,
    /// The working directory, which relative paths start from.
    pub working: &'a Path,
}

/// The configured directory, else the first of `$STATE_DIRECTORY`, else one in the user's state folder that belongs to
/// the configuration file alone, so that two proxies of one user keep apart.
pub fn place<'a>(configured: Option<&Path>, file: &Path, around: Surroundings<'a>) -> Result<PathBuf, StoreError> {
    if let Some(dir) = configured {
        return Ok(absolute(dir, around.working));
    }
    if let Some(dir) = around.state_directory.and_then(first) {
        return Ok(absolute(dir, around.working));
    }
    // The XDG base directory specification: a relative path is to be ignored.
    let from_root = |path: &'a OsStr| Some(Path::new(path)).filter(|path| path.is_absolute());
    let base = match around.xdg_state_home.and_then(from_root) {
        Some(base) => base.to_owned(),
        None => around.home.and_then(from_root).ok_or(StoreError::Nowhere)?.join(".local/state"),
    };
    let file = absolute(file, around.working);
    Ok(base.join("speedmimi").join(format!("{:016x}", xxh3_64(file.as_os_str().as_bytes()))))
}

fn first(list: &OsStr) -> Option<&Path> {
    let first = list.as_bytes().split(|byte| *byte == b':').find(|path| !path.is_empty())?;
    Some(Path::new(OsStr::from_bytes(first)))
}

/// The path from the root, without `.`; `..` stays, since what it means depends on links.
fn absolute(path: &Path, working: &Path) -> PathBuf {
    working.join(path).components().filter(|part| *part != Component::CurDir).collect()
}
