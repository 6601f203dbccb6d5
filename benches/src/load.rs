//! The load generator: one thread, one epoll, as few system calls as HTTP allows, so that it can share
//! a core with the origin and still not be the limit.

mod conn;
mod hold;
mod response;
mod schedule;
mod tally;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::epoll::Event;

use self::conn::{Conn, Step};
use self::schedule::Schedule;
use crate::net::{EventFlags, Poll};

pub(crate) use self::hold::{Held, Holder};
pub(crate) use self::tally::Tally;

/// How long requests still under way when a run ends may take.
const DRAIN: Duration = Duration::from_secs(10);
/// A run with more errors than this says nothing; it ends at once.
const MOST_ERRORS: u64 = 100;

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Every connection carries request after request.
    Keepalive,
    /// Every request has a connection of its own, `Connection: close`.
    New,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::New => "new",
        }
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// The next one as soon as the last one is answered: measures capacity.
    Closed,
    /// So many a second, whether or not earlier ones are answered: measures latency.
    Open(f64),
}

/// What a load is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) mode: Mode,
    /// Connections at most.
    pub(crate) connections: usize,
    /// Bytes of body asked for, and expected.
    pub(crate) body: usize,
}

/// A set of connections to one target. Runs may follow each other on the same connections.
pub(crate) struct Load {
    plan: Plan,
    request: Vec<u8>,
    poll: Poll,
    conns: Vec<Option<Conn>>,
    /// Slots without a request under way, in the order they became free.
    idle: VecDeque<usize>,
    scratch: Vec<u8>,
    epoch: Instant,
    tally: Tally,
    /// False while a run drains: completed requests start no new one.
    restart: bool,
}

