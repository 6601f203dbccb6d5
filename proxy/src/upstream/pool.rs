//! Idle connections of a worker, newest first, keyed by backend. No lock, no task: that the backend closed one is
//! seen by its readiness when it is looked at.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Upstream;
use crate::snapshot::{PoolRules, Snapshot};
use crate::telemetry::cells::BackendCells;

/// The pools of a worker.
#[derive(Debug, Default)]
pub(crate) struct Pools(RefCell<HashMap<u64, Pool, BuildHasherDefault<Uid>>>);

#[derive(Debug, Default)]
struct Pool {
    /// Oldest first; taken from the end.
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    connection: Upstream,
    since: u64,
}

impl Pools {
    /// The connection used last that still leads to one of the addresses and has not been closed by the backend.
    #[inline]
    pub(crate) fn take(&self, backend: u64, addresses: &Arc<[SocketAddr]>, cells: &BackendCells) -> Option<Upstream> {
        let mut pools = self.0.borrow_mut();
        let idle = &mut pools.get_mut(&backend)?.idle;
        while let Some(Idle { connection, .. }) = idle.pop() {
            cells.idle.sub(1);
            if same(&connection.addresses, addresses) && is_quiet(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last exchange ended cleanly, or closes it where the rules say so.
    #[inline]
    pub(crate) fn put(&self, backend: u64, connection: Upstream, limit: usize, now: u64, cells: &BackendCells) {
        let mut pools = self.0.borrow_mut();
        let idle = &mut pools.entry(backend).or_default().idle;
        if limit == 0 {
            return;
        }
        if idle.len() >= limit {
            // The newest is the most likely to live on; the oldest makes room.
            idle.remove(0);
            cells.idle.sub(1);
        }
        idle.push(Idle { connection, since: now });
        cells.idle.add(1);
    }

    /// Closes the idle connections of one backend.
    pub(crate) fn clear(&self, backend: u64, cells: &BackendCells) {
        if let Some(pool) = self.0.borrow_mut().remove(&backend) {
            cells.idle.sub(pool.idle.len() as u64);
        }
    }

    /// Closes what has been idle too long, what the backend has closed, and the pools of backends or addresses that
    /// the snapshot no longer names.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, worker: usize, now: u64) {
        let mut pools = self.0.borrow_mut();
        if pools.is_empty() {
            return;
        }
        let mut kept: HashMap<u64, Pool, BuildHasherDefault<Uid>> = HashMap::default();
        for upstream in &snapshot.upstreams {
            for backend in &upstream.backends {
                let Some(mut pool) = pools.remove(&backend.state.uid) else { continue };
                let before = pool.idle.len();
                pool.idle.retain(|idle| {
                    now.saturating_sub(idle.since) < micros(upstream.pool.idle_timeout)
                        && same(&idle.connection.addresses, &backend.addresses)
                        && is_quiet(&idle.connection)
                });
                backend.state.cells[worker].idle.sub((before - pool.idle.len()) as u64);
                pool.idle.shrink_to(pool.idle.len() * 2);
                kept.insert(backend.state.uid, pool);
            }
        }
        *pools = kept;
    }
}

/// This worker's share of the idle connections of a backend.
#[inline]
pub(crate) fn share(rules: &PoolRules, workers: usize) -> usize {
    (rules.max_idle as usize).div_ceil(workers)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[inline]
fn same(one: &Arc<[SocketAddr]>, other: &Arc<[SocketAddr]>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Nothing has arrived on an idle connection: no end, and no bytes that would be taken for the next answer. Costs no
/// system call while the socket has not become readable.
#[inline]
fn is_quiet(connection: &Upstream) -> bool {
    let mut byte = [0];
    matches!(connection.socket.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Uids are unique numbers already.
#[derive(Debug, Default)]
struct Uid(u64);

impl Hasher for Uid {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, uid: u64) {
        // Spread over the high bits, which the table uses for its tags.
        self.0 = uid.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
