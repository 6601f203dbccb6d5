//! Verbs and flags of `speedctl upstream`.

use std::time::Duration;

use clap::{Args, Subcommand};
use speedmimi_proto::v1::LoadBalancer;

use super::backend::Mutation;
use super::policy::{CheckFields, TimeoutFields};
use super::value;

/// What can be done with upstreams.
#[derive(Debug, Subcommand)]
pub(crate) enum UpstreamVerb {
    /// List upstreams with what is observed of them
    List,
    /// Show one upstream
    Get {
        /// Name of the upstream
        #[arg(value_name = "UPSTREAM", default_value = "default")]
        upstream: String,
        /// Show of each field where its value comes from
        #[arg(long)]
        explain: bool,
    },
    /// Add an upstream, without backends
    Add {
        /// Name of the upstream
        #[arg(value_name = "UPSTREAM")]
        upstream: String,
        #[command(flatten)]
        fields: Box<UpstreamFields>,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Change some fields of an upstream; what is not named stays
    Update(Box<UpdateUpstreamArguments>),
    /// Take an upstream out; refused while a route leads to it
    Remove {
        /// Name of the upstream
        #[arg(value_name = "UPSTREAM")]
        upstream: String,
        /// With its backends; exchanges in flight on them go on to their end
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        mutation: Mutation,
    },
}

/// Fields of an upstream.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct UpstreamFields {
    /// How a backend is chosen, where a route does not say
    #[arg(long, value_name = "ALGORITHM", value_parser = value::algorithm())]
    pub(crate) load_balancer: Option<LoadBalancer>,
    #[command(flatten)]
    pub(crate) timeouts: TimeoutFields,
    /// Idle connections that are kept; 0 keeps none
    #[arg(long, value_name = "N", value_parser = value::whole::<u32>)]
    pub(crate) pool_max_idle: Option<u32>,
    /// For how long they are kept
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) pool_idle_timeout: Option<Duration>,
    /// Requests that a connection carries; 0 is no limit
    #[arg(long, value_name = "N", value_parser = value::whole::<u32>)]
    pub(crate) pool_max_requests: Option<u32>,
    #[command(flatten)]
    pub(crate) check: CheckFields,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct UpdateUpstreamArguments {
    /// Name of the upstream
    #[arg(value_name = "UPSTREAM", default_value = "default")]
    pub(crate) upstream: String,
    #[command(flatten)]
    pub(crate) fields: UpstreamFields,
    /// A field that goes back to the value of the file, given once for each
    #[arg(long, value_name = "FIELD", value_parser = RESETTABLE)]
    pub(crate) reset: Vec<String>,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// Fields that can go back to the value of the file.
const RESETTABLE: [&str; 11] = [
    "load_balancer",
    "timeouts",
    "timeouts.connect",
    "timeouts.first_byte",
    "timeouts.idle",
    "timeouts.total",
    "pool",
    "pool.max_idle",
    "pool.idle_timeout",
    "pool.max_requests",
    "health_check",
];
