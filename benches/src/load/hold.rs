//! Connections opened to be held: silent streams, or keep-alive connections after one request.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::fd::OwnedFd;

use super::response::{Head, parse};
use crate::net::{self, EventFlags, Io, Poll};

/// Being opened at a time: idle memory is wanted, not the peak of a storm.
const WAVE: usize = 64;
/// Connections a source address: well within the ephemeral ports of one.
const PER_SOURCE: usize = 10_000;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// A response that has begun and stays silent.
    Stream,
    /// A connection between two requests.
    Keepalive,
}

impl Held {
    fn request(self) -> &'static [u8] {
        match self {
            Self::Stream => b"GET /sse HTTP/1.1\r\nHost: bench.test\r\nAccept: text/event-stream\r\n\r\n",
            Self::Keepalive => b"GET /bytes/100 HTTP/1.1\r\nHost: bench.test\r\n\r\n",
        }
    }

    /// Whether `bytes` is all that is to come for now.
    fn settled(self, bytes: &[u8]) -> Result<bool> {
        match parse(bytes) {
            Head::Partial => Ok(false),
            Head::Whole { status: 200, length, content_length, .. } => Ok(match self {
                Self::Stream => memchr::memmem::find(&bytes[length..], b"hello\n\n").is_some(),
                Self::Keepalive => content_length == Some((bytes.len() - length) as u64),
            }),
            Head::Whole { status, .. } => bail!("status {status} instead of 200"),
            Head::Bad => bail!("not an HTTP/1.1 response"),
        }
    }
}

/// Connections held open until dropped.
pub(crate) struct Holder {
    poll: Poll,
    conns: Vec<(OwnedFd, Vec<u8>, bool)>,
}

impl Holder {
    /// Opens `count` of them within `deadline`.
    pub(crate) fn open(target: SocketAddr, held: Held, count: usize, deadline: Duration) -> Result<Self> {
        let mut holder = Self { poll: Poll::new()?, conns: Vec::with_capacity(count) };
        let (until, mut settled) = (Instant::now() + deadline, 0);
        let mut events = Vec::with_capacity(256);
        let mut scratch = vec![0; 16 * 1024];
        while settled < count {
            while holder.conns.len() < count && holder.conns.len() - settled < WAVE {
                holder.dial(target).with_context(|| format!("connection {} of {count}", holder.conns.len()))?;
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                bail!("only {settled} of {count} connections stood after {deadline:?}");
            };
            holder.poll.wait(&mut events, Some(left))?;
            for event in &events {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                let done = holder
                    .advance(index, held, event.flags, &mut scratch)
                    .with_context(|| format!("connection {index} of {count}"))?;
                settled += usize::from(done);
            }
        }
        Ok(holder)
    }

    /// How many the other side has ended or written to since.
    pub(crate) fn lost(&self) -> Result<usize> {
        let mut events = Vec::with_capacity(self.conns.len().max(1));
        self.poll.wait(&mut events, Some(Duration::ZERO))?;
        Ok(events.len())
    }

    fn dial(&mut self, target: SocketAddr) -> Result<()> {
        let index = self.conns.len();
        let source = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(index / PER_SOURCE)?);
        let fd = net::connect(target, Some(source))?;
        self.poll.add(&fd, index as u64, EventFlags::OUT)?;
        self.conns.push((fd, Vec::new(), false));
        Ok(())
    }

    /// True when this event settled the connection.
    fn advance(&mut self, index: usize, held: Held, flags: EventFlags, scratch: &mut [u8]) -> Result<bool> {
        let (fd, answer, settled) = &mut self.conns[index];
        if *settled {
            bail!("ended or written to while it should rest");
        }
        if flags.contains(EventFlags::OUT) {
            match net::send(fd, held.request())? {
                Io::Moved(count) if count == held.request().len() => {
                    self.poll.modify(fd, index as u64, EventFlags::IN | EventFlags::RDHUP)?;
                }
                Io::Moved(_) => bail!("the request did not fit into the send buffer"),
                Io::Wait => {}
            }
            return Ok(false);
        }
        match net::recv(fd, scratch)? {
            Io::Moved(0) => bail!("closed before its answer"),
            Io::Moved(count) => answer.extend_from_slice(&scratch[..count]),
            Io::Wait => {}
        }
        *settled = held.settled(answer)?;
        if *settled {
            *answer = Vec::new();
        }
        Ok(*settled)
    }
}
