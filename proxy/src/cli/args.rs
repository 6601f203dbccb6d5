//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use speedmimi_policy::Algorithm;

use crate::demo::Ports;

use super::inline::{BackendAddress, Inline};

/// A reverse proxy with exact slots for each backend, changed while it runs.
#[derive(Debug, Parser)]
#[command(name = "speedmimi", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 could not start, 64 bad usage or configuration.\n\
    Signals: TERM and INT finish what was accepted and end, a second one ends at once; HUP reloads the file; \
    USR1 opens the log files anew.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve; the default when no command is given
    Run(RunArguments),
    /// Validate a configuration; prints every fault with its place
    Check {
        /// The configuration, YAML or JSON
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Try it: three example backends and a proxy in front of them, no file needed
    Demo(Ports),
    /// An example backend: /, /health, /echo, /slow, /status, /bytes, /sse, /ws
    Backend(BackendArguments),
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The configuration, YAML or JSON
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["backend", "host", "port", "algorithm", "debug"])]
    pub(super) config: Option<PathBuf>,
    /// Without a file: a backend, given once for each
    #[arg(short, long, value_name = "HOST:PORT")]
    pub(super) backend: Vec<BackendAddress>,
    /// Without a file: address to listen on
    #[arg(long, default_value = "0.0.0.0", requires = "backend")]
    pub(super) host: String,
    /// Without a file: port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8080, requires = "backend")]
    pub(super) port: u16,
    /// Without a file: how a backend is chosen
    #[arg(long, default_value = "round_robin", requires = "backend", value_parser = algorithms())]
    pub(super) algorithm: String,
    /// Without a file: log at level debug
    #[arg(long, requires = "backend")]
    pub(super) debug: bool,
    /// Print one line of JSON on standard output once every address is bound
    #[arg(long)]
    pub(super) announce: bool,
}

impl RunArguments {
    pub(super) fn inline(&self) -> Inline<'_> {
        Inline {
            backends: &self.backend,
            host: &self.host,
            port: self.port,
            algorithm: &self.algorithm,
            debug: self.debug,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct BackendArguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) host: String,
    /// Port to listen on, or several, as in "8001 8002"; 0 takes any free one
    #[arg(long = "port", visible_alias = "ports", value_name = "PORTS", default_value = "8081", value_parser = ports)]
    pub(super) ports: PortList,
    /// What it calls itself; by default backend-PORT
    #[arg(long)]
    pub(super) id: Option<String>,
}

/// Ports of one argument.
#[derive(Debug, Clone)]
pub(super) struct PortList(pub(super) Vec<u16>);

fn ports(text: &str) -> Result<PortList, String> {
    let ports = text.split([' ', ',']).filter(|port| !port.is_empty());
    let ports: Result<Vec<u16>, _> = ports.map(str::parse).collect();
    match ports {
        Ok(ports) if !ports.is_empty() => Ok(PortList(ports)),
        _ => Err("ports are numbers from 0 to 65535".into()),
    }
}

fn algorithms() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(
        Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available()).map(Algorithm::as_str),
    )
}
