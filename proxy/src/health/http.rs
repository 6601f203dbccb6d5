//! The little HTTP client of checks: one GET, the status, goodbye.

use speedmimi_http1::{Limits, Method, Parsed, ResponseHead, parse_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ProbeError;

/// Longest response head that is read, interim answers included.
const LONGEST_HEAD: usize = 16 * 1024;

/// Asks for a path and returns the status of the final answer. The body is not read.
pub(super) async fn ask(mut stream: TcpStream, path: &str, host: &str) -> Result<u16, ProbeError> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: speedmimi-health/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = ResponseHead::new();
    let mut buffer = Vec::with_capacity(1024);
    let mut start = 0;
    loop {
        if buffer.len() >= LONGEST_HEAD {
            return Err(ProbeError::TooLong(LONGEST_HEAD));
        }
        let mut room = (&mut stream).take((LONGEST_HEAD - buffer.len()) as u64);
        if room.read_buf(&mut buffer).await? == 0 {
            return Err(ProbeError::Closed);
        }
        while parse_response(&buffer[start..], Method::Get, &Limits::default(), &mut head)? == Parsed::Complete {
            if !head.is_interim() {
                return Ok(head.status);
            }
            start += head.len;
        }
    }
}
