//! The question who would be picked, and what a worker answers.

use std::net::IpAddr;

use speedmimi_model::AlgorithmSource;
use speedmimi_policy::{Algorithm, Considered, Order};

use crate::protocol::Protocol;
use crate::reason::Reason;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// About what.
    pub subject: Subject,
    /// The peer.
    pub client: IpAddr,
    /// What the exchange is, where no request says it.
    pub protocol: Protocol,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An upstream by its name, with its own algorithm.
    Upstream(String),
    /// A route by its name.
    Route(String),
    /// A request: its head, as a client would send it.
    Request(Vec<u8>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExplained {
    /// There is no upstream of that name.
    #[error("there is no such upstream")]
    NoUpstream,
    /// There is no route of that name.
    #[error("there is no such route")]
    NoRoute,
    /// What is given is no request that a client could send.
    #[error("{0}")]
    NotARequest(String),
}

/// Why a backend may not be picked at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Its gate is closed.
    Disabled,
    /// Its checks fail.
    Down,
    /// Its first check has not passed yet.
    Unknown,
    /// Connections to it failed a moment ago.
    Ejected,
    /// It has no slot left.
    Full,
    /// Its name is not resolved.
    NoAddress,
}

/// A pick that was looked into and not made.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The revision that the worker acts on.
    pub revision: u64,
    /// Who asks, after trusted proxies.
    pub client: IpAddr,
    /// What the exchange is.
    pub protocol: Protocol,
    /// Name of the route; empty for the implicit one, or where there is none.
    pub route: Box<str>,
    /// The rule that led there.
    pub rule: Option<Rule>,
    /// The pick; or why there is none, before any backend is looked at.
    pub pick: Result<Pick, Reason>,
}

/// The rule of a route that a request fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Host pattern, as `*.example.com`; empty is every host.
    pub host: String,
    /// Prefix or whole path.
    pub path: String,
    /// It is the whole path.
    pub exact: bool,
}

/// A choice among backends.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// Name of the upstream.
    pub upstream: Box<str>,
    /// How it is chosen.
    pub algorithm: Algorithm,
    /// What decided on that.
    pub source: AlgorithmSource,
    /// How scores are to be read.
    pub order: Order,
    /// Every backend, in the order of the configuration.
    pub backends: Vec<Candidate>,
    /// Index of the one that would be picked, or why none would be.
    pub winner: Result<usize, Reason>,
    /// Backends that connections failed to were taken in, because nobody else was left.
    pub ejections_ignored: bool,
}

/// One backend in a choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: Box<str>,
    /// Its cap; 0 is none.
    pub cap: u32,
    /// Why it may not be picked.
    pub obstacle: Option<Obstacle>,
    /// What it was judged by.
    pub considered: Considered,
}
