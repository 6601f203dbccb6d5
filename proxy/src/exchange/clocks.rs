//! The clocks of an exchange: one deadline is armed at a time, the nearest that applies to what is waited for.

use super::Exchange;
use crate::reason::Reason;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// A connection to the backend: `timeouts.connect`.
    Connect,
    /// More of the request body: `server.read_timeout`.
    RequestBody,
    /// The response head: `timeouts.first_byte`, from the last request byte on.
    FirstByte,
    /// Any byte from the backend while the client is taking, or the backend taking bytes: `timeouts.idle`.
    Idle,
    /// The client taking bytes: `server.write_timeout`.
    ClientWrite,
}

/// Starts the clock now. `timeouts.total` ends the exchange whichever clock runs.
#[inline]
pub(crate) fn arm(exchange: &Exchange<'_>, clock: Clock) {
    let server = &exchange.view.snapshot.server;
    let timeouts = &exchange.route().timeouts;
    let wait = match clock {
        Clock::Connect => timeouts.connect,
        Clock::RequestBody => server.read_timeout,
        Clock::FirstByte => timeouts.first_byte,
        Clock::Idle => timeouts.idle,
        Clock::ClientWrite => server.write_timeout,
    };
    let own = exchange.worker.clock.after(wait);
    let deadline = exchange.total.map_or(own, |total| total.min(own));
    exchange.worker.table.arm(exchange.client.key, deadline);
}

/// Which reason it is that the armed deadline passed.
pub(crate) fn passed(exchange: &Exchange<'_>, clock: Clock) -> Reason {
    if exchange.total.is_some_and(|total| total <= exchange.worker.clock.cached()) {
        return Reason::TotalTimeout;
    }
    match clock {
        Clock::Connect => Reason::ConnectTimeout,
        Clock::RequestBody => Reason::RequestTimeout,
        Clock::FirstByte => Reason::FirstByteTimeout,
        Clock::Idle => Reason::IdleTimeout,
        Clock::ClientWrite => Reason::WriteTimeout,
    }
}
