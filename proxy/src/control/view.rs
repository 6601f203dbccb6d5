//! What reads look at: one coherent state, as every worker acts on it.

use std::sync::Arc;

use super::store::Store;
use crate::snapshot::Snapshot;

/// A state that was published.
#[derive(Debug)]
pub struct View {
    /// The configuration, its layers and revisions.
    pub store: Store,
    /// What workers were given.
    pub snapshot: Arc<Snapshot>,
}
