//! From a configuration to what workers act on: gates and caps at once, then the snapshot, then forgetting.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use speedmimi_model::{Backend, Config};
use speedmimi_policy::effective_cap;

use super::resolve::{Name, Names};
use super::store::Store;
use crate::app::descriptors;
use crate::health::{Findings, Prober};
use crate::live::{Health, Live};
use crate::snapshot::Snapshot;
use crate::worker::mailbox::{Mailboxes, Message};

mod changes;
mod checks;

pub(super) use changes::Changes;

/// Writes observed state that follows from configuration, and snapshots.
#[derive(Debug)]
pub(super) struct Publisher {
    live: Arc<Live>,
    descriptors: u64,
    mailboxes: Mailboxes,
    prober: Prober,
}

impl Publisher {
    pub(super) fn new(live: Arc<Live>, descriptors: u64) -> Self {
        Self { live, descriptors, mailboxes: Mailboxes(Vec::new()), prober: Prober::new() }
    }

    /// What the last health checks found.
    pub(super) fn findings(&self) -> Findings {
        self.prober.findings()
    }

    /// From now on there are workers to tell.
    pub(super) fn attach(&mut self, mailboxes: Mailboxes) {
        self.mailboxes = mailboxes;
    }

    /// The first snapshot. Every backend is taken to be up: a restart must not be an outage.
    pub(super) fn begin(&mut self, store: &Store, names: &Names) -> Arc<Snapshot> {
        let snapshot = self.compile(store, names);
        self.set_gates(store, backends(store.config()));
        snapshot
    }

    /// Puts `after` in the place of `before` everywhere, and returns once every worker acts on it. `changes`: of their
    /// configurations.
    pub(super) async fn publish(
        &mut self,
        before: &Store,
        after: &Store,
        changes: &Changes<'_>,
        names: &Names,
    ) -> Arc<Snapshot> {
        let snapshot = self.compile(after, names);
        self.greet(before, after, changes);
        // Operators keep backends out beside the configuration, and seldom change that.
        match before.keeps_out_as(after) {
            true => self.set_gates(after, changes.now()),
            false => self.set_gates(after, backends(after.config())),
        }
        self.close(&changes.removed);
        self.mailboxes.broadcast(|| Message::Publish(snapshot.clone())).await;
        if changes.leave_something() {
            self.sweep(after);
        }
        snapshot
    }

    /// Ends the exchanges on a backend; returns how many it ended. One that ends by itself in that moment is not counted.
    pub(super) async fn cut(&self, uid: u64) -> u32 {
        let count = Arc::new(AtomicU64::new(0));
        self.mailboxes.broadcast(|| Message::Cut(uid, count.clone())).await;
        u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    /// How long the oldest exchange on a backend has been going on; none where there is none.
    pub(super) async fn oldest(&self, uid: u64) -> Option<Duration> {
        let age = Arc::new(AtomicU64::new(0));
        self.mailboxes.broadcast(|| Message::Oldest(uid, age.clone())).await;
        Some(Duration::from_micros(age.load(Ordering::Relaxed))).filter(|age| !age.is_zero())
    }

    /// Checks the backends of the store, and no others.
    pub(super) fn watch_health(&mut self, store: &Store, names: &Names) {
        self.prober.set_targets(checks::targets(store, names, &self.live));
    }

    /// Forgets what is no longer configured and no longer busy.
    pub(super) fn sweep(&self, store: &Store) {
        let config = store.config();
        let known = index(config);
        let route = |name: &str| {
            if config.routes.is_empty() { name.is_empty() } else { config.routes.contains_key(name) }
        };
        self.live.sweep(|upstream, id| known.contains_key(&(upstream, id)), route);
    }

    fn compile(&self, store: &Store, names: &Names) -> Arc<Snapshot> {
        let config = store.config();
        let max_conn = descriptors::carry(config.server.max_conn, self.descriptors);
        Arc::new(Snapshot::compile(config, store.revision(), &self.live, names.addresses(), max_conn))
    }

    /// Caps and gates are in force at once, before any worker sees the snapshot.
    fn set_gates<'a>(&self, store: &Store, backends: impl Iterator<Item = (&'a str, &'a Backend)>) {
        for (upstream, backend) in backends {
            let Some(state) = self.live.find_backend(upstream, &backend.id) else { continue };
            state.slots.set_cap(effective_cap(&[i64::from(backend.max_conn)]));
            state.slots.set_closed(!store.admits(upstream, backend));
        }
    }

    fn close(&self, removed: &[(&str, &Backend)]) {
        for (upstream, backend) in removed {
            if let Some(state) = self.live.find_backend(upstream, &backend.id) {
                state.slots.set_closed(true);
            }
        }
    }

    /// A backend that was not there before waits for its first passed check, if it has one; whatever was seen of an
    /// earlier one of that name is of the past. So is what traffic saw before it was enabled or had another address.
    fn greet(&self, before: &Store, after: &Store, changes: &Changes<'_>) {
        for (upstream, backend) in &changes.added {
            let Some(state) = self.live.find_backend(upstream, &backend.id) else { continue };
            let group = after.config().upstreams.get(*upstream);
            let checked = group.is_some_and(|group| backend.health_check(group).is_some());
            state.set_health(if checked { Health::Unknown } else { Health::Up });
            state.passive.reset();
        }
        let reset = |upstream: &str, id: &str| {
            if let Some(state) = self.live.find_backend(upstream, id) {
                state.passive.reset();
            }
        };
        for (upstream, old, new) in &changes.kept {
            if (&old.host, old.port) != (&new.host, new.port) || enabled(before, after, upstream, old, new) {
                reset(upstream, &new.id);
            }
        }
        for (upstream, id) in before.kept_out() {
            if let Some(old) = before.config().backend(upstream, id)
                && let Some(new) = after.config().backend(upstream, id)
                && enabled(before, after, upstream, old, new)
            {
                reset(upstream, id);
            }
        }
    }
}

/// Whether a backend takes exchanges now and did not before, as far as operators are concerned.
fn enabled(before: &Store, after: &Store, upstream: &str, old: &Backend, new: &Backend) -> bool {
    !before.admits(upstream, old) && after.admits(upstream, new)
}

/// Every backend with the name of its upstream.
pub(super) fn backends(config: &Config) -> impl Iterator<Item = (&str, &Backend)> {
    config
        .upstreams
        .iter()
        .flat_map(|(name, upstream)| upstream.backends.iter().map(move |backend| (name.as_str(), &**backend)))
}

fn index(config: &Config) -> HashMap<(&str, &str), &Backend> {
    backends(config).map(|(upstream, backend)| ((upstream, &*backend.id), backend)).collect()
}

/// Hosts and ports in use, literals included.
pub(super) fn names(config: &Config) -> BTreeSet<Name> {
    backends(config).map(|(_, backend)| (backend.host.clone(), backend.port)).collect()
}
