//! One look at a backend.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::{Check, Kind, http};

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The name has no address yet.
    #[error("its name is not resolved")]
    NoAddress,
    /// No address accepted a connection.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    /// It closed before the end of the response head.
    #[error("it closed before it answered")]
    Closed,
    /// What it answered is not HTTP/1.
    #[error("its answer is not HTTP: {0}")]
    Protocol(#[from] speedmimi_http1::ResponseError),
    /// The head of its answer is too long.
    #[error("the head of its answer is longer than {0} bytes")]
    TooLong(usize),
    /// A status that is not expected.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The check's time is over.
    #[error("no answer in time")]
    Timeout,
}

/// Probes once, within the check's timeout.
pub(super) async fn probe(check: &Check, addresses: &[SocketAddr]) -> Result<(), ProbeError> {
    let work = async {
        let stream = connect(addresses).await?;
        match &check.kind {
            Kind::Tcp => Ok(()),
            Kind::Http { path, host, expect } => {
                let status = http::ask(stream, path, host).await?;
                if expect.contains(status) { Ok(()) } else { Err(ProbeError::Status(status)) }
            }
        }
    };
    tokio::time::timeout(check.timeout, work).await.unwrap_or(Err(ProbeError::Timeout))
}

/// Connects to the first address that accepts, as exchanges do.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, ProbeError> {
    let mut last = ProbeError::NoAddress;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = ProbeError::Connect(error),
        }
    }
    Err(last)
}
