//! One attempt over one connection: the state that both directions share, and the order in which they get their turn.

use std::task::{Context, Poll};

use speedmimi_http1::{BodyScanner, Framing};
use speedmimi_policy::Sent;

use super::admit::{Admission, Outcome};
use super::clocks::{self, Clock};
use super::pending::Pending;
use super::{Exchange, Then, relay};
use crate::reason::Reason;
use crate::stream::tunnel::Tunnel;
use crate::upstream::{Upstream, pool};
use crate::worker::buffers::Block;
use crate::worker::table::Signal;

/// Reads of one connection before the others get a turn: at most 256 KiB in each direction.
const TURN: u32 = 4;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The response was delivered whole.
    Done(Then),
    /// No byte of an answer has reached the client: there is still a choice.
    Refused(Reason),
    /// The answer had begun and cannot be completed.
    Broken(Reason),
}

/// How far an attempt is.
pub(crate) enum Stage {
    /// Nothing has been written yet.
    Send,
    /// The response head is awaited.
    Head,
    /// The response body flows.
    Body,
    /// The connection was upgraded: bytes flow both ways until one side ends.
    Tunnel(Tunnel),
}

/// What has moved since the clock was looked at.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) from_client: bool,
    pub(crate) to_client: bool,
    pub(crate) upstream: bool,
}

/// What one turn of a direction came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something moved; there may be more.
    Moved,
    /// Both sides have to be waited for.
    Wait,
    /// It is over.
    End(End),
}

/// An attempt in progress.
pub(crate) struct Transfer {
    /// Closed before the slot is freed: the backend never sees one exchange more than it has slots.
    pub(crate) connection: Option<Upstream>,
    pub(crate) admission: Admission,
    pub(crate) stage: Stage,
    pub(crate) to_upstream: Pending,
    pub(crate) to_client: Pending,
    /// A response head of which only a part is here.
    pub(crate) head: Option<Block>,
    pub(crate) response: BodyScanner,
    pub(crate) moved: Moved,
    /// When the last byte of the request was written, for the time to the first byte of the answer.
    pub(crate) sent_at: u64,
    clock: Option<Clock>,
    /// The client connection ends with this exchange.
    pub(crate) close: bool,
    /// Chunks are taken apart for a client that does not know them.
    pub(crate) dechunk: bool,
    /// The connection can carry another request.
    pub(crate) reusable: bool,
    /// The backend stopped reading; its answer may still come.
    pub(crate) deaf: bool,
    /// Bytes of the request were written.
    pub(crate) sent: bool,
    /// Bytes of an answer were read.
    pub(crate) answered: bool,
}

impl Transfer {
    pub(crate) fn new(connection: Upstream, admission: Admission) -> Self {
        Self {
            connection: Some(connection),
            admission,
            stage: Stage::Send,
            to_upstream: Pending::default(),
            to_client: Pending::default(),
            head: None,
            response: BodyScanner::new(Framing::None),
            moved: Moved::default(),
            sent_at: 0,
            clock: None,
            close: false,
            dechunk: false,
            reusable: true,
            deaf: false,
            sent: false,
            answered: false,
        }
    }

    /// How far the backend has been involved, which decides whether another may be asked.
    pub(crate) fn sent(&self) -> Sent {
        match (self.answered, self.sent) {
            (true, _) => Sent::Answer,
            (false, true) => Sent::Request,
            (false, false) => Sent::Nothing,
        }
    }

    pub(crate) fn poll(&mut self, exchange: &mut Exchange<'_>, context: &mut Context<'_>) -> Poll<End> {
        for turn in 0.. {
            match exchange.worker.table.poll(exchange.client.key, context) {
                Some(Signal::Expired) => {
                    let reason = clocks::passed(exchange, self.clock.unwrap_or(Clock::Idle));
                    return Poll::Ready(self.interrupted(exchange, reason, context));
                }
                Some(Signal::Cut) => return Poll::Ready(self.interrupted(exchange, Reason::Disconnected, context)),
                Some(Signal::Asked) => exchange.remember(),
                Some(Signal::Evicted) | None => {}
            }
            match relay::step(self, exchange, context) {
                Step::End(end) => return Poll::Ready(end),
                Step::Wait => break,
                Step::Moved if turn + 1 < TURN => {}
                Step::Moved => {
                    context.waker().wake_by_ref();
                    break;
                }
            }
        }
        self.wind_clock(exchange);
        Poll::Pending
    }

