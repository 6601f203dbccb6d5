//! Verbs and flags of `speedctl server`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::value;

/// What can be asked about the process, and of it.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerVerb {
    /// Show what is running, and where it listens
    Info,
    /// End the process as SIGTERM does: nothing new is accepted, exchanges under way finish
    Drain {
        /// How long they may take, instead of server.graceful_timeout
        #[arg(long, value_name = "DURATION", value_parser = value::duration, conflicts_with = "now")]
        graceful_timeout: Option<Duration>,
        /// Cut them; also where the process is stopping already
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        act: Act,
    },
    /// Make the error log say more or less for a while
    LogLevel {
        /// The level
        #[arg(value_name = "LEVEL", required_unless_present = "reset", conflicts_with = "reset")]
        level: Option<LogLevel>,
        /// How long, 24h at most; 10m when it is not given
        #[arg(long = "for", value_name = "DURATION", value_parser = value::timeout, conflicts_with = "reset")]
        ttl: Option<Duration>,
        /// Back to log.level of the configuration
        #[arg(long)]
        reset: bool,
        #[command(flatten)]
        act: Act,
    },
}

/// How something is to be done that makes no revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Act {
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Makes a repeated call answer as the first did, and do nothing
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
}

/// How much the error log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What needs somebody now
    Error,
    /// What needs somebody soon
    Warn,
    /// What changed
    Info,
    /// What helps to find a fault
    Debug,
    /// Everything
    Trace,
}