impl Load {
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let close = if plan.mode == Mode::New { "Connection: close\r\n" } else { "" };
        let request = format!("GET /bytes/{} HTTP/1.1\r\nHost: bench.test\r\n{close}\r\n", plan.body).into_bytes();
        Ok(Self {
            request,
            poll: Poll::new()?,
            conns: (0..plan.connections).map(|_| None).collect(),
            idle: (0..plan.connections).collect(),
            scratch: vec![0; 256 * 1024],
            epoch: Instant::now(),
            tally: Tally::new(),
            restart: false,
            plan,
        })
    }

    /// Runs for `span`. A closed loop leaves its requests under way, so that the next run, or
    /// [`Load::drain`], takes them over; an open loop waits for all it sent.
    pub(crate) fn run(&mut self, span: Duration, pace: Pace) -> Result<Tally> {
        self.tally = Tally::new();
        let begin = self.now();
        let end = begin + nanos(span);
        match pace {
            Pace::Closed => self.closed(end)?,
            Pace::Open(rate) => {
                let mut schedule = Schedule::new(begin, end, rate);
                self.open(&mut schedule)?;
            }
        }
        self.tally.elapsed = Duration::from_nanos(self.now() - begin);
        Ok(std::mem::replace(&mut self.tally, Tally::new()))
    }

    /// A closed loop for `span` that starts and ends with nothing under way, so that every request
    /// counted is a whole one and none is left out.
    pub(crate) fn run_to_rest(&mut self, span: Duration) -> Result<Tally> {
        self.tally = Tally::new();
        let begin = self.now();
        self.closed(begin + nanos(span))?;
        self.drain()?;
        self.tally.elapsed = Duration::from_nanos(self.now() - begin);
        Ok(std::mem::replace(&mut self.tally, Tally::new()))
    }

    /// Waits until nothing is under way; after [`Load::run`], what it completes is counted nowhere.
    pub(crate) fn drain(&mut self) -> Result<()> {
        self.restart = false;
        let mut events = Vec::with_capacity(1024);
        let deadline = self.now() + nanos(DRAIN);
        while self.idle.len() < self.conns.len() {
            let now = self.now();
            if now >= deadline {
                bail!("{} requests were still unanswered after {DRAIN:?}", self.conns.len() - self.idle.len());
            }
            self.turn(&mut events, deadline - now)?;
        }
        Ok(())
    }

    fn closed(&mut self, end: u64) -> Result<()> {
        self.restart = true;
        let mut events = Vec::with_capacity(1024);
        let waiting = self.idle.len();
        for _ in 0..waiting {
            if let Some(slot) = self.idle.pop_front() {
                let now = self.now();
                self.start(slot, now)?;
            }
        }
        loop {
            let now = self.now();
            if now >= end {
                return Ok(());
            }
            self.turn(&mut events, end - now)?;
        }
    }

    fn open(&mut self, schedule: &mut Schedule) -> Result<()> {
        self.restart = false;
        let mut events = Vec::with_capacity(1024);
        let mut backlog: VecDeque<u64> = VecDeque::new();
        let deadline = schedule.end() + nanos(DRAIN);
        loop {
            let now = self.now();
            while let Some(due) = schedule.take(now) {
                backlog.push_back(due);
            }
            while !backlog.is_empty() && !self.idle.is_empty() {
                if let (Some(due), Some(slot)) = (backlog.pop_front(), self.idle.pop_front()) {
                    self.start(slot, due)?;
                }
            }
            let next = schedule.next();
            if next.is_none() && backlog.is_empty() && self.idle.len() == self.conns.len() {
                return Ok(());
            }
            if now >= deadline {
                self.give_up(&backlog, now);
                return Ok(());
            }
            self.turn(&mut events, next.unwrap_or(deadline).saturating_sub(now))?;
        }
    }

    /// Requests that never came back count with the time they have waited: leaving them out would
    /// make the worst contender look best.
    fn give_up(&mut self, backlog: &VecDeque<u64>, now: u64) {
        for due in backlog {
            self.tally.unanswered(now - due);
        }
        for conn in &mut self.conns {
            if let Some(due) = conn.take().and_then(|conn| conn.since()) {
                self.tally.unanswered(now.saturating_sub(due));
            }
        }
        self.idle = (0..self.conns.len()).collect();
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    fn turn(&mut self, events: &mut Vec<Event>, timeout: u64) -> Result<()> {
        self.poll.wait(events, Some(Duration::from_nanos(timeout)))?;
        for event in events.iter() {
            let slot = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            self.ready(slot, event.flags)?;
        }
        Ok(())
    }

    /// Sends the request due at `due` on a free slot, over a new connection if it holds none.
    fn start(&mut self, slot: usize, due: u64) -> Result<()> {
        let mut conn = match self.conns[slot].take() {
            Some(conn) => conn,
            None => Conn::open(self.plan.target)?,
        };
        let step = conn.send(&self.request, due);
        self.settle(slot, conn, step)
    }

    fn ready(&mut self, slot: usize, flags: EventFlags) -> Result<()> {
        let Some(mut conn) = self.conns[slot].take() else { return Ok(()) };
        let step = conn.ready(flags, &self.request, &mut self.scratch, self.plan.body as u64);
        self.settle(slot, conn, step)
    }

    fn settle(&mut self, slot: usize, mut conn: Conn, step: Step) -> Result<()> {
        match step {
            Step::Wait => {
                conn.register(&self.poll, slot as u64)?;
                self.conns[slot] = Some(conn);
            }
            Step::Done { due, closed, last } => {
                let now = self.now();
                self.tally.answered(now.saturating_sub(due));
                match self.plan.mode {
                    Mode::New if !closed => {
                        conn.await_close();
                        self.conns[slot] = Some(conn);
                        return Ok(());
                    }
                    Mode::Keepalive if !closed && !last => self.conns[slot] = Some(conn),
                    Mode::Keepalive => self.tally.reconnects += 1,
                    Mode::New => {}
                }
                self.freed(slot)?;
            }
            Step::Closed => self.freed(slot)?,
            Step::Lost => self.tally.reconnects += 1,
            Step::Again { due } => {
                self.tally.reconnects += 1;
                self.start(slot, due)?;
            }
            Step::Failed(why) => {
                self.tally.failed(why);
                if self.tally.errors > MOST_ERRORS {
                    bail!("more than {MOST_ERRORS} requests failed; the last one: {}", self.tally.why());
                }
                self.freed(slot)?;
            }
        }
        Ok(())
    }

    fn freed(&mut self, slot: usize) -> Result<()> {
        if self.restart {
            let now = self.now();
            self.start(slot, now)
        } else {
            self.idle.push_back(slot);
            Ok(())
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
