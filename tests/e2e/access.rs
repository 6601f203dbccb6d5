//! Who may do what: roles, upstreams, tokens, certificates, browsers, and the audit log.

mod audit;
mod bench;
mod bounds;
mod browsers;
mod files;
mod rights;
mod roles;
mod secrets;
mod trust;

use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Config, Ended, Proxy, SPEEDCTL, run, token_line, write_secret};

/// Every role with a token that is called like it; `limited` and `lord` reach upstream `owned` alone.
fn tokens() -> String {
    ["read", "report", "operate", "admin"]
        .map(|role| token_line(role, role, &format!("token-{role}"), ""))
        .into_iter()
        .chain([
            token_line("limited", "operate", "token-limited", "owned"),
            token_line("lord", "admin", "token-lord", "owned"),
        ])
        .collect()
}

/// A folder with `tokens` in it.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    write_secret(&dir.path().join("tokens"), &tokens());
    dir
}

/// Starts a proxy whose `grpc` and `admin` sections say this beside their ports.
fn start(dir: TempDir, config: &Config, grpc: &str, admin: &str) -> Proxy {
    Proxy::start_in(dir, &yaml(config, grpc, admin))
}

fn yaml(config: &Config, grpc: &str, admin: &str) -> String {
    let section =
        |name: &str, more: &str| format!("{name}: {{port: 0{}{more}}}", if more.is_empty() { "" } else { ", " });
    let text = config.clone().grpc(&section("grpc", grpc)).yaml();
    text.replace("admin: {port: 0}", &section("admin", admin))
}

/// speedctl with an endpoint and these arguments.
fn speedctl(endpoint: &str, args: &[&str]) -> Ended {
    run(Command::new(SPEEDCTL).args(["--endpoint", endpoint]).args(args))
}

/// Writes a token of the folder as `token`.
fn write_token(proxy: &Proxy, name: &str) {
    write_secret(&proxy.path("token"), &format!("token-{name}\n"));
}

/// Lines of the audit log so far.
fn audit(proxy: &Proxy) -> Vec<serde_json::Value> {
    let lines = proxy.log().into_iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}
