//! Reading HTTP/1 off a socket, with a deadline on every wait. Independent of the product's own parser on purpose.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::message::Fields;
use super::wait::PATIENCE;

/// A socket and what was read from it but not used.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    patience: Duration,
    meter: Option<Arc<AtomicU64>>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("nodelay can be set on a connected socket");
        Self { stream, buffer: Vec::new(), patience: PATIENCE, meter: None }
    }

    /// Adds every byte read to that counter.
    pub fn metered(mut self, meter: Arc<AtomicU64>) -> Self {
        self.meter = Some(meter);
        self
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How long a read may wait from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Bytes read and not used yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.patience))?;
        (&self.stream).write_all(bytes)
    }

    /// Says that nothing more will be written.
    pub fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// A head up to and with its empty line; `None` when the peer closed before its first byte.
    pub fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.take(end + 4)));
            }
            if !self.more(deadline)? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(self.cut("inside a head")) };
            }
        }
    }

    /// Exactly that many bytes.
    pub fn exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut deadline = Instant::now() + self.patience;
        let mut had = self.buffer.len();
        while self.buffer.len() < count {
            if !self.more(deadline)? {
                return Err(self.cut(&format!("after {} of {count} bytes", self.buffer.len())));
            }
            if self.buffer.len() > had {
                had = self.buffer.len();
                deadline = Instant::now() + self.patience;
            }
        }
        Ok(self.take(count))
    }

    /// One line, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.take(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more(deadline)? {
                return Err(self.cut("inside a line"));
            }
        }
    }

    /// The data of the next chunk; empty for the last one, whose trailers stay unread.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("not a chunk size: {line:?}")))?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let data = self.exact(size)?;
        match self.exact(2)?.as_slice() {
            b"\r\n" => Ok(data),
            other => Err(io::Error::new(ErrorKind::InvalidData, format!("{other:?} after a chunk"))),
        }
    }

    /// A chunked body and its trailers.
    pub fn chunked(&mut self) -> io::Result<(Vec<u8>, Fields)> {
        let mut body = Vec::new();
        loop {
            let data = self.chunk()?;
            if data.is_empty() {
                break;
            }
            body.extend_from_slice(&data);
        }
        let mut trailers = Fields::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((body, trailers));
            }
            trailers.push_line(&line);
        }
    }

    /// Everything until the peer closes politely.
    pub fn until_end(&mut self) -> io::Result<Vec<u8>> {
        let mut deadline = Instant::now() + self.patience;
        while self.more(deadline)? {
            deadline = Instant::now() + self.patience;
        }
        let all = self.buffer.len();
        Ok(self.take(all))
    }

    /// At least one byte, or nothing when the peer closed.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.more(Instant::now() + self.patience)?;
        }
        let all = self.buffer.len();
        Ok(self.take(all))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn more(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.late());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut block = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut block) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&block[..count]);
                    if let Some(meter) = &self.meter {
                        meter.fetch_add(count as u64, Ordering::Relaxed);
                    }
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(self.late());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn late(&self) -> io::Error {
        io::Error::new(ErrorKind::TimedOut, format!("nothing for {:?} after {}", self.patience, self.shown()))
    }

    fn cut(&self, place: &str) -> io::Error {
        io::Error::new(ErrorKind::UnexpectedEof, format!("closed {place}, after {}", self.shown()))
    }

    fn shown(&self) -> String {
        let end = self.buffer.len().min(400);
        format!("{:?}", String::from_utf8_lossy(&self.buffer[..end]))
    }
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
