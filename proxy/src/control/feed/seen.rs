//! A backend at a moment, as watchers are told of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use speedmimi_model::{Backend, Object};

use crate::control::drain::{Board, Cut, Drain};
use crate::control::store::{Admin, Store};
use crate::health::{Finding, Findings};
use crate::live::{BackendState, Health, Live};
use crate::snapshot::{BackendView, Snapshot};

/// What a backend costs besides its texts, and so does its check.
const EACH: usize = 256;

/// What is known of backends beside the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Observed state.
    pub(in crate::control) live: &'a Live,
    /// What workers were given.
    pub(in crate::control) snapshot: &'a Snapshot,
    /// What the last checks found.
    pub(in crate::control) findings: &'a Findings,
    /// What operators did to keep backends out.
    pub(in crate::control) kept_out: &'a Board,
}

/// A backend at a moment.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Name of its upstream.
    pub upstream: String,
    /// What is configured.
    pub backend: Arc<Backend>,
    /// What operators want of it.
    pub admin: Admin,
    /// What active checks say.
    pub health: Health,
    /// What the last check found; none before the first.
    pub finding: Option<Finding>,
    /// Until when failed connects keep it out.
    pub ejected_until: Option<SystemTime>,
    /// Where connections go.
    pub addresses: Arc<[SocketAddr]>,
    /// The drain that is wanted.
    pub drain: Option<Drain>,
    /// Whether an operator cut it off.
    pub disconnected: bool,
    /// Who did, if this process saw it.
    pub cut: Option<Cut>,
    /// The revision that last changed it.
    pub revision: u64,
}

/// What is looked at again and again, to see whether it is otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glimpse {
    pub(super) health: Health,
    pub(super) ejected: bool,
    /// Stands for what the last check found, not for when.
    finding: u64,
}

impl Known<'_> {
    /// The view of a backend that workers have; `place` is where it is expected among those of its upstream.
    fn view_of(&self, upstream: &str, uid: u64, place: usize) -> Option<&BackendView> {
        let group = self.snapshot.upstreams.iter().find(|group| &*group.name == upstream)?;
        let expected = group.backends.get(place).filter(|view| view.state.uid == uid);
        expected.or_else(|| group.backends.iter().find(|view| view.state.uid == uid))
    }

    /// Milliseconds on the clock of observed state.
    pub(super) fn now(&self) -> u64 {
        self.live.origin.elapsed().as_millis() as u64
    }

    /// Upstream and id of each backend whose addresses are others than in a snapshot before.
    pub(super) fn moved_since(&self, before: &Snapshot) -> Vec<(String, String)> {
        let before = Known { snapshot: before, ..*self };
        let mut moved = Vec::new();
        for group in &self.snapshot.upstreams {
            for (place, view) in group.backends.iter().enumerate() {
                let was = before.view_of(&group.name, view.state.uid, place);
                if was.is_some_and(|was| was.addresses != view.addresses) {
                    moved.push((group.name.to_string(), view.state.id.to_string()));
                }
            }
        }
        moved
    }
}

impl Glimpse {
    /// What is so now.
    pub(super) fn of(state: &BackendState, finding: Option<&Finding>, now: u64) -> Self {
        Self {
            health: state.health(),
            ejected: state.passive.is_ejected(now),
            finding: finding.map_or(0, |finding| stands_for(&finding.detail)),
        }
    }
}

impl Seen {
    /// A backend of a state as it is now; `place` is where it is expected among those of its upstream.
    pub fn of(known: &Known<'_>, store: &Store, upstream: &str, backend: &Arc<Backend>, place: usize) -> Self {
        let state = known.live.find_backend(upstream, &backend.id);
        let until = state.as_ref().and_then(|state| state.passive.until().checked_sub(known.now()));
        let disconnected = store.is_disconnected(upstream, &backend.id);
        let view = state.as_ref().and_then(|state| known.view_of(upstream, state.uid, place));
        Self {
            upstream: upstream.to_owned(),
            backend: backend.clone(),
            admin: store.admin_of(upstream, backend),
            health: state.as_ref().map_or(Health::Unknown, |state| state.health()),
            finding: state.as_ref().and_then(|state| known.findings.lock().get(&state.uid).cloned()),
            ejected_until: until.filter(|&left| left > 0).map(|left| SystemTime::now() + Duration::from_millis(left)),
            addresses: view.map_or_else(Arc::default, |view| view.addresses.clone()),
            drain: store.drain_of(upstream, &backend.id).cloned(),
            disconnected,
            cut: if disconnected { known.kept_out.cut_of(upstream, &backend.id) } else { None },
            revision: store.revision_of(&Object::backend(upstream, &backend.id)),
        }
    }

    /// What [`Glimpse::of`] said of it then.
    pub(super) fn glimpse(&self) -> Glimpse {
        Glimpse {
            health: self.health,
            ejected: self.ejected_until.is_some(),
            finding: self.finding.as_ref().map_or(0, |finding| stands_for(&finding.detail)),
        }
    }

    /// What it costs to keep, near enough.
    pub(super) fn bytes(&self) -> usize {
        let Backend { id, name, host, labels, health_check, .. } = &*self.backend;
        let labels: usize = labels.iter().map(|(key, value)| 64 + key.len() + value.len()).sum();
        let check = health_check.as_ref().map_or(0, |check| EACH + check.path.len());
        let names = self.upstream.len() + id.len() + name.as_ref().map_or(0, String::len) + host.len();
        let found = self.finding.as_ref().map_or(0, |finding| finding.detail.len());
        let who = self.drain.as_ref().map_or(0, |drain| drain.by.len());
        EACH + names + labels + check + found + who + size_of_val(&*self.addresses)
    }
}

fn stands_for(detail: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    detail.hash(&mut hasher);
    hasher.finish()
}
