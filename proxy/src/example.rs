//! The example backend: something to put the proxy in front of, on a machine that has nothing else.
//!
//! It says who it is, echoes, waits, fails, streams and upgrades on demand. Every answer carries `X-Backend-Id`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

mod answers;
mod streams;

/// After the first signal, unfinished answers get this long.
const GRACE: Duration = Duration::from_secs(10);

/// Where to listen, and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address or name to bind.
    pub host: String,
    /// One server each; 0 takes any free port.
    pub ports: Vec<u16>,
    /// What it calls itself. Absent: `backend-PORT`. With several ports: `ID-PORT`.
    pub id: Option<String>,
}

impl Options {
    fn id(&self, port: u16) -> String {
        match &self.id {
            None => format!("backend-{port}"),
            Some(id) if self.ports.len() > 1 => format!("{id}-{port}"),
            Some(id) => id.clone(),
        }
    }
}

/// A bound server, not yet serving.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    id: String,
}

impl Bound {
    /// Binds one server; `id` is asked for its name once the port is known.
    pub async fn bind(host: &str, port: u16, id: impl FnOnce(u16) -> String) -> io::Result<Self> {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, id: id(address.port()) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` says true, then ends streams and finishes what it began.
    pub async fn serve(self, stop: watch::Receiver<bool>) -> io::Result<()> {
        let router = answers::router(self.id, self.address.port(), stop.clone());
        // Events leave one by one: waiting for more of them to fill a segment would delay each.
        let listener = self.listener.tap_io(|stream| {
            // Refused only for a connection that is gone already.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).with_graceful_shutdown(stopped(stop)).await
    }
}

/// Serves on every port until SIGTERM or SIGINT; a second signal, or ten seconds, ends it at once.
pub fn run(options: &Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (stop, stopping) = watch::channel(false);
        let mut servers = JoinSet::new();
        for &port in &options.ports {
            let server = Bound::bind(&options.host, port, |port| options.id(port)).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {}:{port}: {error}", options.host))
            })?;
            writeln!(io::stdout(), "{} listens on http://{}", server.id, server.address)?;
            servers.spawn(server.serve(stopping.clone()));
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        tokio::select! {
            _ = servers.join_all() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        Ok(())
    })
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: that is a stop too.
    let _ = stop.wait_for(|&stop| stop).await;
}

#[cfg(test)]
mod tests;
