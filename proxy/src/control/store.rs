//! The configuration in its layers, with the revision that last changed each object. Pure: a change makes a new
//! store, and the old one stays what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use speedmimi_model::{Backend, BackendPatch, Change, Config, Layers, Patch, ReloadSummary};

use super::error::Refused;
use super::publish::find;
use crate::snapshot::Snapshot;

/// The revision of everything that the process started with.
pub const FIRST_REVISION: u64 = 1;

/// Something that has a revision of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A backend.
    Backend {
        /// Its upstream.
        upstream: String,
        /// Its id.
        id: String,
    },
    /// An upstream, its policy; not its backends.
    Upstream(String),
    /// A route.
    Route(String),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend { upstream, id } => write!(f, "backend {upstream}/{id}"),
            Self::Upstream(name) => write!(f, "upstream {name}"),
            Self::Route(name) => write!(f, "route {name}"),
        }
    }
}

/// Conditions of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// Do everything but publish.
    pub validate_only: bool,
    /// Refuse unless the object is at this revision; an object that does not exist is at 0.
    pub expected_revision: Option<u64>,
}

/// Desired state, whole.
#[derive(Debug, Clone)]
pub struct Store {
    layers: Layers,
    revision: u64,
    revisions: Arc<BTreeMap<Object, u64>>,
    /// Backends cut off by an operator until they are enabled. No part of the configuration: makes no revision.
    disconnected: Arc<BTreeSet<(String, String)>>,
}
