//! Why the store does not do what it is asked, in words for whoever runs the proxy.

use std::io;
use std::path::{Path, PathBuf};

/// Who can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Whoever sent the change.
    Client,
    /// Whoever runs the machine: a disk, a permission, a setting, another process.
    Operator,
    /// The file holds what this program cannot have written.
    Store,
}

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "the state directory {} is in use by {}: stop that one, or set another state.dir here",
        dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")),
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who holds it; `None` if it does not say.
        pid: Option<u32>,
    },
    /// A later version of this program wrote it.
    #[error(
        "the state store {} was written by a newer version ({what} {found}, this one knows up to {known}): \
         run the newer version, or move the file away and lose the changes in it",
        path.display(),
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What is newer: `schema` or `file format`.
        what: &'static str,
        /// Which one it has.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// The system refuses. What was stored before is not touched.
    #[error("cannot {action} {}: {}", path.display(), words(source))]
    Unusable {
        /// What was to be done: `write`, `open`, `lock`.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the file holds makes no sense.
    #[error("the state store {} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A single key or value is larger than is stored.
    #[error("{size} bytes are too many for one entry of the state store: at most {most} are allowed")]
    TooLarge {
        /// How large it is, in bytes.
        size: usize,
        /// How large it may be, in bytes.
        most: usize,
    },
    /// There is no directory to keep it in.
    #[error(
        "no directory for the state: set state.dir, or one of STATE_DIRECTORY, XDG_STATE_HOME and HOME, or state.persist: false; then start again"
    )]
    Nowhere,
}

impl StoreError {
    /// Who can help.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TooLarge { .. } => Blame::Client,
            Self::Damaged { .. } => Blame::Store,
            Self::Locked { .. } | Self::Newer { .. } | Self::Unusable { .. } | Self::Nowhere => Blame::Operator,
        }
    }

    /// Whether the same call may succeed later without a change to it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::Locked { .. })
    }

    /// Whether the system lets nothing be written, which says nothing about reading.
    pub(super) fn refuses_writing(&self) -> bool {
        matches!(self, Self::Unusable { source, .. } if refuses_writing(source))
    }

    pub(super) fn unusable(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Unusable { action, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.into() }
    }
}

/// Whether this is what a system says that lets nothing be written.
pub(super) fn refuses_writing(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// What the system said, and what to do about it where that is known.
fn words(error: &io::Error) -> String {
    use io::ErrorKind::{NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let advice = match error.kind() {
        StorageFull => "the disk is full; free some space",
        QuotaExceeded => "the disk quota is used up; free some space or raise it",
        ReadOnlyFilesystem => "the file system is read-only; mount it for writing, or set another state.dir",
        PermissionDenied => "this user may not; check owner and mode, or set another state.dir",
        NotADirectory => "a part of the path is no directory; set another state.dir",
        _ if error.raw_os_error() == Some(libc::EIO) => "the device failed; see the kernel log",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}
