//! What the script of a backend can do on one connection.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::backend::{Seen, Shared};
use super::flight::closed;
use super::wire::Wire;

/// How often a script that waits looks up.
const LOOK: Duration = Duration::from_millis(5);
/// No script waits longer than this for anything.
const LONGEST: Duration = Duration::from_secs(120);

/// Held shut by a test until scripts may go on.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One connection from the proxy.
pub struct Conn {
    number: u64,
    wire: Wire,
    handle: Arc<TcpStream>,
    shared: Arc<Shared>,
}

impl Conn {
    pub fn new(number: u64, mut wire: Wire, handle: Arc<TcpStream>, shared: Arc<Shared>) -> Self {
        // An idle pooled connection waits for its next request until the proxy closes it.
        wire.set_patience(LONGEST);
        Self { number, wire, handle, shared }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The next head; `None` when the proxy closed. The request counts as going on from here.
    pub fn read_head(&mut self) -> io::Result<Option<Seen>> {
        let Some(raw) = self.wire.head()? else { return Ok(None) };
        self.shared.flight.begin(self.number, &self.handle);
        let seen = Seen::from_head(raw, self.number);
        self.shared.record(seen.clone());
        Ok(Some(seen))
    }

    /// The request with its body; records it instead of the head alone.
    pub fn read_body(&mut self, head: &Seen) -> io::Result<Seen> {
        let mut whole = head.clone();
        if head.fields.has_token("transfer-encoding", "chunked") {
            (whole.body, whole.trailers) = self.wire.chunked()?;
        } else if let Some(length) = head.fields.get("content-length") {
            let length = length.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            whole.body = self.wire.exact(length)?;
        } else {
            return Ok(whole);
        }
        self.shared.complete(&whole);
        Ok(whole)
    }

    /// Writes bytes of an answer that goes on.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write(bytes.as_ref())
    }

    /// Writes the end of an answer.
    pub fn write_last(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.done();
        self.wire.write(bytes.as_ref())
    }

    /// A whole answer with a length; `fields` are lines that each end in CRLF.
    pub fn respond(&mut self, status: &str, fields: &str, body: impl AsRef<[u8]>) -> io::Result<()> {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.write_last(bytes)
    }

    /// The request is over for this backend.
    pub fn done(&self) {
        self.shared.flight.end(self.number);
    }

    /// Takes its time over a request; false when the proxy closed meanwhile.
    pub fn work(&self, time: Duration) -> bool {
        let alive = !closed(&self.handle, time);
        if !alive {
            self.shared.flight.gone(self.number);
        }
        alive
    }

    /// Waits until the gate opens; false when the proxy closed first.
    pub fn wait(&self, gate: &Gate) -> bool {
        let deadline = Instant::now() + LONGEST;
        while !gate.is_open() {
            if self.shared.stopping.load(Ordering::Relaxed) || Instant::now() > deadline || !self.work(LOOK) {
                return false;
            }
        }
        true
    }

    /// Does nothing until the proxy closes.
    pub fn hang(&self) {
        self.wait(&Gate::default());
    }

    /// Makes the coming close a reset.
    pub fn reset(&self) {
        super::client::reset(&self.handle);
        // The handle in the registry keeps the descriptor open; with linger 0 a shutdown cannot send a reset, so the
        // registry must let go before the script returns.
        self.shared.forget(self.number);
    }

    /// Sends FIN and goes on reading.
    pub fn finish(&self) -> io::Result<()> {
        self.handle.shutdown(Shutdown::Write)
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.shared.flight.gone(self.number);
    }
}
