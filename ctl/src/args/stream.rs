//! Verbs and flags of `speedctl stream`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::server::Act;
use super::stats::WatchArguments;
use super::value;

/// What can be done with exchanges in flight.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamVerb {
    /// List exchanges in flight, all of them or those that fit
    List {
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// End exchanges in flight: those that fit; --all ends every one
    Kill {
        #[command(flatten)]
        filter: FilterArguments,
        /// End every exchange of the proxy
        #[arg(long)]
        all: bool,
        /// Show at most so many of those that are ended
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        show: u32,
        #[command(flatten)]
        act: Act,
    },
}

/// Which exchanges; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct FilterArguments {
    /// Ids, as `stream list` shows them
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Those of an upstream
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
    /// Those on a backend: UPSTREAM/ID, or ID in the upstream of --upstream, else "default"
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<String>,
    /// Those of a route
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Those of a client, or of a network such as 10.0.0.0/8
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client: Option<String>,
    /// Those of one kind
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) protocol: Option<Protocol>,
    /// At least that old, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) min_age: Option<Duration>,
    /// Silent either way for at least that long
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) min_idle: Option<Duration>,
}

/// What an exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// A request and its response
    Http,
    /// Server-sent events
    Sse,
    /// A WebSocket
    Websocket,
}
