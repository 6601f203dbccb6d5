//! The client connections of a worker: deadlines, signals and phases, in dense arrays.
//!
//! A deadline is one store; nothing is allocated or queued for it. Every tick looks through all deadlines, which are
//! eight bytes a connection side by side: ten thousand of them cost a few microseconds twenty times a second, less
//! than keeping a wheel in order would cost the requests (docs/decisions/0002).

use std::cell::RefCell;
use std::task::{Context, Waker};

mod streams;

pub(crate) use streams::{Begun, Carried, Met};

/// A connection's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

/// Why a waiting connection is woken, other than by its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The armed deadline passed.
    Expired,
    /// An operator cut the backend it is using.
    Cut,
    /// It must make room, or the worker is draining and it is idle.
    Evicted,
    /// Somebody looks at exchanges and wants to know what was requested.
    Asked,
}

/// What a connection is doing, as far as eviction cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests, not one byte of the next one here.
    Idle,
    /// A head is arriving, or the first one is awaited.
    Head,
    /// An exchange is going on.
    Busy,
}

const EXPIRED: u8 = 1;
const CUT: u8 = 2;
const EVICTED: u8 = 4;
const ASKED: u8 = 8;
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Entry {
    waker: Option<Waker>,
    since: u64,
    backend: u64,
    signals: u8,
    phase: Phase,
    open: bool,
    carried: Carried,
}

