//! The configuration as valid types: what cannot be said here cannot be configured.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use speedmimi_policy::Algorithm;

mod compare;
mod health;
mod management;
mod route;
mod spelled;
mod state;

pub use health::{HealthCheck, HealthCheckKind, StatusRanges};
pub use management::{Auth, AuthClient, Management, ManagementTls, Role};
pub use route::{HeaderEdits, HeaderOps, HostPattern, PathMatch, Protocols, Route};
pub use spelled::Spelled;
pub use state::{Conflict, State};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rules for clients.
    pub server: Server,
    /// Groups of backends, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Host and path to upstream, by name; empty: everything goes to upstream `default` or to the only one.
    pub routes: BTreeMap<String, Route>,
    /// The management API; port 9090 by default.
    pub grpc: Management,
    /// The admin HTTP face; port 9091 by default.
    pub admin: Management,
    /// The log of the proxy itself.
    pub log: Log,
    /// One line an exchange; off by default.
    pub access_log: Option<AccessLog>,
    /// What is kept of the changes made through the API.
    pub state: State,
    /// Which keys the file spells out; it makes no difference to what is configured.
    pub spelled: Spelled,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            upstreams: BTreeMap::new(),
            routes: BTreeMap::new(),
            grpc: Management::on(9090),
            admin: Management::on(9091),
            log: Log::default(),
            access_log: None,
            state: State::default(),
            spelled: Spelled::default(),
        }
    }
}

impl Config {
    /// The configuration of a start without a file: these backends in upstream `default`.
    pub fn for_backends(backends: impl IntoIterator<Item = (String, u16)>) -> Self {
        let backends = backends.into_iter().map(|(host, port)| Arc::new(Backend::new(&host, port))).collect();
        let upstream = Upstream { backends, ..Upstream::default() };
        Self { upstreams: BTreeMap::from([("default".to_owned(), upstream)]), ..Self::default() }
    }

    /// Where everything goes when there are no routes: upstream `default`, or the only one.
    pub fn implicit_upstream(&self) -> Option<&str> {
        if !self.routes.is_empty() {
            return None;
        }
        let only = || self.upstreams.keys().next().filter(|_| self.upstreams.len() == 1);
        self.upstreams.get_key_value("default").map(|(name, _)| name).or_else(only).map(String::as_str)
    }

    /// A backend by its names.
    pub fn backend(&self, upstream: &str, id: &str) -> Option<&Arc<Backend>> {
        self.upstreams.get(upstream)?.backends.iter().find(|backend| backend.id == id)
    }

    /// The algorithm for an exchange: the protocol's, else the route's, else the upstream's, else
    /// `least_connections_weight`.
    pub fn algorithm_for(
        protocol: impl FnOnce(&Protocols) -> Option<Algorithm>,
        route: Option<&Route>,
        upstream: &Upstream,
    ) -> Algorithm {
        Self::algorithm_from(protocol, route, upstream).0
    }

    /// The same, with what decided it.
    pub fn algorithm_from(
        protocol: impl FnOnce(&Protocols) -> Option<Algorithm>,
        route: Option<&Route>,
        upstream: &Upstream,
    ) -> (Algorithm, AlgorithmSource) {
        let said = |by, algorithm: Option<Algorithm>| algorithm.map(|algorithm| (algorithm, by));
        said(AlgorithmSource::Protocol, route.and_then(|route| protocol(&route.protocols)))
            .or_else(|| said(AlgorithmSource::Route, route.and_then(|route| route.load_balancer)))
            .or_else(|| said(AlgorithmSource::Upstream, upstream.load_balancer))
            .unwrap_or((Algorithm::default(), AlgorithmSource::Default))
    }
}

/// What decided which algorithm is used; the first that says anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlgorithmSource {
    /// `protocols` of the route.
    Protocol,
    /// `load_balancer` of the route.
    Route,
    /// `load_balancer` of the upstream.
    Upstream,
    /// Nobody says anything.
    Default,
}

/// `server`: client connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Address of the main listener; default 0.0.0.0.
    pub host: String,
    /// Port of the main listener; default 8080, 0 lets the system choose.
    pub port: u16,
    /// Data-plane threads, 1..=1024; default one a core.
    pub workers: Option<NonZeroUsize>,
    /// Client connections; default 10000, at least 1.
    pub max_conn: u32,
    /// Time for a request head, and the longest silence inside a request body; default 30 s.
    pub read_timeout: Duration,
    /// Longest time a client may take no byte; default 30 s.
    pub write_timeout: Duration,
    /// Idle keep-alive connection; default 75 s.
    pub idle_timeout: Duration,
    /// How long a stop waits for exchanges; default 60 s.
    pub graceful_timeout: Duration,
    /// Lower-case name of the field in which trusted peers name the client.
    pub real_ip_header: Option<String>,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds of what clients send.
    pub limits: ServerLimits,
    /// What a client's FIN means; default cancel.
    pub half_close: HalfClose,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: 8080,
            workers: None,
            max_conn: 10_000,
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            graceful_timeout: Duration::from_secs(60),
            real_ip_header: None,
            trusted_proxies: Vec::new(),
            limits: ServerLimits::default(),
            half_close: HalfClose::Cancel,
        }
    }
}

