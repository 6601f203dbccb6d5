//! Choosing a backend and taking its slot, in one step: nothing is sent before the slot is held, and it is given
//! back exactly once, whatever ends the exchange.

use std::rc::Rc;

use speedmimi_policy::{Candidates, Refusal, Slot, hash_ip, honour_ejections};

use super::Exchange;
use crate::live::{BackendRef, Health};
use crate::reason::{Blame, Reason};
use crate::snapshot::{BackendView, UpstreamView};
use crate::worker::Worker;
use crate::worker::mailbox::explain::Obstacle;

/// Times that a slot may be lost to another worker between choosing and taking before the answer is "full".
const RACES: usize = 64;

/// A slot held on a backend. Dropping it books the outcome and frees the slot.
pub(crate) struct Admission {
    slot: Slot<BackendRef>,
    worker: Rc<Worker>,
    since: u64,
    /// How it is booked; cancelled until somebody knows better.
    pub(crate) outcome: Outcome,
}

/// How an exchange ended for the backend's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished,
    Failed,
    Cancelled,
}

impl Outcome {
    /// Where an exchange that ended for this reason is booked.
    pub(crate) fn of(reason: Reason) -> Self {
        match (reason, reason.row().blame) {
            (Reason::Disconnected, _) | (_, Blame::Client) => Self::Cancelled,
            (_, Blame::Backend | Blame::Proxy) => Self::Failed,
        }
    }
}

impl Admission {
    pub(crate) fn backend(&self) -> &BackendRef {
        self.slot.holder()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let cells = &self.slot.holder().cells[self.worker.index];
        match self.outcome {
            Outcome::Finished => cells.finished.add(1),
            Outcome::Failed => cells.failed.add(1),
            Outcome::Cancelled => cells.cancelled.add(1),
        }
        cells.duration.record(self.worker.clock.cached().saturating_sub(self.since));
    }
}

/// Takes a slot on the backend that the route's algorithm chooses. Returns its index in the upstream.
pub(crate) fn admit(exchange: &Exchange<'_>) -> Result<(Admission, usize), Reason> {
    let worker: &Rc<Worker> = &exchange.worker;
    let (route, upstream) = (exchange.route(), exchange.upstream());
    let algorithm = route.pickers.of(exchange.request.protocol);
    let candidates = Choice::new(upstream, &exchange.tried, worker.clock.cached_millis());
    let key = hash_ip(exchange.request.client);
    let picker = &mut *exchange.view.pickers[route.upstream][algorithm].borrow_mut();
    for _ in 0..RACES {
        let Some(index) = candidates.ask(|set| picker.pick(set, key)) else { break };
        let state = &upstream.backends[index].state;
        match Slot::acquire(state.clone()) {
            Ok(slot) => {
                let cells = &state.cells[worker.index];
                cells.admitted.add(1);
                let admission = Admission {
                    slot,
                    worker: worker.clone(),
                    since: worker.clock.cached(),
                    outcome: Outcome::Cancelled,
                };
                return Ok((admission, index));
            }
            Err((_, Refusal::Full | Refusal::Closed)) => {}
        }
    }
    Err(refusal(&candidates))
}

/// Whether passive marks count: they never empty an upstream and never take more than half of it out.
fn ejections_count(upstream: &UpstreamView, now: u64) -> bool {
    let usable = upstream.backends.iter().filter(|backend| is_usable(backend));
    let (mut total, mut ejected) = (0, 0);
    for backend in usable {
        total += 1;
        ejected += usize::from(backend.state.passive.is_ejected(now));
    }
    ejected > 0 && honour_ejections(total, ejected)
}

/// Enabled and not known to be down.
#[inline]
fn is_usable(backend: &BackendView) -> bool {
    !backend.state.slots.is_closed() && backend.state.health() == Health::Up && !backend.addresses.is_empty()
}

/// Why nobody was found.
pub(super) fn refusal(candidates: &Choice<'_>) -> Reason {
    let full = candidates.upstream.backends.iter().any(|backend| is_usable(backend) && !candidates.was_tried(backend));
    if full { Reason::ConnectionLimit } else { Reason::NoBackend }
}

/// The backends of an upstream as the algorithms see them.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    upstream: &'a UpstreamView,
    tried: &'a [u64],
    now: u64,
    /// Backends that connections failed to are left out.
    pub(super) honour: bool,
}

impl<'a> Choice<'a> {
    /// All of them, but for those that were tried already. `now`: milliseconds, see [`crate::live::Live::origin`].
    #[inline]
    pub(super) fn new(upstream: &'a UpstreamView, tried: &'a [u64], now: u64) -> Self {
        Self { upstream, tried, now, honour: ejections_count(upstream, now) }
    }

    /// Asks for one of them. Where nobody else is left, a backend that is only suspected is better than no answer.
    #[inline]
    pub(super) fn ask<T>(&self, mut ask: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        ask(self).or_else(|| {
            let suspects = Self { honour: false, ..*self };
            self.honour.then(|| ask(&suspects)).flatten()
        })
    }
    /// Why a backend may not be picked at this moment, but for having been tried.
    #[inline]
    pub(super) fn obstacle(&self, index: usize) -> Option<Obstacle> {
        let backend = &self.upstream.backends[index];
        let state = &backend.state;
        let slots = state.slots.view();
        if slots.closed {
            return Some(Obstacle::Disabled);
        }
        if !slots.has_room() {
            return Some(Obstacle::Full);
        }
        match state.health() {
            Health::Up => {}
            Health::Down => return Some(Obstacle::Down),
            Health::Unknown => return Some(Obstacle::Unknown),
        }
        if self.honour && state.passive.is_ejected(self.now) {
            return Some(Obstacle::Ejected);
        }
        backend.addresses.is_empty().then_some(Obstacle::NoAddress)
    }

    fn was_tried(&self, backend: &BackendView) -> bool {
        !self.tried.is_empty() && self.tried.contains(&backend.state.uid)
    }
}

impl Candidates for Choice<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.upstream.backends.len()
    }

    #[inline]
    fn available(&self, index: usize) -> bool {
        self.obstacle(index).is_none() && !self.was_tried(&self.upstream.backends[index])
    }

    #[inline]
    fn in_flight(&self, index: usize) -> u32 {
        self.upstream.backends[index].state.slots.in_flight()
    }

    #[inline]
    fn weight(&self, index: usize) -> u32 {
        self.upstream.backends[index].weight
    }

    #[inline]
    fn key(&self, index: usize) -> u64 {
        self.upstream.backends[index].key
    }

    #[inline]
    fn factor(&self, _: usize) -> f32 {
        // Reports do not steer yet: everybody is neutral.
        1.0
    }
}
