//! Connections to backends: opened on demand, kept while idle, owned by one worker.

pub(crate) mod connect;
pub(crate) mod pool;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

/// An open connection to a backend.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) socket: TcpStream,
    /// The addresses of the backend when it was opened: it is reused only while they are the same.
    pub(crate) addresses: Arc<[SocketAddr]>,
    /// Requests it has carried.
    pub(crate) uses: u32,
}
