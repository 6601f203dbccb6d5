//! The product in one command: three example backends, the proxy in front of them, and what to try.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;

use clap::Args;
use serde_json::json;
use tokio::sync::watch;

use crate::example::Bound;
use crate::{app, cli};

/// Preferred ports of the backends; a busy one is replaced by any free one.
const BACKENDS: [u16; 3] = [8081, 8082, 8083];

/// Where the demo listens, on 127.0.0.1. 0 takes any free port.
#[derive(Debug, Clone, Args)]
pub struct Ports {
    /// Port of the proxy
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Port of the management API, where speedctl connects
    #[arg(long, default_value_t = 9090)]
    pub grpc_port: u16,
    /// Port of metrics and health
    #[arg(long, default_value_t = 9091)]
    pub admin_port: u16,
}

/// Runs until SIGINT or SIGTERM.
pub fn run(ports: &Ports) -> ExitCode {
    let found = free("proxy", ports.port, "--port")
        .and_then(|port| Ok((port, free("management API", ports.grpc_port, "--grpc-port")?)))
        .and_then(|(port, grpc)| Ok((port, grpc, free("metrics", ports.admin_port, "--admin-port")?)));
    let ports = match found {
        Ok((port, grpc_port, admin_port)) => Ports { port, grpc_port, admin_port },
        Err(text) => return cli::fail(&text),
    };
    let backends = match Backends::start() {
        Ok(backends) => backends,
        Err(error) => return cli::fail(&format!("the example backends do not start: {error}")),
    };
    let config = match config(&ports, &backends.addresses) {
        Ok(config) => config,
        Err(text) => return cli::fail(&text),
    };
    if let Err(error) = introduce(&ports, &backends.addresses) {
        return cli::fail(&format!("cannot write: {error}"));
    }
    let code = app::run(app::Options { config: app::ConfigSource::Inline(Box::new(config)), announce: false });
    backends.stop();
    code
}

/// A port that nothing listens on, or how to choose another.
fn free(what: &str, port: u16, flag: &str) -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port} for the {what} ({error}); choose another with `speedmimi demo {flag} PORT`"))
}

/// Three servers on one thread.
struct Backends {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Backends {
    fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let servers: Vec<Bound> = runtime.block_on(async {
            let mut servers = Vec::new();
            for (index, port) in BACKENDS.into_iter().enumerate() {
                let id = || format!("backend{}", index + 1);
                servers.push(match Bound::bind("127.0.0.1", port, |_| id()).await {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        Bound::bind("127.0.0.1", 0, |_| id()).await?
                    }
                    other => other?,
                });
            }
            io::Result::Ok(servers)
        })?;
        let addresses = servers.iter().map(Bound::address).collect();
        let (stop, stopping) = watch::channel(false);
        let thread = std::thread::Builder::new().name("example-backends".into()).spawn(move || {
            runtime.block_on(async {
                let serving = servers.into_iter().map(|server| server.serve(stopping.clone()));
                for result in futures_util::future::join_all(serving).await {
                    if let Err(error) = result {
                        tracing::error!(%error, "an example backend ended");
                    }
                }
            });
        })?;
        Ok(Self { addresses, stop, thread })
    }

    fn stop(self) {
        self.stop.send_replace(true);
        // A panic of an example was printed by its thread; the demo is over either way.
        let _ = self.thread.join();
    }
}

fn config(ports: &Ports, backends: &[SocketAddr]) -> Result<speedmimi_model::Config, String> {
    let backends: Vec<_> = backends
        .iter()
        .enumerate()
        .map(|(index, address)| {
            json!({
                "id": format!("backend{}", index + 1), "host": address.ip(), "port": address.port(), "max_conn": 100,
                "health_check": {"type": "http", "path": "/health", "interval": "2s", "timeout": "1s"},
            })
        })
        .collect();
    let document = json!({
        "server": {"host": "127.0.0.1", "port": ports.port, "graceful_timeout": "2s"},
        "backends": {"default": backends},
        "grpc": {"port": ports.grpc_port},
        "admin": {"port": ports.admin_port},
        "log": {"level": "warn"},
    });
    speedmimi_model::parse("demo", &document.to_string()).map_err(|faults| faults.to_string())
}

fn introduce(ports: &Ports, backends: &[SocketAddr]) -> io::Result<()> {
    let Ports { port, grpc_port, admin_port } = ports;
    let speedctl = speedctl();
    let endpoint = match grpc_port {
        9090 => String::new(),
        port => format!(" --endpoint http://127.0.0.1:{port}"),
    };
    let backends: Vec<_> = backends.iter().map(|address| address.port().to_string()).collect();
    write!(
        io::stdout(),
        "SpeedMimi on http://127.0.0.1:{port}, in front of three example backends on ports {}.\n\n\
         Try, in another terminal:\n\
         \n  $ curl -s http://127.0.0.1:{port}/echo -d hello\n\
         \n  $ curl -sN 'http://127.0.0.1:{port}/sse?events=5'\n\
         \n  $ {speedctl} backend list{endpoint}\n\
         \n  $ {speedctl} backend update default/backend1 --max-conn 2{endpoint}\n\
         \n  $ curl -s http://127.0.0.1:{admin_port}/metrics\n\n\
         Ctrl-C ends it.\n",
        backends.join(", "),
    )?;
    io::stdout().flush()
}

/// How to start speedctl from here: the program beside this one, else through cargo when cargo started this.
fn speedctl() -> String {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name("speedctl")).filter(|path| path.exists());
    if let Some(path) = beside {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let path = path.strip_prefix(here).map(|short| PathBuf::from(".").join(short)).unwrap_or(path);
        return path.display().to_string();
    }
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(_) if cfg!(debug_assertions) => "cargo run -q --bin speedctl --".into(),
        Some(_) => "cargo run -q --release --bin speedctl --".into(),
        None => "speedctl".into(),
    }
}
