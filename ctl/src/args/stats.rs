//! Verbs and flags of `speedctl stats`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::backend::NameArguments;
use super::value;

/// Whose figures are wanted.
#[derive(Debug, Subcommand)]
pub(crate) enum StatsVerb {
    /// Of the whole proxy
    Server {
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Of one upstream
    Upstream {
        /// Name of the upstream
        #[arg(value_name = "UPSTREAM", default_value = "default")]
        upstream: String,
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Of one backend
    Backend {
        #[command(flatten)]
        name: NameArguments,
        #[command(flatten)]
        watch: WatchArguments,
    },
}

/// Whether to look again.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct WatchArguments {
    /// Look again every so many seconds, 0.1..60, 2 when no number is given, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = value::period)]
    pub(crate) watch: Option<Duration>,
}
