//! What a configuration is: parse, validate, change, diff. No I/O.
//!
//! [`parse()`] turns text into a [`Config`] or into every fault there is, each with its place. [`Layers`] is the
//! configuration in force: the file and, over it, what was changed through the API. [`Layers::apply`] is the one door
//! for change: pure, all or nothing.

mod across;
mod change;
mod config;
mod diff;
mod fault;
mod fields;
mod layers;
mod object;
mod overlay;
mod parse;
mod pieces;
mod read;
mod rules;
mod schema;
mod secret;
mod tree;
mod write;

pub use change::{Change, ChangeError, Edit, Selector, Violation};
pub use config::{
    AccessFormat, AccessLog, AlgorithmSource, Auth, AuthClient, Backend, Config, Conflict, HalfClose, HeaderEdits,
    HeaderOps, HealthCheck, HealthCheckKind, HostPattern, Level, Log, LogFormat, Management, ManagementTls, PathMatch,
    Pool, Protocols, Role, Route, Scheme, Server, ServerLimits, Spelled, State, StatusRanges, Timeouts, TimeoutsPatch,
    Upstream,
};
pub use diff::{Difference, diff, diff_of, leaves};
pub use fault::{Fault, Faults};
pub use layers::{Explained, Layer, Layers, Problem, ReloadError, ReloadSummary};
pub use object::{Kind, Object};
pub use overlay::{Entry, Held, Origin, Overlay, Presence, Row};
pub use parse::{from_json, parse};
pub use pieces::{Piece, pieces};
pub use schema::schema;
pub use secret::{MASK, hide};
pub use speedmimi_policy::Algorithm;
