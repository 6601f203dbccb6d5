//! The life of one exchange: route → admit → attempt → relay → record, with one room that turns errors into answers.
//!
//! docs/life-of-a-request.md draws it.

use std::future::poll_fn;
use std::rc::Rc;

use speedmimi_http1::{BodyScanner, Framing};
use speedmimi_policy::{Attempted, Sent, may_try_again};

pub(crate) mod admit;
pub(crate) mod attempt;
pub(crate) mod clocks;
pub(crate) mod explain;
pub(crate) mod forwarded;
pub(crate) mod heads;
pub(crate) mod pending;
pub(crate) mod record;
pub(crate) mod relay;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod transfer;

use crate::downstream::h1::Client;
use crate::protocol::Protocol;
use crate::reason::Reason;
use crate::snapshot::{RouteView, UpstreamView};
use crate::worker::table::Begun;
use crate::worker::view::View;
use crate::worker::{Worker, streams};
use admit::Outcome;
use record::Figures;
use request::Request;
use transfer::{End, Transfer};

/// What becomes of the client connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request may come.
    KeepAlive,
    /// Close, but let the last answer arrive.
    Linger,
    /// Close at once.
    Close,
}

/// An exchange while it goes on.
pub(crate) struct Exchange<'c> {
    pub(crate) client: &'c mut Client,
    pub(crate) worker: Rc<Worker>,
    pub(crate) view: Rc<View>,
    /// Index of its route, or why it has none.
    pub(crate) route: Result<usize, Reason>,
    pub(crate) request: Request,
    /// How far the request body has been taken.
    pub(crate) body: BodyScanner,
    pub(crate) figures: Figures,
    /// When `timeouts.total` ends, in microseconds of the worker's clock.
    pub(crate) total: Option<u64>,
    /// Backends that failed this request.
    pub(crate) tried: Vec<u64>,
    replays: u32,
    /// The backend whose pooled connection failed this request last: the last resort.
    stale: Option<u64>,
    /// Pooled connections have failed this request: the next try opens its own.
    pub(crate) wants_fresh: bool,
}

impl Exchange<'_> {
    /// Its route. What has none is refused before anybody asks.
    #[inline]
    pub(crate) fn route(&self) -> &RouteView {
        &self.view.snapshot.routes[self.route.expect("only what has a route gets that far")]
    }

    #[inline]
    pub(crate) fn upstream(&self) -> &UpstreamView {
        &self.view.snapshot.upstreams[self.route().upstream]
    }

    fn may_try_again(&self, sent: Sent) -> bool {
        let attempted = Attempted {
            sent,
            idempotent: self.request.method.is_idempotent(),
            bodyless: self.request.framing == Framing::None,
            replays: self.replays,
        };
        may_try_again(&attempted)
    }
}

impl<'c> Exchange<'c> {
    /// Takes in a request whose head has just been parsed: its route, its figures, the beginning of its body. Plain
    /// code, so that nothing of it stays in the future of the connection.
    pub(crate) fn new(client: &'c mut Client, mut request: Request) -> Self {
        let worker = client.worker.clone();
        let view = worker.view();
        let (body, route) = match request.separate(client) {
            Ok(body) => (body, route::find(&worker, &view, &mut request)),
            Err(reason) => (BodyScanner::new(Framing::UntilClose), Err(reason)),
        };
        let mut total = None;
        if let Ok(route) = route {
            worker.cells().active.add(1);
            worker.table.begin(client.key, &begun(&request, &view, route));
            total = view.snapshot.routes[route].timeouts.total.map(|total| worker.clock.after(total));
        }
        let figures = Figures::new(&worker, &request);
        Self {
            client,
            worker,
            view,
            route,
            request,
            body,
            figures,
            total,
            tried: Vec::new(),
            replays: 0,
            stale: None,
            wants_fresh: false,
        }
    }

    /// Carries it to the end of its response.
    pub(crate) async fn carry(&mut self) -> Then {
        let end = match self.route {
            Ok(_) => self.run().await,
            Err(reason) => End::Refused(reason),
        };
        let then = match end {
            End::Done(then) => then,
            End::Refused(reason) => self.refuse(reason).await,
            End::Broken(reason) => {
                self.figures.reason = Some(reason);
                Then::Close
            }
        };
        record::finish(self);
        if self.route.is_ok() {
            self.worker.cells().active.sub(1);
            if let Some(line) = self.worker.table.end(self.client.key) {
                record::keep(&self.worker, line);
            }
        }
        if let Some(block) = self.request.block.take() {
            self.worker.blocks.put(block);
        }
        then
    }
}

