//! `state`: what becomes of the changes made through the API.

/// `state`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What holds where a reload contradicts them; default overlay.
    pub conflict: Conflict,
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
