//! The proxy under test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use tempfile::TempDir;

use super::client::{self, Client};
use super::config::Config;
use super::management::Management;
use super::message::Response;
use super::metrics;
use super::process::{Process, SPEEDMIMI};
use super::wait::eventually;

/// `speedmimi run` on a configuration of the test's own.
pub struct Proxy {
    process: Process,
    dir: TempDir,
    ready: Ready,
}

/// What `--announce` says.
#[derive(Debug)]
struct Ready {
    listeners: HashMap<String, SocketAddr>,
    grpc: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(line).ok()?;
        if json.get("ready") != Some(&serde_json::Value::Bool(true)) {
            return None;
        }
        let address = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse().ok());
        let listeners = json.get("listeners")?.as_object()?;
        Some(Self {
            listeners: listeners.iter().filter_map(|(name, value)| Some((name.clone(), address(value)?))).collect(),
            grpc: json.get("grpc").and_then(address),
            admin: json.get("admin").and_then(address),
        })
    }
}

impl Proxy {
    /// Starts it and waits until it says that it is ready.
    #[track_caller]
    pub fn start(config: &Config) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder can be made"), &config.yaml())
    }

    /// Starts it in a folder that the test prepared, on this text.
    #[track_caller]
    pub fn start_in(dir: TempDir, yaml: &str) -> Self {
        std::fs::write(dir.path().join("config.yaml"), yaml).expect("the temporary folder can be written");
        Self::run_in(dir)
    }

    /// Starts it again where it ended, on the file as it is now.
    #[track_caller]
    pub fn restart(self) -> Self {
        let Self { process, dir, .. } = self;
        drop(process);
        Self::run_in(dir)
    }

    #[track_caller]
    fn run_in(dir: TempDir) -> Self {
        let file = dir.path().join("config.yaml");
        let mut command = Command::new(SPEEDMIMI);
        command.current_dir(dir.path()).args(["run", "-c"]).arg(&file).arg("--announce");
        let mut process = Process::start(&mut command);
        let ready = process.out_line("the ready line of --announce", Ready::parse);
        Self { process, dir, ready }
    }

    /// Where clients connect.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        *self.ready.listeners.get("main").unwrap_or_else(|| panic!("no listener main in {:?}", self.ready))
    }

    /// Where the gRPC management listens.
    #[track_caller]
    pub fn grpc_address(&self) -> SocketAddr {
        self.ready.grpc.unwrap_or_else(|| panic!("no grpc address in {:?}", self.ready))
    }

    /// Where the admin HTTP listens.
    #[track_caller]
    pub fn admin_address(&self) -> SocketAddr {
        self.ready.admin.unwrap_or_else(|| panic!("no admin address in {:?}", self.ready))
    }

    /// A new connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// One GET on a new connection.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        client::get(self.address(), target)
    }

    /// A client of the management API.
    #[track_caller]
    pub fn management(&self) -> Management {
        Management::connect(self.grpc_address())
    }

    /// One GET to the admin listener.
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        let address = self.admin_address();
        let mut client = Client::connect(address);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
        client.response()
    }

    /// The text of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let response = self.admin("/metrics");
        assert_eq!(response.status, 200, "{response:#?}");
        response.text()
    }

    /// Sum of the samples of a metric that have these labels; 0 when there are none.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metrics::sum(&self.metrics(), name, labels)
    }

    /// Waits until every slot is free and the ledger balances for each backend, and fails when it does not.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        let mut last = String::new();
        eventually("every slot is free", || {
            last = self.metrics();
            metrics::sum(&last, "speedmimi_backend_slots_used", &[]) == 0.0
        });
        let total = |name: &str| metrics::sum(&last, &format!("speedmimi_backend_{name}_total"), &[]);
        let (admitted, ended) = (total("admitted"), total("finished") + total("failed") + total("cancelled"));
        assert_eq!(admitted, ended, "admitted = finished + failed + cancelled\n{last}");
    }

    /// A file in the folder that paths in the configuration are relative to.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces the configuration file; nothing reads it yet.
    pub fn rewrite(&self, yaml: &str) {
        std::fs::write(self.path("config.yaml"), yaml).expect("the temporary folder can be written");
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Lines of the error log so far.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Waits for a line of the error log that contains this text.
    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        self.process.wait_log(text);
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.exited()
    }

    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.process.wait_exit()
    }
}
