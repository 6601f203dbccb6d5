//! `state`: what is kept of the changes made through the API.

use std::path::PathBuf;

/// `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Folder of the store; default `$STATE_DIRECTORY`, else the user's state folder.
    pub dir: Option<PathBuf>,
    /// Whether changes made through the API survive a restart; default true.
    pub persist: bool,
    /// What holds where a reload, or a start with another file, contradicts them; default overlay.
    pub conflict: Conflict,
}

impl Default for State {
    fn default() -> Self {
        Self { dir: None, persist: true, conflict: Conflict::Overlay }
    }
}

/// What holds where the file is changed at a place that was changed through the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// What was changed through the API.
    #[default]
    Overlay,
    /// What the file newly says; what it contradicts is forgotten.
    File,
}
