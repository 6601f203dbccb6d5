//! What a configuration is: parse, validate, change, diff. No I/O.
//!
//! [`parse()`] turns text into a [`Config`] or into every fault there is, each with its place. [`Layers`] is the
//! configuration in force: the file and, over it, what was changed through the API. [`Layers::apply`] is the one door
//! for change: pure, all or nothing.

mod change;
mod config;
mod diff;
mod fault;
mod layers;
mod parse;
mod read;
mod rules;
mod schema;
mod tree;
mod write;

pub use change::{BackendPatch, Change, ChangeError, Kind, Patch, Violation};
pub use config::{
    AccessFormat, AccessLog, Backend, Config, HalfClose, HeaderEdits, HeaderOps, HealthCheck, HealthCheckKind,
    HostPattern, Level, Log, LogFormat, Management, PathMatch, Pool, Protocols, Route, Scheme, Server, ServerLimits,
    StatusRanges, Timeouts, TimeoutsPatch, Upstream,
};
pub use diff::{Difference, diff};
pub use fault::{Fault, Faults};
pub use layers::{Layers, Overlay, ReloadError, ReloadSummary, Touched};
pub use parse::parse;
pub use schema::schema;
pub use speedmimi_policy::Algorithm;