/// The table. All times are microseconds of the worker's clock.
#[derive(Debug, Default)]
pub(crate) struct Table(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    deadlines: Vec<u64>,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Table {
    pub(crate) fn open(&self, now: u64) -> Key {
        let inner = &mut *self.0.borrow_mut();
        let entry = Entry {
            waker: None,
            since: now,
            backend: 0,
            signals: 0,
            phase: Phase::Head,
            open: true,
            carried: Carried::default(),
        };
        match inner.free.pop() {
            Some(index) => {
                inner.entries[index as usize] = entry;
                inner.deadlines[index as usize] = NEVER;
                Key(index)
            }
            None => {
                let index = u32::try_from(inner.entries.len()).expect("descriptors run out before 2^32 connections");
                inner.entries.push(entry);
                inner.deadlines.push(NEVER);
                Key(index)
            }
        }
    }

    pub(crate) fn close(&self, key: Key) {
        let inner = &mut *self.0.borrow_mut();
        let entry = &mut inner.entries[key.0 as usize];
        entry.waker = None;
        entry.open = false;
        entry.carried = Carried::default();
        inner.deadlines[key.0 as usize] = NEVER;
        inner.free.push(key.0);
        if inner.free.len() == inner.entries.len() {
            // Nobody is here: give the memory of a burst back.
            *inner = Inner::default();
        }
    }

    /// Sets the deadline, replacing the one before.
    #[inline]
    pub(crate) fn arm(&self, key: Key, deadline: u64) {
        self.0.borrow_mut().deadlines[key.0 as usize] = deadline;
    }

    /// Enters a phase; signals meant for the one before are forgotten, but for a cut of the backend in use.
    #[inline]
    pub(crate) fn enter(&self, key: Key, phase: Phase, now: u64) {
        let entry = &mut self.0.borrow_mut().entries[key.0 as usize];
        entry.phase = phase;
        entry.since = now;
        entry.signals &= !EXPIRED;
    }

    /// The phase it is in.
    #[inline]
    pub(crate) fn phase(&self, key: Key) -> Phase {
        self.0.borrow().entries[key.0 as usize].phase
    }

    /// Names the backend in use, 0 for none, so that it can be cut.
    #[inline]
    pub(crate) fn uses(&self, key: Key, backend: u64) {
        let entry = &mut self.0.borrow_mut().entries[key.0 as usize];
        entry.backend = backend;
        entry.signals &= !CUT;
    }

    /// The next signal, if there is one; else whoever polls will be woken by the next.
    #[inline]
    pub(crate) fn poll(&self, key: Key, context: &Context<'_>) -> Option<Signal> {
        let entry = &mut self.0.borrow_mut().entries[key.0 as usize];
        if entry.signals == 0 {
            match &entry.waker {
                Some(waker) if waker.will_wake(context.waker()) => {}
                _ => entry.waker = Some(context.waker().clone()),
            }
            return None;
        }
        let order =
            [(CUT, Signal::Cut), (EVICTED, Signal::Evicted), (EXPIRED, Signal::Expired), (ASKED, Signal::Asked)];
        for (bit, signal) in order {
            if entry.signals & bit != 0 {
                entry.signals &= !bit;
                return Some(signal);
            }
        }
        None
    }

    /// Wakes every connection whose deadline has passed.
    pub(crate) fn tick(&self, now: u64) {
        let inner = &mut *self.0.borrow_mut();
        for (index, deadline) in inner.deadlines.iter_mut().enumerate() {
            if *deadline <= now {
                *deadline = NEVER;
                inner.entries[index].signal(EXPIRED);
            }
        }
    }

    /// Signals the exchanges on a backend; returns how many there are.
    pub(crate) fn cut(&self, backend: u64) -> usize {
        self.signal_where(CUT, |entry| entry.backend == backend)
    }

    /// How many exchanges use the backend.
    pub(crate) fn using(&self, backend: u64) -> usize {
        self.0.borrow().entries.iter().filter(|entry| entry.open && entry.backend == backend).count()
    }

    /// When the oldest exchange that uses the backend began.
    pub(crate) fn oldest(&self, backend: u64) -> Option<u64> {
        let inner = self.0.borrow();
        inner.entries.iter().filter(|entry| entry.open && entry.backend == backend).map(|entry| entry.since).min()
    }

    /// The worker drains: signals every idle connection, and those that have been silent for `grace` since they were
    /// opened. A head on its way takes no notice.
    pub(crate) fn evict_idle(&self, now: u64, grace: u64) -> usize {
        self.signal_where(EVICTED, |entry| match entry.phase {
            Phase::Idle => true,
            Phase::Head => now.saturating_sub(entry.since) > grace,
            Phase::Busy => false,
        })
    }

    /// Signals up to `most` connections to leave: the longest idle first; where nobody is idle, the slowest heads, but
    /// none that has had less than `grace` microseconds.
    pub(crate) fn evict(&self, most: usize, now: u64, grace: u64) -> usize {
        let inner = &mut *self.0.borrow_mut();
        let may_go = |phase: Phase, entry: &Entry| {
            entry.is(phase) && (phase == Phase::Idle || now.saturating_sub(entry.since) > grace)
        };
        let phase =
            [Phase::Idle, Phase::Head].into_iter().find(|phase| inner.entries.iter().any(|e| may_go(*phase, e)));
        let Some(phase) = phase else { return 0 };
        let mut candidates: Vec<(u64, u32)> = inner
            .entries
            .iter()
            .zip(0u32..)
            .filter(|(entry, _)| may_go(phase, entry))
            .map(|(entry, index)| (entry.since, index))
            .collect();
        if candidates.len() > most {
            candidates.select_nth_unstable(most);
            candidates.truncate(most);
        }
        for (_, index) in &candidates {
            inner.entries[*index as usize].signal(EVICTED);
        }
        candidates.len()
    }

    fn signal_where(&self, bit: u8, wanted: impl Fn(&Entry) -> bool) -> usize {
        let inner = &mut *self.0.borrow_mut();
        let chosen = inner.entries.iter_mut().filter(|entry| entry.open && wanted(entry));
        chosen.map(|entry| entry.signal(bit)).count()
    }
}

impl Entry {
    fn is(&self, phase: Phase) -> bool {
        self.open && self.phase == phase && self.signals & EVICTED == 0
    }

    fn signal(&mut self, bit: u8) {
        self.signals |= bit;
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(table: &Table, key: Key) -> Option<Signal> {
        table.poll(key, &Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_deadline_fires_once_and_not_early() {
        let table = Table::default();
        let key = table.open(0);
        table.arm(key, 100);
        table.tick(99);
        assert_eq!(poll(&table, key), None);
        table.tick(100);
        assert_eq!(poll(&table, key), Some(Signal::Expired));
        table.tick(1000);
        assert_eq!(poll(&table, key), None);
    }

    #[test]
    fn the_longest_idle_leave_first_and_heads_only_when_nobody_is_idle() {
        let table = Table::default();
        let keys: Vec<Key> = (0..4).map(|since| table.open(since)).collect();
        table.enter(keys[0], Phase::Busy, 0);
        table.enter(keys[1], Phase::Head, 1);
        table.enter(keys[2], Phase::Idle, 7);
        table.enter(keys[3], Phase::Idle, 5);
        assert_eq!(table.evict(1, 11, 10), 1);
        assert_eq!(poll(&table, keys[3]), Some(Signal::Evicted));
        assert_eq!(poll(&table, keys[2]), None);
        table.close(keys[3]);
        assert_eq!(table.evict(8, 11, 10), 1);
        table.close(keys[2]);
        assert_eq!(table.evict(8, 11, 10), 0, "a young head has its time");
        assert_eq!(table.evict(8, 12, 10), 1);
        assert_eq!(poll(&table, keys[1]), Some(Signal::Evicted));
        assert_eq!(poll(&table, keys[0]), None);
    }

    #[test]
    fn a_cut_reaches_only_users_of_the_backend() {
        let table = Table::default();
        let (one, two) = (table.open(0), table.open(0));
        table.uses(one, 7);
        table.uses(two, 8);
        assert_eq!(table.cut(7), 1);
        assert_eq!(poll(&table, one), Some(Signal::Cut));
        assert_eq!(poll(&table, two), None);
    }
}
