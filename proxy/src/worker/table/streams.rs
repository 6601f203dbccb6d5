//! What the table knows of the exchanges that its connections carry: enough to list them and to end one, kept in plain
//! cells beside the deadline, so that neither costs an exchange more than a few stores.

use std::net::IpAddr;

use super::{ASKED, CUT, EVICTED, Entry, Key, NEVER, Table};
use crate::protocol::Protocol;

/// An exchange that begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    /// Its number in this worker, never 0 and never used again.
    pub(crate) serial: u64,
    /// Who asks.
    pub(crate) client: IpAddr,
    /// What it is.
    pub(crate) protocol: Protocol,
    /// Number of the view that it keeps.
    pub(crate) view: u32,
    /// Index of its route in that view.
    pub(crate) route: u32,
    /// Bytes that are here already.
    pub(crate) received: u64,
}

/// What a connection carries.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Number of the exchange; 0 is none.
    pub(crate) serial: u64,
    client: Option<IpAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) view: u32,
    pub(crate) route: u32,
    /// When it began, in microseconds of the worker's clock.
    pub(crate) started: u64,
    /// When a byte went either way last.
    pub(crate) moved: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// `METHOD PATH`, once the head is gone or somebody has asked; empty before.
    pub(crate) line: Vec<u8>,
}

impl Carried {
    /// Who asks; none where nothing is carried.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

/// An exchange as a look at the table meets it.
#[derive(Debug)]
pub(crate) struct Met<'a> {
    pub(crate) key: Key,
    /// Uid of the backend in use; 0 is none.
    pub(crate) backend: u64,
    pub(crate) carried: &'a Carried,
}

impl Table {
    /// An exchange begins, at the moment that its phase was entered. No deadline yet.
    #[inline]
    pub(crate) fn begin(&self, key: Key, begun: &Begun) {
        let inner = &mut *self.0.borrow_mut();
        inner.deadlines[key.0 as usize] = NEVER;
        let entry = &mut inner.entries[key.0 as usize];
        let carried = &mut entry.carried;
        carried.serial = begun.serial;
        carried.client = Some(begun.client);
        carried.protocol = begun.protocol;
        carried.view = begun.view;
        carried.route = begun.route;
        carried.started = entry.since;
        carried.moved = entry.since;
        carried.received = begun.received;
        carried.sent = 0;
    }

    /// It turned out to be something else.
    pub(crate) fn turned(&self, key: Key, protocol: Protocol) {
        self.0.borrow_mut().entries[key.0 as usize].carried.protocol = protocol;
    }

    /// Bytes have moved: so many in all.
    #[inline]
    pub(crate) fn moved(&self, key: Key, received: u64, sent: u64, now: u64) {
        let carried = &mut self.0.borrow_mut().entries[key.0 as usize].carried;
        carried.received = received;
        carried.sent = sent;
        carried.moved = now;
    }

