//! Verbs and flags of `speedctl backend`.

use std::time::Duration;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::policy::CheckFields;
use super::value;
use super::watch::{DrainArguments, WatchBackendsArguments};

/// What can be done with backends.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendVerb {
    /// List backends with what is observed of them
    List(ListArguments),
    /// Show one backend
    Get(GetArguments),
    /// Add a backend; --host and --port are needed
    Add(AddArguments),
    /// Change some fields of a backend; what is not named stays
    Update(UpdateArguments),
    /// Take a backend out; refused while exchanges are in flight: drain it first, or --force ends them
    Remove(RemoveArguments),
    /// Let a backend take exchanges, also after disconnect
    Enable(ChangeArguments),
    /// Keep new exchanges from a backend; those in flight go on
    Disable(ChangeArguments),
    /// End the exchanges of a backend at once and keep new ones out until enable
    Disconnect(DisconnectArguments),
    /// Keep new exchanges from a backend and wait until those in flight have ended
    Drain(DrainArguments),
    /// Follow what becomes of backends
    Watch(WatchBackendsArguments),
    /// Tell what was measured on a backend
    Report(ReportArguments),
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only backends of this upstream
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
}

/// How a backend is named: by position, by flags, or not at all where there is only one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct NameArguments {
    /// UPSTREAM/ID, or ID in the upstream "default"; not needed when there is only one backend
    #[arg(value_name = "BACKEND", conflicts_with = "id")]
    pub(crate) name: Option<String>,
    /// Name of the upstream
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
    /// Id of the backend
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// How a change is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Mutation {
    /// Check everything and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Refuse unless what is changed is still at this revision
    #[arg(long, value_name = "N", value_parser = value::whole::<u64>)]
    pub(crate) expected_revision: Option<u64>,
    /// Makes a repeated call answer as the first did, where the proxy knows how
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
}

/// Fields of a backend.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Fields {
    /// Name for people
    #[arg(long = "name", value_name = "TEXT", id = "display_name")]
    pub(crate) name: Option<String>,
    /// Address or DNS name
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Port, 1..65535
    #[arg(long, value_name = "PORT", value_parser = value::port)]
    pub(crate) port: Option<u32>,
    /// Share of the traffic, 1..1000
    #[arg(long, value_name = "WEIGHT", value_parser = value::weight)]
    pub(crate) weight: Option<u32>,
    /// How it is spoken to
    #[arg(long, value_name = "SCHEME")]
    pub(crate) scheme: Option<Scheme>,
    /// Whether it takes new exchanges; set to true or false, it ends a drain, and true also a disconnect
    #[arg(long, value_name = "true|false", action = ArgAction::Set)]
    pub(crate) active: Option<bool>,
    /// Exchanges at a time; 0 or less is no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value::whole::<i32>)]
    pub(crate) max_conn: Option<i32>,
    /// A label, given once for each; all of them are replaced
    #[arg(long = "label", value_name = "K=V", value_parser = value::pair)]
    pub(crate) labels: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) check: CheckFields,
}

/// How a backend is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// HTTP/1.1 in the clear
    Http,
}

/// A field that can go back to the value of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resettable {
    Name,
    Host,
    Port,
    Weight,
    Scheme,
    Active,
    #[value(alias = "max_conn")]
    MaxConn,
    Labels,
    #[value(alias = "health_check")]
    HealthCheck,
}

/// What to add.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// UPSTREAM/ID, or ID in the upstream "default"; without one, the id is HOST:PORT
    #[arg(value_name = "BACKEND", conflicts_with = "id")]
    pub(crate) name: Option<String>,
    /// Name of the upstream
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
    /// Id of the backend
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) fields: Fields,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    #[command(flatten)]
    pub(crate) fields: Fields,
    /// A field that goes back to the value of the file, given once for each
    #[arg(long, value_name = "FIELD")]
    pub(crate) reset: Vec<Resettable>,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    /// Show of each field where its value comes from
    #[arg(long)]
    pub(crate) explain: bool,
}

/// What to take out.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    /// Also while exchanges are in flight: they are ended
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// A change that needs no values.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// What to cut.
#[derive(Debug, Args)]
pub(crate) struct DisconnectArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    /// Only cut: new exchanges are taken at once
    #[arg(long)]
    pub(crate) keep_enabled: bool,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) name: NameArguments,
    /// Percent, 0..100
    #[arg(long, value_name = "PERCENT", value_parser = value::percent)]
    pub(crate) cpu_usage: Option<f64>,
    /// Percent, 0..100
    #[arg(long, value_name = "PERCENT", value_parser = value::percent)]
    pub(crate) memory_usage: Option<f64>,
    /// Load average over one minute
    #[arg(long = "load-avg-1", value_name = "LOAD", value_parser = value::real)]
    pub(crate) load_avg_1: Option<f64>,
    /// Load average over five minutes
    #[arg(long = "load-avg-5", value_name = "LOAD", value_parser = value::real)]
    pub(crate) load_avg_5: Option<f64>,
    /// Load average over fifteen minutes
    #[arg(long = "load-avg-15", value_name = "LOAD", value_parser = value::real)]
    pub(crate) load_avg_15: Option<f64>,
    /// Processors
    #[arg(long, value_name = "N", value_parser = value::whole::<u32>)]
    pub(crate) cpu_count: Option<u32>,
    /// Work waiting in the backend
    #[arg(long, value_name = "N", value_parser = value::whole::<u32>)]
    pub(crate) queue_depth: Option<u32>,
    /// Work the backend could take
    #[arg(long, value_name = "N", value_parser = value::whole::<u32>)]
    pub(crate) free_slots: Option<u32>,
    /// Anything else that is a number, given once for each
    #[arg(long, value_name = "K=V", value_parser = value::measure)]
    pub(crate) custom: Vec<(String, f64)>,
    /// Who reports; reports are ordered for each source
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) source: String,
    /// Larger each time the agent starts
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value::whole::<u64>)]
    pub(crate) epoch: u64,
    /// Grows within an epoch
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value::whole::<u64>)]
    pub(crate) sequence: u64,
    /// How long it counts, 1s..1h; the proxy's default is 30s
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) ttl: Option<Duration>,
}
