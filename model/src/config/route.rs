//! `routing`.

use std::fmt;

use speedmimi_policy::Algorithm;

use super::TimeoutsPatch;

/// Host and path to an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Any host when empty.
    pub hosts: Vec<HostPattern>,
    /// Which paths.
    pub path: PathMatch,
    /// Name of the upstream; it exists.
    pub upstream: String,
    /// Algorithm of this route.
    pub load_balancer: Option<Algorithm>,
    /// Algorithms by protocol.
    pub protocols: Protocols,
    /// Clocks of this route.
    pub timeouts: TimeoutsPatch,
    /// Fields changed on the way.
    pub headers: HeaderEdits,
}

impl Route {
    /// A route for everything, with every default.
    pub fn to(upstream: &str) -> Self {
        Self {
            hosts: Vec::new(),
            path: PathMatch::Prefix("/".into()),
            upstream: upstream.to_owned(),
            load_balancer: None,
            protocols: Protocols::default(),
            timeouts: TimeoutsPatch::default(),
            headers: HeaderEdits::default(),
        }
    }
}

/// A host a route is for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// `*.example.com`: every host below; holds `example.com`.
    Wildcard(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => formatter.write_str(host),
            Self::Wildcard(domain) => write!(formatter, "*.{domain}"),
        }
    }
}

/// Which paths a route takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// This path and everything below it; the longest wins.
    Prefix(String),
    /// This path alone; wins over prefixes.
    Exact(String),
}

/// Algorithms by protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protocols {
    /// WebSocket upgrades.
    pub websocket: Option<Algorithm>,
    /// Requests that accept an event stream.
    pub sse: Option<Algorithm>,
}

/// Fields changed on the way, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    /// Towards the backend.
    pub request: HeaderOps,
    /// Towards the client.
    pub response: HeaderOps,
}

/// Fields changed in one direction: removed first, then set, then added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderOps {
    /// Replace whatever there is.
    pub set: Vec<(String, String)>,
    /// Come in addition.
    pub add: Vec<(String, String)>,
    /// Are taken out.
    pub remove: Vec<String>,
}
