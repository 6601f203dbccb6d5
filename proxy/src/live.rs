//! Observed state: what backends, routes and workers are doing. It outlives snapshots, so that counters, slots and
//! health survive a reload; it is written by many and owned by nobody's configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use speedmimi_policy::{Passive, Slots};

use self::key::{Key, Named};
use crate::telemetry::cells::{BackendCells, RouteCells, WorkerCells};

mod key;

/// What active checks say of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Usable: checks pass, or there are none.
    Up = 0,
    /// Checks fail.
    Down = 1,
    /// Added at run time and waiting for its first passed check; not usable.
    Unknown = 2,
}

/// Everything observed about one backend. Atomics only: shared by all workers and the control thread.
#[derive(Debug)]
pub struct BackendState {
    /// Unique in this process, never reused: names the backend in mailboxes and pools.
    pub uid: u64,
    /// Name of the upstream.
    pub upstream: Box<str>,
    /// Id within the upstream.
    pub id: Box<str>,
    /// The exact slots; the gate is closed while the backend is disabled or removed.
    pub slots: CachePadded<Slots>,
    /// Connect failures seen by exchanges.
    pub passive: Passive,
    health: AtomicU8,
    /// Counters, one set a worker.
    pub cells: Box<[CachePadded<BackendCells>]>,
}

impl BackendState {
    /// What active checks say now.
    #[inline]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Up,
            1 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// Set by the prober alone.
    pub fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }

    /// Sums one counter over the workers.
    pub fn total(&self, field: impl Fn(&BackendCells) -> u64) -> u64 {
        self.cells.iter().map(|cells| field(cells)).fold(0, u64::wrapping_add)
    }
}

/// A shared handle on a backend, in the shape the slot guard wants.
#[derive(Debug, Clone)]
pub struct BackendRef(pub Arc<BackendState>);

impl AsRef<Slots> for BackendRef {
    fn as_ref(&self) -> &Slots {
        &self.0.slots
    }
}

impl std::ops::Deref for BackendRef {
    type Target = BackendState;
    fn deref(&self) -> &BackendState {
        &self.0
    }
}

/// Counters of one route, one set a worker.
#[derive(Debug)]
pub struct RouteState {
    /// Name of the route; empty for the implicit one of a configuration without `routing`.
    pub name: Box<str>,
    /// Counters, one set a worker.
    pub cells: Box<[CachePadded<RouteCells>]>,
}

/// The registry of observed state.
#[derive(Debug)]
pub struct Live {
    /// Zero of every coarse clock: milliseconds and microseconds in shared state count from here.
    pub origin: Instant,
    workers: Box<[CachePadded<WorkerCells>]>,
    backends: DashMap<Key, BackendRef>,
    routes: DashMap<Box<str>, Arc<RouteState>>,
    next_uid: AtomicU64,
    /// Client connections open over all workers; compared with `server.max_conn` on accept.
    pub connections: CachePadded<AtomicU32>,
}

impl Live {
    /// An empty registry for that many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            origin: Instant::now(),
            workers: padded(workers),
            backends: DashMap::new(),
            routes: DashMap::new(),
            next_uid: AtomicU64::new(1),
            connections: CachePadded::new(AtomicU32::new(0)),
        }
    }

    /// The counters of every worker, by index.
    pub fn workers(&self) -> &[CachePadded<WorkerCells>] {
        &self.workers
    }

    /// The state of a backend, made when it is first seen: no limit, gate closed until the control thread opens it.
    pub fn backend(&self, upstream: &str, id: &str, health: Health) -> BackendRef {
        if let Some(known) = self.find_backend(upstream, id) {
            return known;
        }
        self.backends
            .entry(Key { upstream: upstream.into(), id: id.into() })
            .or_insert_with(|| {
                BackendRef(Arc::new(BackendState {
                    uid: self.next_uid.fetch_add(1, Ordering::Relaxed),
                    upstream: upstream.into(),
                    id: id.into(),
                    slots: CachePadded::new(Slots::new(0, true)),
                    passive: Passive::default(),
                    health: AtomicU8::new(health as u8),
                    cells: padded(self.workers.len()),
                }))
            })
            .clone()
    }

    /// A backend that is known already.
    pub fn find_backend(&self, upstream: &str, id: &str) -> Option<BackendRef> {
        self.backends.get(&(upstream, id) as &dyn Named).map(|entry| entry.clone())
    }

    /// The state of a route, made when it is first seen.
    pub fn route(&self, name: &str) -> Arc<RouteState> {
        self.routes
            .entry(name.into())
            .or_insert_with(|| Arc::new(RouteState { name: name.into(), cells: padded(self.workers.len()) }))
            .clone()
    }

    /// Every route seen.
    pub fn routes(&self) -> Vec<Arc<RouteState>> {
        self.routes.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Every backend known, removed ones with exchanges in flight included.
    pub fn backends(&self) -> Vec<BackendRef> {
        self.backends.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Forgets backends and routes that the configuration no longer names. A backend with exchanges in flight stays,
    /// so that adding it again cannot exceed its limit.
    pub fn sweep(&self, backend: impl Fn(&str, &str) -> bool, route: impl Fn(&str) -> bool) {
        self.backends.retain(|key, state| backend(&key.upstream, &key.id) || state.slots.in_flight() > 0);
        self.routes.retain(|name, _| route(name));
    }
}

fn padded<T: Default>(count: usize) -> Box<[CachePadded<T>]> {
    (0..count).map(|_| CachePadded::new(T::default())).collect()
}