/// `server.limits`, in bytes but for the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Longest request line; default 8190.
    pub request_line: usize,
    /// Longest header field; default 8190.
    pub header_field: usize,
    /// Most header fields; default 100.
    pub header_count: usize,
    /// Largest request body; default 0, no limit.
    pub body: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { request_line: 8190, header_field: 8190, header_count: 100, body: 0 }
    }
}

/// What a FIN from an HTTP/1 client means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// It left: the exchange is cancelled.
    #[default]
    Cancel,
    /// It only stopped sending.
    Keep,
}

/// A group of backends and its policy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upstream {
    /// Algorithm where a route names none.
    pub load_balancer: Option<Algorithm>,
    /// Clocks where a route sets none.
    pub timeouts: TimeoutsPatch,
    /// Idle connections.
    pub pool: Pool,
    /// Check of backends that have none of their own.
    pub health_check: Option<HealthCheck>,
    /// In the order of the file; those added through the API come last, in the order of adding. Shared: a change to one
    /// of hundreds leaves the others where they are.
    pub backends: Vec<Arc<Backend>>,
}

/// `pool`: idle connections of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Kept over all workers; default 50, 0 keeps none.
    pub max_idle: u32,
    /// For how long; default 60 s.
    pub idle_timeout: Duration,
    /// Requests a connection carries; default 0, no limit.
    pub max_requests: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self { max_idle: 50, idle_timeout: Duration::from_secs(60), max_requests: 0 }
    }
}

/// One address in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique in its upstream; default `host:port`.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// Address or name.
    pub host: String,
    /// 1..=65535.
    pub port: u16,
    /// 1..=1000, default 100.
    pub weight: u32,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// False: enabled by nobody; default true.
    pub active: bool,
    /// Slots; 0 or less is no limit, the default.
    pub max_conn: i32,
    /// For people and scripts.
    pub labels: BTreeMap<String, String>,
    /// Its own check, instead of the group's; without one, the group's.
    pub health_check: Option<HealthCheck>,
}

impl Backend {
    /// A backend with every default.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            id: default_id(host, port),
            name: None,
            host: host.to_owned(),
            port,
            weight: 100,
            scheme: Scheme::Http,
            active: true,
            max_conn: 0,
            labels: BTreeMap::new(),
            health_check: None,
        }
    }

    /// The check in force: its own, else the group's.
    pub fn health_check<'a>(&'a self, upstream: &'a Upstream) -> Option<&'a HealthCheck> {
        self.health_check.as_ref().or(upstream.health_check.as_ref())
    }
}

/// The id of a backend that has none.
pub(crate) fn default_id(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// How a backend is spoken to. This version speaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
}

/// The four clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening a connection; default 10 s.
    pub connect: Duration,
    /// Last request byte sent to first response byte; default 120 s.
    pub first_byte: Duration,
    /// No byte from the backend while the client is taking; default 300 s.
    pub idle: Duration,
    /// The whole exchange; default off.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// Each clock from the route, else from the upstream, else its default.
    pub fn resolve(upstream: &TimeoutsPatch, route: &TimeoutsPatch) -> Self {
        Self {
            connect: route.connect.or(upstream.connect).unwrap_or(Duration::from_secs(10)),
            first_byte: route.first_byte.or(upstream.first_byte).unwrap_or(Duration::from_secs(120)),
            idle: route.idle.or(upstream.idle).unwrap_or(Duration::from_secs(300)),
            total: route.total.or(upstream.total).unwrap_or(None),
        }
    }
}

/// The clocks that one place sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeoutsPatch {
    /// See [`Timeouts::connect`].
    pub connect: Option<Duration>,
    /// See [`Timeouts::first_byte`].
    pub first_byte: Option<Duration>,
    /// See [`Timeouts::idle`].
    pub idle: Option<Duration>,
    /// See [`Timeouts::total`]; `Some(None)` is `off`.
    pub total: Option<Option<Duration>>,
}

/// `log`: what the proxy says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Default info.
    pub level: Level,
    /// Default: text on a terminal, JSON otherwise.
    pub format: Option<LogFormat>,
    /// Default: standard error.
    pub file: Option<PathBuf>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Somebody must act now.
    Error,
    /// Somebody should look today.
    Warn,
    /// What an operator did and what states changed.
    #[default]
    Info,
    /// For finding out why.
    Debug,
    /// Everything.
    Trace,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `access_log`: one line an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Default json.
    pub format: AccessFormat,
    /// Default: standard output.
    pub file: Option<PathBuf>,
    /// Share of exchanges written, above 0 and at most 1; default 1.
    pub sample: f64,
}

/// The shape of an access log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// One JSON object a line.
    #[default]
    Json,
}
