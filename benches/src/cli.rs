//! The command line, and what the measuring subcommands have in common.

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::common::{Common, Stage};
use crate::load::Mode;
use crate::table::note;
use crate::updates::Changes;
use crate::{compare, idle, origin, process, relay, syscalls};

#[derive(Parser)]
#[command(name = "speedmimi-bench", about = "Compares SpeedMimi with nginx, HAProxy and a raw byte relay")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Requests/s, CPU a request and latency of every contender by turns
    Compare(CompareArgs),
    /// Memory of idle streams and idle keep-alive connections
    Idle(IdleArgs),
    /// System calls a request, counted by strace
    Syscalls(SyscallsArgs),
    /// The origin alone
    Origin {
        /// Ports on 127.0.0.1, 0 = any
        #[arg(long, value_delimiter = ',', default_values_t = [0, 0])]
        ports: Vec<u16>,
    },
    /// The raw byte relay alone
    Relay {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where to, by turns; repeatable
        #[arg(long, required = true)]
        to: Vec<SocketAddr>,
    },
    #[command(hide = true, about = "Becomes a program, pinned to a core")]
    Pinned {
        #[arg(long)]
        core: usize,
        #[arg(long)]
        parent: u32,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// Whether contenders write an access log; `both` = each is measured twice a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    Off,
    On,
    Both,
}

#[derive(Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Interleaved rounds (A B C D, A B C D, …); medians are over these
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Seconds of each closed-loop and each open-loop measurement
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Response bodies, in bytes
    #[arg(long, value_delimiter = ',', default_values_t = [100, 4096, 65536])]
    pub(crate) bodies: Vec<usize>,
    /// Client connections
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 512])]
    pub(crate) connections: Vec<usize>,
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Mode::Keepalive, Mode::New])]
    pub(crate) modes: Vec<Mode>,
    /// One case only: keep-alive, 64 connections, 100 bytes
    #[arg(long)]
    pub(crate) quick: bool,
    /// Access log of every contender, into a scratch folder
    #[arg(long, value_enum, num_args = 0..=1, default_value = "off", default_missing_value = "on")]
    pub(crate) access_log: AccessLog,
    /// Measures every speedmimi also while so many changes a second are made on it, each durable before its answer
    #[arg(long, value_name = "A_SECOND", num_args = 0..=1, default_missing_value = "50")]
    pub(crate) updates: Option<f64>,
    /// Changes that come at once, as those of a script that sets many backends do
    #[arg(long, value_name = "CHANGES", default_value_t = 1, requires = "updates")]
    pub(crate) together: usize,
    /// Open-loop requests/s instead of half the capacity of the slowest contender
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// A turn with more steal than this, in percent, is void
    #[arg(long, default_value_t = 1.0)]
    pub(crate) max_steal: f64,
    /// A turn in which the contender waited for its core longer than this, in percent, is void
    #[arg(long, default_value_t = 5.0)]
    pub(crate) max_wait: f64,
    /// Times a void turn is repeated before its round goes without it
    #[arg(long, default_value_t = 3)]
    pub(crate) repeats: usize,
    /// Also write everything, sample by sample, as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

impl CompareArgs {
    /// What changes while contenders are measured once more.
    pub(crate) fn changes(&self) -> Option<Changes> {
        self.updates.map(|a_second| Changes { a_second, together: self.together })
    }
}

#[derive(Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Silent SSE streams, and then idle keep-alive connections, held through each contender
    #[arg(long, default_value_t = 5000)]
    pub(crate) streams: usize,
    /// Also write the figures as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SyscallsArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Busy connections
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Response body, in bytes
    #[arg(long, default_value_t = 100)]
    pub(crate) body: usize,
    /// Seconds under strace
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Also write the figures as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Runs the program; 0 done, 1 failed, 2 bad usage.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(args) => compare::run(&args),
        Command::Idle(args) => idle::run(&args),
        Command::Syscalls(args) => syscalls::run(&args),
        Command::Origin { ports } => origin::run(&ports),
        Command::Relay { listen, to } => relay::run(listen, to),
        Command::Pinned { core, parent, command } => process::become_pinned(core, parent, &command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn access_log_alone_means_on() {
        let parse = |args: &[&str]| {
            let Ok(Command::Compare(args)) = Cli::try_parse_from(args).map(|cli| cli.command) else { return None };
            Some(args.access_log)
        };
        assert_eq!(parse(&["x", "compare"]), Some(AccessLog::Off));
        assert_eq!(parse(&["x", "compare", "--access-log", "--quick"]), Some(AccessLog::On));
        assert_eq!(parse(&["x", "compare", "--access-log", "both"]), Some(AccessLog::Both));
    }
}
