//! What can be asked of the control thread, and what comes of it.

use std::fmt;
use std::sync::Arc;

use speedmimi_model::{Change, Config, Difference, Layers, Object, ReloadSummary};
use tokio::sync::{oneshot, watch};

use super::drain::{self, Progress};
use super::error::Refused;
use super::store::{Guard, Store};
use crate::access::Renewed;

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A change of the configuration.
    Change(Box<Change>),
    /// One that depends on what is there when its turn has come.
    Plan(Plan),
    /// The file that was read takes the place of the one before.
    Reload {
        /// What it says.
        config: Box<Config>,
        /// Tokens and certificates, read at the same time.
        secrets: Option<Arc<Renewed>>,
    },
    /// The overlay becomes what it was at this revision.
    Rollback(u64),
    /// A backend takes no new exchange until those in flight have ended; or whoever asks looks on while that is so.
    Drain {
        /// Name of the upstream.
        upstream: String,
        /// Id of the backend.
        id: String,
        /// What is wanted.
        plan: drain::Plan,
    },
    /// The exchanges on a backend end.
    Disconnect {
        /// Name of the upstream.
        upstream: String,
        /// Id of the backend.
        id: String,
        /// It takes new ones at once; otherwise when it is enabled.
        keep_enabled: bool,
    },
}

impl From<Change> for Operation {
    fn from(change: Change) -> Self {
        Self::Change(Box::new(change))
    }
}

/// Decides on a change when its turn has come.
#[derive(Clone)]
pub struct Plan(Arc<Decide>);

type Decide = dyn Fn(&Layers) -> Result<Change, Refused> + Send + Sync;

impl Plan {
    /// Decides by this; more than once, where names have to be looked up first.
    pub fn new(decide: impl Fn(&Layers) -> Result<Change, Refused> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(super) fn decide(&self, layers: &Layers) -> Result<Change, Refused> {
        self.0(layers)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plan")
    }
}

/// What an operation did; with `validate_only`, what it would do.
#[derive(Debug, Clone)]
pub struct Done {
    /// Revision of the object that was changed, or of the whole where there is none, or none any more; a disconnect
    /// makes none, so that it is that of the whole. With `validate_only`, the one that it has, which is 0 for what is
    /// not there.
    pub revision: u64,
    /// What was changed; an added backend has its id here. None: everything.
    pub object: Option<Object>,
    /// The state that the change was made to.
    pub before: Store,
    /// The state that shows the change; with `validate_only`, at the revisions that there are without it.
    pub store: Store,
    /// What it made of the configuration, key by key.
    pub differences: Arc<[Difference]>,
    /// Exchanges that were in flight and are ended.
    pub cut: u32,
    /// What a reload came to, for people.
    pub summary: Option<ReloadSummary>,
    /// Files of tokens and certificates that a reload read, too.
    pub renewed: Option<Arc<Renewed>>,
    /// It was so already: a drain that had begun before.
    pub attached: bool,
    /// How far a drain is, until it is over.
    pub progress: Option<watch::Receiver<Progress>>,
}

/// A call that is to be answered the same however often it is made.
#[derive(Clone)]
pub struct Call {
    /// As its maker named it.
    pub request_id: String,
    /// Of everything that was asked, so that another request of that name is found out.
    pub fingerprint: u64,
    /// Writes the answer, which is remembered with what was done.
    pub encode: Arc<Encode>,
}

/// Writes an answer.
type Encode = dyn Fn(Result<&Done, &Refused>) -> Vec<u8> + Send + Sync;

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Call").field(&self.request_id).finish()
    }
}

/// How an operation is answered.
#[derive(Debug)]
pub enum Answer {
    /// It was done now, and nobody named it.
    Done(Box<Done>),
    /// What [`Call::encode`] wrote, now or when the call was made first: it may tell of a refusal.
    Written(Arc<[u8]>),
}

/// An operation on its way.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    pub(super) guard: Guard,
    pub(super) call: Option<Call>,
    /// Whether its new names were looked up, found or not.
    pub(super) looked_up: bool,
    pub(super) reply: oneshot::Sender<Result<Answer, Refused>>,
}