    /// Arms the clock of what is waited for now: anew when it is another one, or when what it watches has moved.
    fn wind_clock(&mut self, exchange: &Exchange<'_>) {
        let moved = std::mem::take(&mut self.moved);
        if moved.from_client || moved.to_client || moved.upstream {
            let (worker, figures) = (&exchange.worker, &exchange.figures);
            worker.table.moved(exchange.client.key, figures.bytes_in, figures.bytes_out, worker.clock.cached());
        }
        let clock = if !self.to_client.is_empty() {
            Clock::ClientWrite
        } else if !self.to_upstream.is_empty() {
            Clock::Idle
        } else {
            match self.stage {
                Stage::Send | Stage::Head if self.waits_for_body(exchange) => Clock::RequestBody,
                Stage::Send | Stage::Head if !self.answered => Clock::FirstByte,
                _ => Clock::Idle,
            }
        };
        let relevant = match clock {
            Clock::ClientWrite => moved.to_client,
            Clock::RequestBody => moved.from_client,
            Clock::Idle if matches!(self.stage, Stage::Tunnel(_)) => moved.upstream || moved.from_client,
            Clock::Idle => moved.upstream,
            Clock::FirstByte | Clock::Connect => false,
        };
        if relevant || self.clock != Some(clock) {
            self.clock = Some(clock);
            clocks::arm(exchange, clock);
        }
    }

    /// Whether it is the client's turn: not while it waits for the backend's `100 Continue`.
    fn waits_for_body(&self, exchange: &Exchange<'_>) -> bool {
        let invited =
            !exchange.request.expects_continue || exchange.body.payload() > 0 || exchange.figures.bytes_out > 0;
        !exchange.body.is_done() && !self.deaf && invited
    }

    /// A clock passed or an operator cut in.
    fn interrupted(&mut self, exchange: &mut Exchange<'_>, reason: Reason, context: &mut Context<'_>) -> End {
        match &mut self.stage {
            Stage::Send | Stage::Head if exchange.figures.bytes_out == 0 => End::Refused(reason),
            Stage::Send | Stage::Head | Stage::Body => End::Broken(reason),
            Stage::Tunnel(tunnel) => {
                let tunnel = tunnel.clone();
                tunnel.say_goodbye(self, exchange, context);
                End::Broken(reason)
            }
        }
    }

    /// Settles the accounts: the connection goes to the pool or is closed, then the slot is freed.
    pub(crate) fn finish(mut self, exchange: &mut Exchange<'_>, end: End) {
        let worker = &exchange.worker;
        let now = worker.clock.refresh();
        self.to_upstream.release(&worker.blocks);
        self.to_client.release(&worker.blocks);
        if let Some(block) = self.head.take() {
            worker.blocks.put(block);
        }
        self.admission.outcome = match end {
            End::Done(_) => Outcome::Finished,
            End::Refused(reason) | End::Broken(reason) => Outcome::of(reason),
        };
        if let End::Broken(_) = end
            && (self.dechunk || self.response.is_until_close())
        {
            // Only a reset tells such a client that the end is not the end.
            let _ = socket2::SockRef::from(&exchange.client.socket).set_linger(Some(std::time::Duration::ZERO));
        }
        let backend = self.admission.backend();
        let cells = &backend.cells[worker.index];
        if let Some(mut connection) = self.connection.take() {
            let rules = &exchange.upstream().pool;
            connection.uses += 1;
            let worn = rules.max_requests > 0 && connection.uses >= rules.max_requests;
            let whole = matches!(end, End::Done(_)) && exchange.body.is_done() && self.reusable && !self.deaf;
            if whole && !worn && !worker.is_draining() {
                let limit = pool::share(rules, worker.peers.len());
                worker.pools.put(backend.uid, connection, limit, now, cells);
            } else if !self.answered && exchange.figures.reused && matches!(end, End::Refused(Reason::UpstreamClosed)) {
                // One idle connection turned out to be closed: its neighbours are likely to be, too.
                worker.pools.clear(backend.uid, cells);
            }
        }
    }
}
