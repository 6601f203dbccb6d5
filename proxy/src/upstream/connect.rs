//! Opening a connection to a backend.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::Upstream;

/// Connects to the first address that answers, beginning with number `first`. The caller owns the clock.
pub(crate) async fn connect(addresses: Arc<[SocketAddr]>, first: usize) -> io::Result<Upstream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for index in 0..addresses.len() {
        match TcpStream::connect(addresses[(first + index) % addresses.len()]).await {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(Upstream { socket, addresses, uses: 0 });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
