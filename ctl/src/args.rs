//! What can be asked on the command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::credentials::Credentials;
use crate::endpoint::Endpoint;

mod backend;
mod config;
mod explain;
mod policy;
mod route;
mod server;
mod stats;
mod stream;
mod upstream;
mod value;
mod watch;

pub(crate) use backend::{
    AddArguments, BackendVerb, ChangeArguments, DisconnectArguments, Fields, GetArguments, Mutation, NameArguments,
    RemoveArguments, ReportArguments, Resettable, Scheme, UpdateArguments,
};
pub(crate) use config::{ConfigVerb, DocumentFormat, LayerName};
pub(crate) use explain::ExplainArguments;
pub(crate) use policy::{CheckFields, CheckType, TimeoutFields};
pub(crate) use route::{HeaderFields, RouteFields, RouteVerb, UpdateRouteArguments};
pub(crate) use server::{Act, LogLevel, ServerVerb};
pub(crate) use stats::{StatsVerb, WatchArguments};
pub(crate) use stream::{FilterArguments, Protocol, StreamVerb};
pub(crate) use upstream::{UpdateUpstreamArguments, UpstreamFields, UpstreamVerb};
pub(crate) use watch::{DrainArguments, EventsArguments, WatchBackendsArguments};

/// Look into a running speedmimi and change it
#[derive(Debug, Parser)]
#[command(name = "speedctl", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable, 4 not found, 5 conflict, 6 invalid, 7 timed out."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Management address of the proxy: http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH
    #[arg(
        long,
        global = true,
        env = "SPEEDCTL_ENDPOINT",
        default_value = "http://127.0.0.1:9090",
        value_name = "ADDRESS",
        help_heading = "Global options"
    )]
    pub(crate) endpoint: Endpoint,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// Longest wait for an answer, such as 500ms, 10s or 1m
    #[arg(
        long,
        global = true,
        env = "SPEEDCTL_TIMEOUT",
        default_value = "10s",
        value_name = "DURATION",
        value_parser = value::timeout,
        help_heading = "Global options"
    )]
    pub(crate) timeout: Duration,
    /// How answers are written
    #[arg(
        short,
        long,
        global = true,
        env = "SPEEDCTL_OUTPUT",
        default_value = "table",
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(crate) output: Format,
    /// When answers are coloured
    #[arg(
        long,
        global = true,
        env = "SPEEDCTL_COLOR",
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub(crate) color: Color,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; plain columns when the output is no terminal
    Table,
    /// The whole answer, with the names of the .proto files
    Json,
    /// As json, in YAML
    Yaml,
}

/// When answers are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

impl Color {
    /// Whether an output is coloured.
    pub(crate) fn on(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// What a command is about.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Addresses that traffic goes to
    #[command(subcommand)]
    Backend(BackendVerb),
    /// Groups of backends and their policy
    #[command(subcommand)]
    Upstream(UpstreamVerb),
    /// Which upstream a request goes to
    #[command(subcommand)]
    Route(RouteVerb),
    /// The configuration as a whole
    #[command(subcommand)]
    Config(ConfigVerb),
    /// What the proxy has been doing
    #[command(subcommand)]
    Stats(StatsVerb),
    /// Exchanges in flight
    #[command(subcommand)]
    Stream(StreamVerb),
    /// The process
    #[command(subcommand)]
    Server(ServerVerb),
    /// Follow what happens: health, changes, reloads, drains
    Events(EventsArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }
}
