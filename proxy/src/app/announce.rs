//! Saying where the process listens: once in the log, and once for programs.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};

use super::sockets::Grpc;
use crate::admin::Facts;
use crate::listen::Bound;

/// Every address bound, with real ports where 0 was asked for.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// The main listener.
    pub(super) main: SocketAddr,
    /// The gRPC face: `HOST:PORT` or `unix:PATH`; `None` when it is off.
    pub(super) grpc: Option<String>,
    /// The admin HTTP face; `None` when it is off.
    pub(super) admin: Option<SocketAddr>,
}

impl Ready {
    pub(super) fn new(main: &Bound, grpc: Option<&Grpc>, admin: Option<&(TcpListener, SocketAddr)>) -> Self {
        Self { main: main.address(), grpc: grpc.map(Grpc::address), admin: admin.map(|(_, address)| *address) }
    }

    /// What the management API tells of the process.
    pub(super) fn facts(&self, descriptors: u64) -> Facts {
        Facts {
            listeners: vec![("main".into(), self.main.to_string())],
            grpc: self.grpc.clone(),
            admin: self.admin.map(|address| address.to_string()),
            descriptors,
        }
    }

    /// One line for each address.
    pub(super) fn log(&self) {
        tracing::info!(listener = "main", address = %self.main, "listening");
        if let Some(address) = &self.grpc {
            tracing::info!(listener = "grpc", address, "listening");
        }
        if let Some(address) = self.admin {
            tracing::info!(listener = "admin", %address, "listening");
        }
    }

    /// One JSON line on standard output.
    pub(super) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.to_json())?;
        out.flush()
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "ready": true,
            "listeners": {"main": self.main.to_string()},
            "grpc": self.grpc,
            "admin": self.admin.map(|address| address.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_one_line() {
        let ready = Ready { main: ([127, 0, 0, 1], 8080).into(), grpc: Some("unix:/run/s".into()), admin: None };
        assert_eq!(
            ready.to_json().to_string(),
            r#"{"ready":true,"listeners":{"main":"127.0.0.1:8080"},"grpc":"unix:/run/s","admin":null}"#
        );
    }
}
