//! Counters with one writer: plain memory for the worker that owns them, readable by everybody.
//!
//! A worker adds with a load and a store instead of a locked instruction; a scrape sums over workers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::Histogram;
use crate::reason::Reason;

/// A counter or gauge that exactly one thread writes.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds `n`. Only the owning worker may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` away (gauges). Only the owning worker may call this.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    /// Replaces the value (gauges). Only the owning worker may call this.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One worker's view of one backend. `admitted = finished + failed + cancelled + in flight` at every moment at rest.
#[derive(Debug, Default)]
pub struct BackendCells {
    /// Slots taken.
    pub admitted: Cell,
    /// Exchanges whose response was delivered whole.
    pub finished: Cell,
    /// Exchanges that ended by the backend's or our fault.
    pub failed: Cell,
    /// Exchanges that the client or an operator ended.
    pub cancelled: Cell,
    /// Responses by first digit of the status, `[0]` is 1xx (a 101 upgrade).
    pub classes: [Cell; 5],
    /// Connections opened.
    pub connects: Cell,
    /// Connection attempts that failed.
    pub connect_failures: Cell,
    /// Exchanges that went over a pooled connection.
    pub reuses: Cell,
    /// Idle pooled connections now (gauge).
    pub idle: Cell,
    /// Bytes sent to the backend, heads included.
    pub bytes_sent: Cell,
    /// Bytes received from the backend, heads included.
    pub bytes_received: Cell,
    /// Slot taken to slot released, in microseconds.
    pub duration: Histogram,
    /// Request sent to first byte of the response, in microseconds.
    pub first_byte: Histogram,
}

/// One worker's view of one route.
#[derive(Debug, Default)]
pub struct RouteCells {
    /// Requests by first digit of the status the client got, `[0]` is 1xx (a 101 upgrade).
    pub classes: [Cell; 5],
    /// Requests that ended with a reason, indexed by `Reason as usize`.
    pub reasons: [Cell; Reason::ALL.len()],
    /// Request head read to response end, in microseconds.
    pub duration: Histogram,
}

/// One worker's view of itself.
#[derive(Debug, Default)]
pub struct WorkerCells {
    /// Client connections open now (gauge).
    pub connections: Cell,
    /// Client connections accepted.
    pub accepted: Cell,
    /// Connections handed to a less loaded worker before their first byte.
    pub handed_over: Cell,
    /// Connections closed to make room (`server.max_conn`).
    pub evicted: Cell,
    /// Requests whose head was read or refused.
    pub requests: Cell,
    /// Exchanges going on now (gauge).
    pub active: Cell,
    /// Requests that ended with a reason and no route, indexed by `Reason as usize`.
    pub unrouted: [Cell; Reason::ALL.len()],
    /// Requests tried again on another backend.
    pub retries: Cell,
    /// Bytes read from clients.
    pub bytes_received: Cell,
    /// Bytes written to clients.
    pub bytes_sent: Cell,
    /// How late the last timer tick came, in microseconds (gauge).
    pub lag: Cell,
    /// Access log lines dropped because the writer was behind.
    pub log_dropped: Cell,
}
