//! Why a change is refused. A refused change changed nothing.

use std::sync::Arc;

use speedmimi_model::{ChangeError, Fault, Faults, Object, ReloadError};

use super::code::Code;
use super::persist::StoreError;
use crate::access::AccessError;

/// Why the control thread does not do what it is asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The change does not fit the configuration.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The object is not what the caller thinks it is.
    #[error("{} is at revision {current}, not {expected}", object.as_ref().map_or("the configuration".to_owned(), ToString::to_string))]
    Conflict {
        /// What was to be changed; none: everything.
        object: Option<Object>,
        /// What the caller expected.
        expected: u64,
        /// What it is.
        current: u64,
    },
    /// A backend that is to be removed is at work.
    #[error(
        "{object} has {in_flight} {} in flight; drain it with --then remove and it goes when they have ended, or force it and they are ended",
        if *in_flight == 1 { "exchange" } else { "exchanges" }
    )]
    Busy {
        /// The backend.
        object: Object,
        /// Exchanges in flight on it.
        in_flight: u32,
    },
    /// A backend is draining already, and otherwise than the caller wants.
    #[error("{object} is draining already, as {by} wants it; look on without parameters, or replace them")]
    Draining {
        /// The backend.
        object: Object,
        /// Who began it.
        by: String,
    },
    /// The file cannot be read or is not a valid configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file changes something that needs a restart.
    #[error(transparent)]
    Reload(#[from] ReloadError),
    /// There is no file to read again.
    #[error("the process was started without a configuration file")]
    NoFile,
    /// The change cannot be kept, so it is not made.
    #[error("the change cannot be kept, and was not made: {0}")]
    State(Arc<StoreError>),
    /// Another call had this name.
    #[error("request_id {0:?} was used for another call; take a new one for each call that is not a repeat")]
    RequestIdTaken(String),
    /// There is nothing to go back to.
    #[error("there is no revision {revision} to go back to; the history reaches from {oldest} to {current}")]
    NoSuchRevision {
        /// What was asked for.
        revision: u64,
        /// The oldest there is.
        oldest: u64,
        /// The one in force.
        current: u64,
    },
    /// The process is ending.
    #[error("the process is stopping")]
    Stopping,
}

impl Refused {
    /// What kind of refusal it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Change(ChangeError::Invalid(_)) | Self::Load(LoadError::Faults { .. }) | Self::RequestIdTaken(_) => {
                Code::InvalidArgument
            }
            Self::Change(ChangeError::NotFound { .. }) | Self::NoSuchRevision { .. } => Code::NotFound,
            Self::Change(ChangeError::AlreadyExists { .. }) => Code::AlreadyExists,
            Self::Conflict { .. } => Code::Aborted,
            Self::Change(
                ChangeError::InUse { .. } | ChangeError::Unroutable(_) | ChangeError::RestartNeeded { .. },
            )
            | Self::Busy { .. }
            | Self::Draining { .. }
            | Self::Load(LoadError::Access(_) | LoadError::Unreadable { .. })
            | Self::Reload(ReloadError::Unfit { .. } | ReloadError::RestartNeeded { .. })
            | Self::NoFile
            | Self::State(_) => Code::FailedPrecondition,
            Self::Stopping => Code::Unavailable,
        }
    }

    /// Whether the same call would be refused again by what was asked, so that a repeat is answered from memory. What
    /// the machine refuses may pass.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::State(_) | Self::Stopping | Self::Load(_))
    }
}

/// Why a configuration file gives no configuration.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A file of tokens or certificates that it names is not good.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        error: String,
    },
    /// It is not valid. Said without the lines at fault, which may hold secrets: this goes into logs.
    #[error("{}", places(path, faults))]
    Faults {
        /// Which file.
        path: String,
        /// What it says.
        text: String,
        /// Everything that is wrong with it.
        faults: Faults,
    },
}

impl LoadError {
    /// With the lines at fault, for whoever starts the process and has the file.
    pub fn with_lines(&self) -> String {
        match self {
            Self::Faults { path, text, faults } => faults.render(path, text, false).trim_end().to_owned(),
            _ => self.to_string(),
        }
    }
}

/// Each fault as `FILE:LINE:COLUMN: KEY: what`.
fn places(path: &str, faults: &Faults) -> String {
    let place = |fault: &Fault| {
        let Fault { path: key, message, line, column } = fault;
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        format!("{path}:{line}:{column}: {key}{message}")
    };
    faults.0.iter().map(place).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_a_file_has_none_of_its_lines() {
        let text = "routing:\n  all:\n    headers: {request: {set: {Authorization: \"Bearer s3cr3t\\n\"}}}\n";
        let faults = speedmimi_model::parse("f", text).expect_err("a line end in a header");
        let error = LoadError::Faults { path: "f".into(), text: text.into(), faults };
        let told = error.to_string();
        assert!(told.contains("f:3:") && told.contains("headers.request.set.Authorization: "), "{told}");
        assert!(!told.contains("s3cr3t") && !told.contains('\n'), "{told}");
        assert!(error.with_lines().contains("s3cr3t"), "whoever has the file is shown where");
    }
}
