//! A snapshot with what this worker adds to it: one picker for each upstream and algorithm.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use speedmimi_policy::Picker;

use crate::snapshot::{Snapshot, UpstreamView};

/// What an exchange keeps hold of while it goes on.
#[derive(Debug)]
pub(crate) struct View {
    /// Tells the views of a worker apart.
    pub(crate) number: u32,
    pub(crate) snapshot: Arc<Snapshot>,
    /// By the indices of [`Snapshot::upstreams`] and [`UpstreamView::algorithms`].
    pub(crate) pickers: Vec<Vec<SharedPicker>>,
}

/// A picker that views before and after an unrelated change share.
pub(crate) type SharedPicker = Rc<RefCell<Picker>>;

impl View {
    /// Adopts the snapshot. Where an upstream has the same backends as before, its pickers go on where they were, so
    /// that an unrelated change does not begin their cycles anew.
    pub(crate) fn new(snapshot: Arc<Snapshot>, old: Option<&Self>, rng: &mut fastrand::Rng) -> Self {
        let pickers = snapshot
            .upstreams
            .iter()
            .map(|upstream| {
                let known = old.map_or(&[][..], |old| old.pickers_of(upstream));
                let mut picker = |&algorithm| {
                    let same = known.iter().find(|picker| picker.borrow().algorithm() == algorithm);
                    same.cloned().unwrap_or_else(|| {
                        let fresh = Picker::new(algorithm, rng.u64(..));
                        Rc::new(RefCell::new(fresh.expect("the configuration names available algorithms only")))
                    })
                };
                upstream.algorithms.iter().map(&mut picker).collect()
            })
            .collect();
        Self { number: old.map_or(0, |old| old.number.wrapping_add(1)), snapshot, pickers }
    }

    fn pickers_of(&self, upstream: &UpstreamView) -> &[SharedPicker] {
        let same_backends = |known: &UpstreamView| {
            known.backends.len() == upstream.backends.len()
                && known
                    .backends
                    .iter()
                    .zip(&upstream.backends)
                    .all(|(one, other)| one.state.uid == other.state.uid && one.weight == other.weight)
        };
        let index =
            self.snapshot.upstreams.iter().position(|known| known.name == upstream.name && same_backends(known));
        index.map_or(&[], |index| &self.pickers[index])
    }
}
