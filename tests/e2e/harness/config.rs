//! A configuration file, written piece by piece. Every port is 0, so that tests never meet.

use std::fmt::Write;
use std::net::SocketAddr;

/// Lines of YAML under the keys of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    server: Vec<String>,
    backends: Vec<(String, String)>,
    upstreams: Vec<(String, String)>,
    routes: Vec<(String, String)>,
    management: Vec<String>,
    rest: Vec<String>,
}

impl Config {
    /// Two workers, loopback, no backends.
    pub fn new() -> Self {
        Self::default()
    }

    /// A proxy in front of one backend, `b1` of upstream `default`.
    pub fn one(backend: SocketAddr) -> Self {
        Self::new().backend("b1", backend)
    }

    /// A line under `server`.
    pub fn server(mut self, line: &str) -> Self {
        self.server.push(line.to_owned());
        self
    }

    /// A backend of upstream `default`.
    pub fn backend(self, id: &str, address: SocketAddr) -> Self {
        self.backend_with(id, address, "")
    }

    /// A backend of upstream `default` with more keys, as in `max_conn: 7, weight: 50`.
    pub fn backend_with(self, id: &str, address: SocketAddr, more: &str) -> Self {
        self.backend_of("default", id, address, more)
    }

    /// A backend of that upstream with more keys.
    pub fn backend_of(mut self, upstream: &str, id: &str, address: SocketAddr, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        let line = format!("{{id: {id}, host: {}, port: {}{comma}{more}}}", address.ip(), address.port());
        self.backends.push((upstream.to_owned(), line));
        self
    }

    /// A key of upstream `default`, as in `load_balancer: random`.
    pub fn upstream(self, line: &str) -> Self {
        self.upstream_of("default", line)
    }

    /// A key of that upstream.
    pub fn upstream_of(mut self, upstream: &str, line: &str) -> Self {
        self.upstreams.push((upstream.to_owned(), line.to_owned()));
        self
    }

    /// A key of that route.
    pub fn route(mut self, route: &str, line: &str) -> Self {
        self.routes.push((route.to_owned(), line.to_owned()));
        self
    }

    /// Top-level YAML instead of the default `grpc` section.
    pub fn grpc(mut self, yaml: &str) -> Self {
        self.management.push(yaml.to_owned());
        self
    }

    /// Top-level YAML.
    pub fn top(mut self, yaml: &str) -> Self {
        self.rest.push(yaml.to_owned());
        self
    }

    /// The text of the file.
    pub fn yaml(&self) -> String {
        let mut out = String::from("server:\n  host: 127.0.0.1\n  port: 0\n");
        if !self.server.iter().any(|line| line.starts_with("workers:")) {
            out.push_str("  workers: 2\n");
        }
        self.server.iter().for_each(|line| add(&mut out, 2, line));
        if self.management.is_empty() {
            out.push_str("grpc: {port: 0}\n");
        }
        self.management.iter().for_each(|line| add(&mut out, 0, line));
        out.push_str("admin: {port: 0}\n");
        section(&mut out, "backends", &self.backends, "- ");
        section(&mut out, "upstreams", &self.upstreams, "");
        section(&mut out, "routing", &self.routes, "");
        self.rest.iter().for_each(|line| add(&mut out, 0, line));
        out
    }
}

fn section(out: &mut String, name: &str, lines: &[(String, String)], mark: &str) {
    if lines.is_empty() {
        return;
    }
    add(out, 0, &format!("{name}:"));
    let mut groups: Vec<&str> = Vec::new();
    for (group, _) in lines {
        if !groups.contains(&group.as_str()) {
            groups.push(group);
        }
    }
    for group in groups {
        add(out, 2, &format!("{group}:"));
        for (_, line) in lines.iter().filter(|(name, _)| name == group) {
            add(out, 4, &format!("{mark}{line}"));
        }
    }
}

fn add(out: &mut String, indent: usize, text: &str) {
    for line in text.lines() {
        writeln!(out, "{:indent$}{line}", "").expect("writing to a string does not fail");
    }
}
