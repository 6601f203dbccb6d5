//! One connection of the generator and how far its exchange got.

use std::io;
use std::net::SocketAddr;

use rustix::fd::OwnedFd;

use super::response::{Head, parse};
use crate::net::{self, EventFlags, Io, Poll};

/// A connection; the caller owns the slot it lives in.
pub(super) struct Conn {
    fd: OwnedFd,
    state: State,
    /// The start of a head that came in pieces; empty otherwise.
    head: Vec<u8>,
    /// The answer under way is the last one on this connection.
    last: bool,
    /// Exchanges finished on it: only a used connection may be closed under a request without it
    /// being an error.
    used: bool,
    interest: EventFlags,
    wanted: EventFlags,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing under way.
    Idle,
    /// The request is to be sent once the connection stands.
    Connecting { due: u64 },
    /// Sent; the head is to come.
    Head { due: u64 },
    /// So many bytes of body are to come.
    Body { due: u64, left: u64 },
    /// Answered; the other side is to close.
    Closing,
}

/// What became of the connection.
pub(super) enum Step {
    /// Keep it.
    Wait,
    /// Answered a request that was due then. `closed` = the other side has closed already; `last` =
    /// it said that it will.
    Done { due: u64, closed: bool, last: bool },
    /// Closed after its answer, as asked.
    Closed,
    /// An idle connection was closed by the other side.
    Lost,
    /// A used connection was closed before any byte of an answer: send again on a new one.
    Again { due: u64 },
    /// Anything else.
    Failed(String),
}

impl Conn {
    pub(super) fn open(target: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            fd: net::connect(target, None)?,
            state: State::Idle,
            head: Vec::new(),
            last: false,
            used: false,
            interest: EventFlags::empty(),
            wanted: EventFlags::IN | EventFlags::RDHUP,
        })
    }

    /// When the request under way was due.
    pub(super) fn since(&self) -> Option<u64> {
        match self.state {
            State::Idle | State::Closing => None,
            State::Connecting { due } | State::Head { due } | State::Body { due, .. } => Some(due),
        }
    }

    pub(super) fn await_close(&mut self) {
        self.state = State::Closing;
    }

    /// Tells epoll what is wanted, if that changed.
    pub(super) fn register(&mut self, poll: &Poll, token: u64) -> io::Result<()> {
        if self.interest.is_empty() {
            poll.add(&self.fd, token, self.wanted)?;
        } else if self.interest != self.wanted {
            poll.modify(&self.fd, token, self.wanted)?;
        }
        self.interest = self.wanted;
        Ok(())
    }

    /// Sends a request; on a connection that does not stand yet, when it does.
    pub(super) fn send(&mut self, request: &[u8], due: u64) -> Step {
        match net::send(&self.fd, request) {
            Ok(Io::Moved(count)) if count == request.len() => {
                self.state = State::Head { due };
                self.wanted = EventFlags::IN | EventFlags::RDHUP;
                Step::Wait
            }
            Ok(Io::Moved(_)) => Step::Failed("a request did not fit into the send buffer".to_owned()),
            Ok(Io::Wait) => {
                self.state = State::Connecting { due };
                self.wanted = EventFlags::OUT;
                Step::Wait
            }
            Err(_) if self.used => Step::Again { due },
            Err(error) => Step::Failed(format!("send: {error}")),
        }
    }

    /// Goes on after a readiness. `body` is the length the answer must have.
    pub(super) fn ready(&mut self, flags: EventFlags, request: &[u8], scratch: &mut [u8], body: u64) -> Step {
        match self.state {
            State::Idle => Step::Lost,
            State::Closing if flags.intersects(EventFlags::RDHUP | EventFlags::HUP) => Step::Closed,
            State::Closing => Step::Failed("bytes after the end of an answer".to_owned()),
            State::Connecting { due } => self.send(request, due),
            State::Head { due } => match net::recv(&self.fd, scratch) {
                Ok(Io::Moved(0)) | Err(_) if self.used && self.head.is_empty() => Step::Again { due },
                Ok(Io::Moved(0)) => Step::Failed("closed before an answer".to_owned()),
                Ok(Io::Moved(count)) => self.head(due, flags, &scratch[..count], body),
                Ok(Io::Wait) => Step::Wait,
                Err(error) => Step::Failed(format!("receive: {error}")),
            },
            State::Body { due, left } => match net::discard(&self.fd, scratch) {
                Ok(Io::Moved(0)) => Step::Failed(format!("closed with {left} bytes of body missing")),
                Ok(Io::Moved(count)) => self.body(due, flags, left, count as u64),
                Ok(Io::Wait) => Step::Wait,
                Err(error) => Step::Failed(format!("receive: {error}")),
            },
        }
    }

    fn head(&mut self, due: u64, flags: EventFlags, bytes: &[u8], body: u64) -> Step {
        let parsed = if self.head.is_empty() {
            parse(bytes)
        } else {
            self.head.extend_from_slice(bytes);
            parse(&self.head)
        };
        let available = if self.head.is_empty() { bytes.len() } else { self.head.len() };
        match parsed {
            Head::Partial => {
                if self.head.is_empty() {
                    self.head.extend_from_slice(bytes);
                }
                Step::Wait
            }
            Head::Whole { status: 200, length, content_length: Some(declared), close } if declared == body => {
                self.head.clear();
                self.last = close;
                self.body(due, flags, declared, (available - length) as u64)
            }
            Head::Whole { status, content_length, .. } => {
                Step::Failed(format!("status {status}, Content-Length {content_length:?}; expected 200 and {body}"))
            }
            Head::Bad => Step::Failed("not an HTTP/1.1 response".to_owned()),
        }
    }

    fn body(&mut self, due: u64, flags: EventFlags, left: u64, got: u64) -> Step {
        match left.checked_sub(got) {
            None => Step::Failed(format!("{} bytes after the end of an answer", got - left)),
            Some(0) => {
                self.state = State::Idle;
                self.used = true;
                Step::Done { due, closed: flags.intersects(EventFlags::RDHUP | EventFlags::HUP), last: self.last }
            }
            Some(left) => {
                self.state = State::Body { due, left };
                Step::Wait
            }
        }
    }
}
