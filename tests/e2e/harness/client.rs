//! A client that sends exactly the bytes it is told to.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::message::Response;
use super::wait::PATIENCE;
use super::wire::Wire;

/// One connection to the proxy.
pub struct Client {
    wire: Wire,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the proxy listens on its address");
        Self::over(stream)
    }

    /// A client on a connection that was made already.
    pub fn over(stream: TcpStream) -> Self {
        Self { wire: Wire::new(stream) }
    }

    /// The address that this client speaks from.
    pub fn local(&self) -> SocketAddr {
        self.wire.stream().local_addr().expect("a connected socket has an address")
    }

    pub fn set_patience(&mut self, patience: Duration) {
        self.wire.set_patience(patience);
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write(bytes.as_ref()).expect("the proxy takes what is sent");
    }

    /// Sends what may be refused half way.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write(bytes.as_ref())
    }

    /// The next final response to a request that is not HEAD.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response("GET").unwrap_or_else(|error| panic!("no whole response: {error}"))
    }

    /// The next final response to a request with that method; an interim one is skipped.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let response = self.try_head()?;
            if response.status >= 200 || response.status == 101 {
                return self.body(method, response);
            }
        }
    }

    /// The next head, interim or final, without a body.
    #[track_caller]
    pub fn head(&mut self) -> Response {
        self.try_head().unwrap_or_else(|error| panic!("no head: {error}"))
    }

    pub fn try_head(&mut self) -> io::Result<Response> {
        let head = self.wire.head()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(Response::from_head(&head))
    }

    /// The body that belongs to a final head.
    pub fn body(&mut self, method: &str, mut response: Response) -> io::Result<Response> {
        if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        if response.fields.has_token("transfer-encoding", "chunked") {
            (response.body, response.trailers) = self.wire.chunked()?;
        } else if let Some(length) = response.fields.get("content-length") {
            let length = length.parse().unwrap_or_else(|_| panic!("Content-Length {length:?}"));
            response.body = self.wire.exact(length)?;
        } else {
            response.body = self.wire.until_end()?;
        }
        Ok(response)
    }

    /// GET on this connection, kept alive.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
        self.response()
    }

    /// The socket and what was read ahead, for protocols other than HTTP/1 messages.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub fn half_close(&mut self) {
        self.wire.finish().expect("a connected socket can be half closed");
    }

    /// Leaves with a reset instead of a polite end.
    pub fn reset(self) {
        reset(self.wire.stream());
    }

    /// Fails unless the proxy closes without sending anything more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more bytes before the close: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Whatever comes until the proxy closes, by FIN or reset.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        match self.wire.until_end() {
            Ok(rest) => rest,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.wire.pending().to_vec(),
            Err(error) => panic!("the proxy did not close: {error}"),
        }
    }
}

/// Makes the close of this socket a reset.
pub fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("linger can be set on a connected socket");
}

/// One request on a connection of its own.
#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Response {
    Client::connect(address).get(target)
}
