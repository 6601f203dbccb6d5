//! Flags that upstreams share with backends or with routes.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::value;

/// Parts of a health check.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct CheckFields {
    /// What a health check does; off ends it
    #[arg(long, value_name = "TYPE")]
    pub(crate) health_type: Option<CheckType>,
    /// Path that a health check gets
    #[arg(long, value_name = "PATH")]
    pub(crate) health_path: Option<String>,
    /// Time between two health checks, such as 5s
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) health_interval: Option<Duration>,
}

/// What a health check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckType {
    /// GET a path and look at the status
    Http,
    /// Connect
    Tcp,
    /// Nothing
    Off,
}

/// The four clocks.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct TimeoutFields {
    /// Longest time to open a connection, such as 2s
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Longest time from the last request byte to the first of the answer
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) first_byte_timeout: Option<Duration>,
    /// Longest silence of a backend within an answer
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Longest time of a whole exchange, or off
    #[arg(long, value_name = "DURATION", value_parser = value::duration_or_off)]
    pub(crate) total_timeout: Option<Duration>,
}
