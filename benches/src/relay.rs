//! The floor: bytes from one socket to another, one upstream connection a client connection, nothing read.
//!
//! Whatever a proxy costs above this it spends on being a proxy. It keeps no pool, so with new
//! connections it is no floor at all: it opens an upstream connection for each of them.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use rustix::event::epoll::Event;
use rustix::fd::OwnedFd;
use rustix::net::{Shutdown, shutdown};

use crate::net::{self, EventFlags, Io, Poll};

const LISTENER: u64 = u64::MAX;

/// Relays connections on `listen` to `targets` by turns until killed; prints where it listens first.
pub(crate) fn run(listen: SocketAddr, targets: Vec<SocketAddr>) -> Result<()> {
    let (listener, bound) = net::listen(listen).with_context(|| format!("relay cannot listen on {listen}"))?;
    let poll = Poll::new()?;
    poll.add(&listener, LISTENER, EventFlags::IN)?;
    writeln!(io::stdout(), "{}", serde_json::json!({"ready": true, "listeners": {"main": bound.to_string()}}))?;
    Relay { poll, listener, targets, next: 0, pairs: Vec::new(), free: Vec::new(), scratch: vec![0; 64 * 1024] }.serve()
}

/// One end of a pair, and what travels towards it.
struct End {
    fd: OwnedFd,
    /// Bytes from the other end that did not fit into this one's send buffer.
    pending: Vec<u8>,
    /// The other end said it will send no more.
    finished: bool,
    interest: EventFlags,
}

impl End {
    fn new(fd: OwnedFd) -> Self {
        Self { fd, pending: Vec::new(), finished: false, interest: EventFlags::IN }
    }
}

struct Relay {
    poll: Poll,
    listener: OwnedFd,
    targets: Vec<SocketAddr>,
    next: usize,
    pairs: Vec<Option<[End; 2]>>,
    free: Vec<usize>,
    scratch: Vec<u8>,
}

impl Relay {
    fn serve(mut self) -> Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        loop {
            self.poll.wait(&mut events, None)?;
            for event in &events {
                let (token, flags) = (event.data.u64(), event.flags);
                if token == LISTENER {
                    self.accept()?;
                } else {
                    let pair = usize::try_from(token >> 1).unwrap_or(usize::MAX);
                    self.turn(pair, usize::from(token & 1 == 1), flags);
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        while let Some(client) = net::accept(&self.listener).context("relay: accept")? {
            let target = self.targets[self.next % self.targets.len()];
            self.next += 1;
            let Ok(upstream) = net::connect(target, None) else { continue };
            let pair = self.free.pop().unwrap_or_else(|| {
                self.pairs.push(None);
                self.pairs.len() - 1
            });
            self.poll.add(&client, token(pair, 0), EventFlags::IN)?;
            self.poll.add(&upstream, token(pair, 1), EventFlags::IN)?;
            self.pairs[pair] = Some([End::new(client), End::new(upstream)]);
        }
        Ok(())
    }

    /// One readiness of one end; an error at either closes both. An event for a pair that an earlier
    /// event of the same batch closed finds nothing.
    fn turn(&mut self, pair: usize, side: usize, flags: EventFlags) {
        let Some(mut ends) = self.pairs.get_mut(pair).and_then(Option::take) else { return };
        if self.step(pair, &mut ends, side, flags).unwrap_or(false) {
            self.pairs[pair] = Some(ends);
        } else {
            self.free.push(pair);
        }
    }

    fn step(&mut self, pair: usize, ends: &mut [End; 2], side: usize, flags: EventFlags) -> io::Result<bool> {
        let other = 1 - side;
        if flags.contains(EventFlags::ERR) {
            return Ok(false);
        }
        if flags.contains(EventFlags::OUT) {
            flush(&mut ends[side])?;
        }
        let readable = flags.intersects(EventFlags::IN | EventFlags::HUP);
        if readable && ends[other].pending.is_empty() && !ends[other].finished {
            match net::recv(&ends[side].fd, &mut self.scratch)? {
                Io::Moved(0) => ends[other].finished = true,
                Io::Moved(count) => forward(&mut ends[other], &self.scratch[..count])?,
                Io::Wait => {}
            }
            if ends[other].finished && ends[other].pending.is_empty() {
                // The peer may be gone already; then its own event ends the pair.
                let _ = shutdown(&ends[other].fd, Shutdown::Write);
            }
        }
        if ends.iter().all(|end| end.finished && end.pending.is_empty()) {
            return Ok(false);
        }
        for index in [side, other] {
            let wanted = wanted(&ends[index], &ends[1 - index]);
            if wanted != ends[index].interest {
                self.poll.modify(&ends[index].fd, token(pair, index), wanted)?;
                ends[index].interest = wanted;
            }
        }
        Ok(true)
    }
}

fn token(pair: usize, side: usize) -> u64 {
    ((pair as u64) << 1) | side as u64
}

/// Reads only while the other end takes; writes only while something waits.
fn wanted(end: &End, other: &End) -> EventFlags {
    let mut flags = EventFlags::empty();
    if other.pending.is_empty() && !other.finished {
        flags |= EventFlags::IN;
    }
    if !end.pending.is_empty() {
        flags |= EventFlags::OUT;
    }
    flags
}

fn forward(end: &mut End, bytes: &[u8]) -> io::Result<()> {
    match net::send(&end.fd, bytes)? {
        Io::Moved(count) => end.pending.extend_from_slice(&bytes[count..]),
        Io::Wait => end.pending.extend_from_slice(bytes),
    }
    Ok(())
}

fn flush(end: &mut End) -> io::Result<()> {
    if let Io::Moved(count) = net::send(&end.fd, &end.pending)? {
        end.pending.drain(..count);
    }
    if end.pending.is_empty() {
        end.pending = Vec::new();
        if end.finished {
            let _ = shutdown(&end.fd, Shutdown::Write);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// 8 MB each way through a peer that reads late: nothing lost, half-close passed on.
    #[test]
    fn relays_more_than_the_buffers_hold_and_keeps_half_close() {
        let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let to = target.local_addr().expect("bound");
        let (listener, address) = net::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("loopback");
        let poll = Poll::new().expect("epoll");
        poll.add(&listener, LISTENER, EventFlags::IN).expect("register");
        // The thread ends with the test process.
        std::thread::spawn(move || {
            let relay = Relay {
                poll,
                listener,
                targets: vec![to],
                next: 0,
                pairs: Vec::new(),
                free: Vec::new(),
                scratch: vec![0; 64 * 1024],
            };
            relay.serve().expect("relay runs until the process ends");
        });
        let echo = std::thread::spawn(move || {
            let (mut peer, _) = target.accept().expect("relay connects");
            let mut all = Vec::new();
            peer.read_to_end(&mut all).expect("ends by half-close");
            peer.write_all(&all).expect("client still reads");
        });
        let mut client = TcpStream::connect(address).expect("relay listens");
        let sent: Vec<u8> = (0..8_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
        client.write_all(&sent).expect("relay takes it all");
        client.shutdown(std::net::Shutdown::Write).expect("half-close");
        let mut back = Vec::new();
        client.read_to_end(&mut back).expect("echo ends");
        assert!(back == sent, "{} of {} bytes came back the same", back.len(), sent.len());
        echo.join().expect("echo thread");
    }
}
