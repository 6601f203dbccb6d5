//! Flags of verbs that follow something.

use std::time::Duration;

use clap::{Args, ValueEnum};
use speedmimi_proto::v1::{DrainDeadline, DrainThen, EventType, Severity};

use super::backend::{Mutation, NameArguments};
use super::value;

/// Which backends to follow.
#[derive(Debug, Args)]
pub(crate) struct WatchBackendsArguments {
    /// UPSTREAM/ID, or ID in the upstream "default"; without one, all of them
    #[arg(value_name = "BACKEND", conflicts_with = "id")]
    pub(crate) name: Option<String>,
    /// Only backends of this upstream
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
    /// Only the backend with this id
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
}

impl WatchBackendsArguments {
    /// As the name of a backend.
    pub(crate) fn name(&self) -> NameArguments {
        NameArguments { name: self.name.clone(), upstream: self.upstream.clone(), id: self.id.clone() }
    }
}

/// How to drain.
#[derive(Debug, Args)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    /// How long exchanges may take to end; without it, as long as they like
    #[arg(long, value_name = "DURATION", value_parser = value::timeout)]
    pub(crate) deadline: Option<Duration>,
    /// What becomes of those that are left then; the proxy's default is keep
    #[arg(long, value_name = "WHAT", requires = "deadline")]
    pub(crate) on_deadline: Option<OnDeadline>,
    /// What becomes of the backend once nothing is left; the proxy's default is none
    #[arg(long, value_name = "WHAT")]
    pub(crate) then: Option<Then>,
    /// Where it drains already, drain it like this from now on
    #[arg(long)]
    pub(crate) replace: bool,
    /// Begin, and do not wait for the end
    #[arg(long)]
    pub(crate) detach: bool,
    /// Begin nothing: look on at the drain that is going on, if there is one
    #[arg(long, conflicts_with_all = ["deadline", "on_deadline", "then", "replace", "detach", "dry_run",
          "expected_revision", "request_id"])]
    pub(crate) watch_only: bool,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// What becomes of exchanges that are left at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDeadline {
    /// They go on to their end
    Keep,
    /// They are ended
    Close,
}

impl From<OnDeadline> for DrainDeadline {
    fn from(what: OnDeadline) -> Self {
        match what {
            OnDeadline::Keep => Self::Keep,
            OnDeadline::Close => Self::Close,
        }
    }
}

/// What becomes of a backend that is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Then {
    /// It stays out until it is enabled
    None,
    /// It is disabled
    Disable,
    /// It is removed
    Remove,
}

impl From<Then> for DrainThen {
    fn from(then: Then) -> Self {
        match then {
            Then::None => Self::None,
            Then::Disable => Self::Disable,
            Then::Remove => Self::Remove,
        }
    }
}

/// Which events to follow.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Only events of this type, given once for each
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    pub(crate) types: Vec<EventType>,
    /// Only what is at least so grave: info, warning or error
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity)]
    pub(crate) severity: Severity,
    /// So many of the last events first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value::whole::<u32>)]
    pub(crate) recent: u32,
}

/// The types of this version, by the names that are printed.
const TYPES: [EventType; 8] = [
    EventType::BackendHealth,
    EventType::BackendEjection,
    EventType::ConfigChanged,
    EventType::ConfigReloaded,
    EventType::ConfigRefused,
    EventType::BackendDrain,
    EventType::BackendDisconnect,
    EventType::ServerPhase,
];

fn event_type(text: &str) -> Result<EventType, String> {
    let name = |kind: &EventType| {
        kind.as_str_name().strip_prefix("EVENT_TYPE_").unwrap_or_default().to_ascii_lowercase().replace('_', "-")
    };
    let wanted = text.to_ascii_lowercase().replace('_', "-");
    TYPES.into_iter().find(|kind| name(kind) == wanted).ok_or_else(|| {
        let names: Vec<String> = TYPES.iter().map(name).collect();
        format!("write one of {}", names.join(", "))
    })
}

fn severity(text: &str) -> Result<Severity, String> {
    match text {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "error" => Ok(Severity::Error),
        _ => Err("write info, warning or error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_events_are_written_with_either_dash() {
        assert_eq!(event_type("backend-drain"), Ok(EventType::BackendDrain));
        assert_eq!(event_type("config_changed"), Ok(EventType::ConfigChanged));
        assert!(event_type("nothing").is_err_and(|told| told.contains("backend-health")));
    }
}