    /// Remembers what was requested; returns the memory of what stood there.
    pub(crate) fn remember(&self, key: Key, line: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.0.borrow_mut().entries[key.0 as usize].carried.line, line)
    }

    /// Whether it is remembered what was requested.
    pub(crate) fn remembers(&self, key: Key) -> bool {
        !self.0.borrow().entries[key.0 as usize].carried.line.is_empty()
    }

    /// The exchange is over: signals meant for it are forgotten. Returns the memory of its line, if it had one.
    #[inline]
    pub(crate) fn end(&self, key: Key) -> Option<Vec<u8>> {
        let entry = &mut self.0.borrow_mut().entries[key.0 as usize];
        entry.carried.serial = 0;
        entry.signals &= !(CUT | ASKED);
        (entry.carried.line.capacity() > 0).then(|| std::mem::take(&mut entry.carried.line))
    }

    /// Looks at every exchange.
    pub(crate) fn look(&self, mut at: impl FnMut(Met<'_>)) {
        for (entry, index) in self.0.borrow().entries.iter().zip(0u32..) {
            if let Some(carried) = entry.carries() {
                at(Met { key: Key(index), backend: entry.backend, carried });
            }
        }
    }

    /// Looks at one exchange, if it is still going on.
    pub(crate) fn look_at<T>(&self, key: Key, serial: u64, at: impl FnOnce(Met<'_>) -> T) -> Option<T> {
        let inner = self.0.borrow();
        let entry = inner.entries.get(key.0 as usize)?;
        let carried = entry.carries().filter(|carried| carried.serial == serial)?;
        Some(at(Met { key, backend: entry.backend, carried }))
    }

    /// Cuts one exchange, if it is still going on.
    pub(crate) fn kill(&self, key: Key, serial: u64) -> bool {
        self.signal_exchange(key, serial, CUT)
    }

    /// Asks one exchange what was requested, unless that is known; false when there is nothing to wait for.
    pub(crate) fn ask(&self, key: Key, serial: u64) -> bool {
        let unknown = self.look_at(key, serial, |met| met.carried.line.is_empty()).unwrap_or_default();
        unknown && self.signal_exchange(key, serial, ASKED)
    }

    /// Whether an exchange that was asked has not heard it yet.
    pub(crate) fn is_asked(&self, key: Key, serial: u64) -> bool {
        let inner = self.0.borrow();
        let entry = inner.entries.get(key.0 as usize);
        entry.is_some_and(|entry| entry.carried.serial == serial && entry.signals & ASKED != 0)
    }

    fn signal_exchange(&self, key: Key, serial: u64, bit: u8) -> bool {
        let inner = &mut *self.0.borrow_mut();
        let entry = inner.entries.get_mut(key.0 as usize);
        let Some(entry) = entry.filter(|entry| entry.carried.serial == serial) else { return false };
        entry.signal(bit);
        true
    }
}

impl Entry {
    fn carries(&self) -> Option<&Carried> {
        (self.open && self.carried.serial != 0).then_some(&self.carried)
    }
}

const _: () = assert!(EVICTED & (CUT | ASKED) == 0, "an eviction outlives the exchange");

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::super::{Phase, Signal};
    use super::*;

    fn begun(serial: u64) -> Begun {
        let client = [192, 0, 2, 1].into();
        Begun { serial, client, protocol: Protocol::Http, view: 1, route: 2, received: 10 }
    }

    fn poll(table: &Table, key: Key) -> Option<Signal> {
        table.poll(key, &Context::from_waker(Waker::noop()))
    }

    fn serials(table: &Table) -> Vec<u64> {
        let mut serials = Vec::new();
        table.look(|met| serials.push(met.carried.serial));
        serials
    }

    #[test]
    fn only_exchanges_are_seen() {
        let table = Table::default();
        let (idle, busy) = (table.open(0), table.open(3));
        table.enter(busy, Phase::Busy, 5);
        table.begin(busy, &begun(7));
        assert_eq!(serials(&table), [7]);
        table.moved(busy, 20, 30, 8);
        let seen = table
            .look_at(busy, 7, |met| (met.carried.started, met.carried.moved, met.carried.received, met.carried.sent));
        assert_eq!(seen, Some((5, 8, 20, 30)));
        assert_eq!(table.end(busy), None, "nobody asked");
        assert!(serials(&table).is_empty());
        table.close(idle);
    }

    #[test]
    fn a_kill_names_one_exchange_and_never_the_next() {
        let table = Table::default();
        let key = table.open(0);
        table.begin(key, &begun(1));
        table.end(key);
        table.begin(key, &begun(2));
        assert!(!table.kill(key, 1), "that one has ended");
        assert_eq!(poll(&table, key), None);
        assert!(table.kill(key, 2));
        table.end(key);
        assert_eq!(poll(&table, key), None, "it ended by itself first: the next one is spared");
        table.begin(key, &begun(3));
        assert!(table.kill(key, 3));
        assert_eq!(poll(&table, key), Some(Signal::Cut));
        table.close(key);
        assert!(!table.kill(key, 3) && serials(&table).is_empty());
    }

    #[test]
    fn an_exchange_is_asked_once_and_its_line_is_kept_until_it_ends() {
        let table = Table::default();
        let key = table.open(0);
        table.begin(key, &begun(1));
        assert!(table.ask(key, 1) && table.is_asked(key, 1));
        assert_eq!(poll(&table, key), Some(Signal::Asked));
        assert!(!table.is_asked(key, 1));
        table.remember(key, b"GET /".to_vec());
        assert!(!table.ask(key, 1), "it is known");
        assert_eq!(table.end(key).as_deref(), Some(&b"GET /"[..]));
    }
}
