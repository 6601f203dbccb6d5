//! One coherent view of the configuration, compiled for the data path. Immutable: an exchange keeps the snapshot it
//! began with; workers swap theirs by mailbox.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use speedmimi_model::{AlgorithmSource, Timeouts};
use speedmimi_policy::Algorithm;

use crate::live::{BackendRef, RouteState};
use crate::protocol::Protocol;

mod addresses;
mod compile;
mod edits;
mod routes;

pub use addresses::Addresses;
pub use edits::{Edits, HeaderEdits};
pub use routes::{Found, HostRule, PathRule, RouteTable};

/// The configuration as workers see it.
#[derive(Debug)]
pub struct Snapshot {
    /// The revision this view shows.
    pub revision: u64,
    /// Rules for clients.
    pub server: ServerRules,
    /// Host and path to route.
    pub table: RouteTable,
    /// Routes, by the indices of the table.
    pub routes: Vec<RouteView>,
    /// Upstreams, by the indices in routes.
    pub upstreams: Vec<UpstreamView>,
    /// Access log on or off, and the share of lines written (0..=1).
    pub access_log: Option<f64>,
}

/// What `server.*` says about client connections.
#[derive(Debug, Clone)]
pub struct ServerRules {
    /// Client connections over all workers, lowered to what descriptors can carry.
    pub max_conn: u32,
    /// Time for a request head, and the longest silence inside a request body.
    pub read_timeout: Duration,
    /// Longest time a client may take no byte.
    pub write_timeout: Duration,
    /// Idle keep-alive connection.
    pub idle_timeout: Duration,
    /// Head limits.
    pub limits: speedmimi_http1::Limits,
    /// Largest request body in bytes; 0 is no limit.
    pub body_limit: u64,
    /// Lower-case name of the field that carries the client address, besides X-Forwarded-For.
    pub real_ip_header: Option<Box<str>>,
    /// Peers whose forwarding headers are believed.
    pub trusted: Vec<IpNet>,
    /// True: a client's FIN does not mean that it left.
    pub keep_half_closed: bool,
}

impl ServerRules {
    /// Whether forwarding headers of this peer are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|net| net.contains(&peer))
    }
}

/// One route.
#[derive(Debug)]
pub struct RouteView {
    /// Name and counters.
    pub state: Arc<RouteState>,
    /// Index into [`Snapshot::upstreams`].
    pub upstream: usize,
    /// Algorithm for plain exchanges, WebSocket upgrades and event streams: indices into [`UpstreamView::algorithms`].
    pub pickers: ByProtocol<usize>,
    /// What decided on each of them.
    pub sources: ByProtocol<AlgorithmSource>,
    /// The four clocks.
    pub timeouts: Timeouts,
    /// Fields to change on the way.
    pub edits: HeaderEdits,
}

/// A value for each kind of exchange that may have its own algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByProtocol<T> {
    /// Everything else.
    pub http: T,
    /// WebSocket upgrades.
    pub websocket: T,
    /// Requests that accept an event stream.
    pub sse: T,
}

impl<T: Copy> ByProtocol<T> {
    /// The value for one kind.
    #[inline]
    pub fn of(&self, protocol: Protocol) -> T {
        match protocol {
            Protocol::Http => self.http,
            Protocol::WebSocket => self.websocket,
            Protocol::EventStream => self.sse,
        }
    }
}

/// One upstream.
#[derive(Debug)]
pub struct UpstreamView {
    /// Its name.
    pub name: Box<str>,
    /// Its backends, in the order of the configuration.
    pub backends: Box<[BackendView]>,
    /// Algorithms that routes use on it, each once; a worker keeps one picker for each.
    pub algorithms: Vec<Algorithm>,
    /// The one it has where no route says another, and what decided on it.
    pub own: (Algorithm, AlgorithmSource),
    /// Idle connections kept over all workers, and for how long.
    pub pool: PoolRules,
}

/// Limits of the pool of idle connections of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRules {
    /// Idle connections a backend, over all workers.
    pub max_idle: u32,
    /// Longest an idle connection is kept.
    pub idle_timeout: Duration,
    /// Requests a connection carries before it is closed; 0 is no limit.
    pub max_requests: u32,
}

/// One backend as it is configured.
#[derive(Debug)]
pub struct BackendView {
    /// Slots, health, counters.
    pub state: BackendRef,
    /// 1..=1000.
    pub weight: u32,
    /// Stable hash of the id, for hash algorithms.
    pub key: u64,
    /// Where to connect; empty while the name is not resolved.
    pub addresses: Arc<[SocketAddr]>,
}