fn begun(request: &Request, view: &View, route: usize) -> Begun {
    Begun {
        serial: request.serial,
        client: request.client,
        protocol: request.protocol,
        view: view.number,
        route: u32::try_from(route).unwrap_or(u32::MAX),
        received: request.block.as_ref().map_or(0, |block| block.len() as u64),
    }
}

impl Exchange<'_> {
    /// Lets whoever looks at exchanges know what was requested, while the head is still here.
    pub(crate) fn remember(&self) {
        if self.request.block.is_none() || self.worker.table.remembers(self.client.key) {
            return;
        }
        let mut line = record::memory(&self.worker);
        streams::request_line(self.request.head_bytes(), &mut line);
        record::keep(&self.worker, self.worker.table.remember(self.client.key, line));
    }

    /// The answer is an event stream, whether the client said that it takes one or not.
    #[cold]
    pub(crate) fn streams_events(&mut self) {
        self.request.protocol = Protocol::EventStream;
        self.worker.table.turned(self.client.key, Protocol::EventStream);
    }

    async fn run(&mut self) -> End {
        let limit = self.view.snapshot.server.body_limit;
        let declared = if let Framing::Length(length) = self.request.framing { length } else { 0 };
        if limit > 0 && declared.max(self.body.payload()) > limit {
            return End::Refused(Reason::BodyTooLarge);
        }
        loop {
            let (mut admission, index) = match admit::admit(self) {
                Ok(admitted) => admitted,
                Err(reason) => match self.stale.take() {
                    // Nobody else takes it: a fresh connection to the backend whose pooled one was closed may do.
                    Some(uid) => {
                        self.tried.retain(|tried| *tried != uid);
                        continue;
                    }
                    None => return End::Refused(self.figures.last_failure.unwrap_or(reason)),
                },
            };
            self.worker.table.uses(self.client.key, admission.backend().uid);
            self.figures.backend = Some(admission.backend().clone());
            self.figures.tries += 1;
            let connection = match attempt::pooled(self, &admission, index) {
                Some(connection) => connection,
                None => match Box::pin(attempt::connect(self, &admission, index)).await {
                    Ok(connection) => connection,
                    Err(reason) => {
                        admission.outcome = Outcome::of(reason);
                        drop(admission);
                        match self.settle(End::Refused(reason), Sent::Nothing) {
                            Some(end) => return end,
                            None => continue,
                        }
                    }
                },
            };
            let mut transfer = Transfer::new(connection, admission);
            let end = poll_fn(|context| transfer.poll(self, context)).await;
            let sent = transfer.sent();
            transfer.finish(self, end);
            if let Some(end) = self.settle(end, sent) {
                return end;
            }
        }
    }

    /// What an attempt came to; none where another is to be made.
    fn settle(&mut self, end: End, sent: Sent) -> Option<End> {
        self.worker.table.uses(self.client.key, 0);
        match end {
            // A fault of the backend before any answer: elsewhere, where that is safe.
            End::Refused(reason) if is_fault_of_the_backend(reason) && self.may_try_again(sent) => {
                self.again(sent, reason);
                None
            }
            end => Some(end),
        }
    }

    fn again(&mut self, sent: Sent, reason: Reason) {
        if let Some(backend) = &self.figures.backend {
            self.tried.push(backend.uid);
            // A pooled connection that was closed says little about the backend.
            self.stale = self.figures.reused.then_some(backend.uid);
        }
        self.wants_fresh |= self.figures.reused;
        self.replays += u32::from(sent == Sent::Request);
        self.figures.last_failure = Some(reason);
        self.worker.cells().retries.add(1);
    }

    async fn refuse(&mut self, reason: Reason) -> Then {
        self.figures.reason = Some(reason);
        if matches!(reason, Reason::ClientClosed | Reason::WriteTimeout) {
            return Then::Close;
        }
        let (close, answer) = respond::for_request(self.client, &self.request, self.body, reason);
        self.figures.status = reason.status();
        let sent = respond::send(self.client, &answer).await;
        self.figures.bytes_out += sent.bytes;
        if sent.cut {
            self.figures.reason = Some(Reason::Disconnected);
        }
        if !sent.whole {
            return Then::Close;
        }
        if close { Then::Linger } else { Then::KeepAlive }
    }
}

/// Faults after which another backend may do better. Clocks that passed are not among them: trying again would only
/// make the client wait longer.
fn is_fault_of_the_backend(reason: Reason) -> bool {
    matches!(reason, Reason::ConnectFailed | Reason::ConnectTimeout | Reason::UpstreamClosed)
}
