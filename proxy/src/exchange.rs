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
use crate::reason::Reason;
use crate::snapshot::{RouteView, UpstreamView};
use crate::worker::Worker;
use crate::worker::view::View;
use admit::{Admission, Outcome};
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
    pub(crate) route: usize,
    pub(crate) request: Request,
    /// How far the request body has been taken.
    pub(crate) body: BodyScanner,
    pub(crate) figures: Figures,
    /// When `timeouts.total` ends, in microseconds of the worker's clock.
    pub(crate) total: Option<u64>,
    /// Backends that failed this request.
    pub(crate) tried: Vec<u64>,
    replays: u32,
}

impl Exchange<'_> {
    #[inline]
    pub(crate) fn route(&self) -> &RouteView {
        &self.view.snapshot.routes[self.route]
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

/// Carries one request from its head to the end of its response.
pub(crate) async fn run(client: &mut Client, mut request: Request) -> Then {
    let worker = client.worker.clone();
    let view = worker.view();
    let body = match request.separate(client) {
        Ok(body) => body,
        Err(reason) => return refuse_unrouted(client, request, BodyScanner::new(Framing::UntilClose), reason).await,
    };
    let route = match route::find(&worker, &view, &mut request) {
        Ok(route) => route,
        Err(reason) => return refuse_unrouted(client, request, body, reason).await,
    };
    worker.cells().active.add(1);
    worker.table.disarm(client.key);
    let total = view.snapshot.routes[route].timeouts.total.map(|total| worker.clock.after(total));
    let figures = Figures::new(&worker, &request);
    let mut exchange =
        Exchange { client, worker, view, route, request, body, figures, total, tried: Vec::new(), replays: 0 };
    let end = exchange.run().await;
    let then = match end {
        End::Done(then) => then,
        End::Refused(reason) => exchange.refuse(reason).await,
        End::Broken(reason) => {
            exchange.figures.reason = Some(reason);
            Then::Close
        }
    };
    record::finish(&mut exchange);
    exchange.worker.cells().active.sub(1);
    if let Some(block) = exchange.request.block.take() {
        exchange.worker.blocks.put(block);
    }
    then
}

impl Exchange<'_> {
    async fn run(&mut self) -> End {
        let limit = self.view.snapshot.server.body_limit;
        if limit > 0 && matches!(self.request.framing, Framing::Length(length) if length > limit) {
            return End::Refused(Reason::BodyTooLarge);
        }
        loop {
            let (admission, index) = match admit::admit(self) {
                Ok(admitted) => admitted,
                Err(reason) => return End::Refused(self.figures.last_failure.unwrap_or(reason)),
            };
            self.worker.table.uses(self.client.key, admission.backend().uid);
            self.figures.backend = Some(admission.backend().clone());
            self.figures.tries += 1;
            let (end, sent) = self.attempt(admission, index).await;
            self.worker.table.uses(self.client.key, 0);
            match end {
                // A fault of the backend before any answer: elsewhere, where that is safe.
                End::Refused(reason) if is_fault_of_the_backend(reason) && self.may_try_again(sent) => {
                    self.again(sent, reason);
                }
                end => return end,
            }
        }
    }

    fn again(&mut self, sent: Sent, reason: Reason) {
        if let Some(backend) = &self.figures.backend
            && !self.figures.reused
        {
            // A pooled connection that was closed says nothing about the backend: a fresh one to it may do.
            self.tried.push(backend.uid);
        }
        self.replays += u32::from(sent == Sent::Request);
        self.figures.last_failure = Some(reason);
        self.worker.cells().retries.add(1);
    }

    /// One try on one backend: a connection, then the exchange over it.
    async fn attempt(&mut self, mut admission: Admission, index: usize) -> (End, Sent) {
        let connection = match attempt::pooled(self, &admission, index) {
            Some(connection) => connection,
            None => match Box::pin(attempt::connect(self, &admission, index)).await {
                Ok(connection) => connection,
                Err(reason) => {
                    admission.outcome = Outcome::of(reason);
                    return (End::of(reason), Sent::Nothing);
                }
            },
        };
        let mut transfer = Transfer::new(connection, admission);
        let end = poll_fn(|context| transfer.poll(self, context)).await;
        let sent = transfer.sent();
        transfer.finish(self, end);
        (end, sent)
    }

    async fn refuse(&mut self, reason: Reason) -> Then {
        self.figures.reason = Some(reason);
        if matches!(reason, Reason::ClientClosed | Reason::WriteTimeout) {
            return Then::Close;
        }
        let (close, answer) = respond::for_request(self.client, &self.request, self.body, reason);
        self.figures.status = reason.status();
        self.figures.bytes_out += respond::send(self.client, &answer).await;
        if close { Then::Linger } else { Then::KeepAlive }
    }
}

async fn refuse_unrouted(client: &mut Client, mut request: Request, body: BodyScanner, reason: Reason) -> Then {
    let worker = client.worker.clone();
    let mut figures = Figures::new(&worker, &request);
    let (close, answer) = respond::for_request(client, &request, body, reason);
    figures.status = reason.status();
    figures.reason = Some(reason);
    figures.bytes_out = respond::send(client, &answer).await;
    record::unrouted(&worker, reason);
    record::log(&worker, &request, &figures, "", "");
    if let Some(block) = request.block.take() {
        worker.blocks.put(block);
    }
    if close { Then::Linger } else { Then::KeepAlive }
}

/// Faults after which another backend may do better. Clocks that passed are not among them: trying again would only
/// make the client wait longer.
fn is_fault_of_the_backend(reason: Reason) -> bool {
    matches!(reason, Reason::ConnectFailed | Reason::ConnectTimeout | Reason::UpstreamClosed)
}
