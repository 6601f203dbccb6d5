//! A snapshot with what this worker adds to it: one picker for each upstream and algorithm.

use std::cell::RefCell;
use std::sync::Arc;

use speedmimi_policy::Picker;

use crate::snapshot::{Snapshot, UpstreamView};

/// What an exchange keeps hold of while it goes on.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    /// By the indices of [`Snapshot::upstreams`] and [`UpstreamView::algorithms`].
    pub(crate) pickers: RefCell<Vec<Vec<Picker>>>,
}

impl View {
    /// Adopts the snapshot. Where an upstream has the same backends as before, its pickers go on where they were, so
    /// that an unrelated change does not begin their cycles anew.
    pub(crate) fn new(snapshot: Arc<Snapshot>, old: Option<&Self>, rng: &mut fastrand::Rng) -> Self {
        let pickers = snapshot
            .upstreams
            .iter()
            .map(|upstream| {
                let before = old.and_then(|old| old.pickers_of(upstream));
                upstream
                    .algorithms
                    .iter()
                    .map(|&algorithm| {
                        let known = before.as_ref().and_then(|known| known.iter().find(|p| p.algorithm() == algorithm));
                        known.cloned().unwrap_or_else(|| {
                            Picker::new(algorithm, rng.u64(..)).expect("the configuration names only available ones")
                        })
                    })
                    .collect()
            })
            .collect();
        Self { snapshot, pickers: RefCell::new(pickers) }
    }

    fn pickers_of(&self, upstream: &UpstreamView) -> Option<Vec<Picker>> {
        let index = self.snapshot.upstreams.iter().position(|known| {
            known.name == upstream.name
                && known.backends.len() == upstream.backends.len()
                && known
                    .backends
                    .iter()
                    .zip(&upstream.backends)
                    .all(|(one, other)| one.state.uid == other.state.uid && one.weight == other.weight)
        })?;
        Some(self.pickers.borrow()[index].clone())
    }
}
