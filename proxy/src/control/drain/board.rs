//! What operators do to keep backends out, for whoever reads: written by the control task, so that a look at a backend
//! need not wait for its turn there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::Progress;

/// Upstream and id.
type Name = (String, String);

/// The board.
#[derive(Debug, Default)]
pub(in crate::control) struct Board {
    drains: RwLock<HashMap<Name, watch::Receiver<Progress>>>,
    cuts: RwLock<HashMap<Name, Cut>>,
}

/// A disconnect. It is not kept: after a restart nobody knows.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Who did it.
    pub by: Arc<str>,
    /// When.
    pub at: SystemTime,
}

impl Board {
    /// These drains are wanted, and no others.
    pub(super) fn drains(&self, drains: impl Iterator<Item = (Name, watch::Receiver<Progress>)>) {
        *self.drains.write() = drains.collect();
    }

    /// How far the drain of a backend is.
    pub(in crate::control) fn drain(&self, upstream: &str, id: &str) -> Option<Progress> {
        let drains = self.drains.read();
        if drains.is_empty() {
            return None;
        }
        drains.get(&(upstream.to_owned(), id.to_owned())).map(|progress| progress.borrow().clone())
    }

    /// A backend was cut off. Those that are not cut off any more are forgotten: `holds` tells.
    pub(in crate::control) fn cut(&self, upstream: &str, id: &str, by: &Arc<str>, holds: impl Fn(&str, &str) -> bool) {
        let mut cuts = self.cuts.write();
        cuts.retain(|(upstream, id), _| holds(upstream, id));
        cuts.insert((upstream.to_owned(), id.to_owned()), Cut { by: by.clone(), at: SystemTime::now() });
    }

    /// Who cut a backend off last, if this process saw it. Whether it still is, the store knows.
    pub(in crate::control) fn cut_of(&self, upstream: &str, id: &str) -> Option<Cut> {
        self.cuts.read().get(&(upstream.to_owned(), id.to_owned())).cloned()
    }
}
