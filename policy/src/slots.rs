//! Exact slots: the right to one exchange on a backend.
//!
//! Count, cap and gate share one atomic word, so a slot is taken by a single compare-and-swap that has just seen
//! all three. Whatever other threads do meanwhile, nothing is admitted at or above the cap in force, and nothing
//! after [`Slots::set_closed`] returned.

use std::ops::Deref;

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicU64, Ordering};

/// The greatest cap that can be set (31 bits); higher ones mean this one.
pub const MAX_CAP: u32 = u32::MAX >> 1;

/// The slots of one backend, shared by all workers.
///
/// Layout of the word: bits 0..32 exchanges in flight, bits 32..63 cap (0 = unlimited), bit 63 closed.
/// It has a cache line of its own, because every request on every worker writes it.
#[derive(Debug)]
pub struct Slots {
    word: CachePadded<AtomicU64>,
}

impl Slots {
    /// Slots with nobody in them. `cap`: 0 = unlimited, else 1..=[`MAX_CAP`]. `closed`: admit nobody until opened.
    #[must_use]
    pub fn new(cap: u32, closed: bool) -> Self {
        let word = SlotsView { in_flight: 0, cap: cap.min(MAX_CAP), closed }.pack();
        Self { word: CachePadded::new(AtomicU64::new(word)) }
    }

    /// Takes a slot and tells how many are taken now, this one included. Prefer [`Slot::acquire`], which cannot
    /// forget to give it back.
    ///
    /// # Errors
    /// [`Refusal`] says whether the gate is closed or the cap is reached. Nothing was changed then.
    pub fn try_acquire(&self) -> Result<u32, Refusal> {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let view = SlotsView::unpack(seen);
            if view.closed {
                return Err(Refusal::Closed);
            }
            if view.is_full() {
                return Err(Refusal::Full);
            }
            // The count cannot carry into the cap: `is_full` is true at u32::MAX.
            match self.word.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(view.in_flight + 1),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives a slot back and tells how many are still taken.
    ///
    /// More releases than acquires is a bug of the caller: debug builds stop, release builds stay at zero instead
    /// of wrapping into the cap.
    pub fn release(&self) -> u32 {
        let before = self.change(|view| SlotsView { in_flight: view.in_flight.saturating_sub(1), ..view });
        debug_assert!(before.in_flight > 0, "a slot was released twice");
        before.in_flight.saturating_sub(1)
    }

    /// Changes the cap (0 = unlimited). Lowering cuts nobody: exchanges above the new cap finish, none is added
    /// until the count is below it.
    pub fn set_cap(&self, cap: u32) {
        self.change(|view| SlotsView { cap: cap.min(MAX_CAP), ..view });
    }

    /// Closes or opens the gate (disabled, draining, removed). Once `set_closed(true)` has returned, no acquire
    /// succeeds until it is opened again; exchanges inside stay.
    pub fn set_closed(&self, closed: bool) {
        self.change(|view| SlotsView { closed, ..view });
    }

    /// Exchanges in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.view().in_flight
    }

    /// The cap in force; 0 = unlimited.
    #[must_use]
    pub fn cap(&self) -> u32 {
        self.view().cap
    }

    /// Whether the gate is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.view().closed
    }

    /// Open and below the cap. A hint for picking: only [`Slots::try_acquire`] decides.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.view().has_room()
    }

    /// Count, cap and gate of one moment.
    #[must_use]
    pub fn view(&self) -> SlotsView {
        SlotsView::unpack(self.word.load(Ordering::Acquire))
    }

    /// Applies `to` to the word, whole or not at all, and returns what was there before.
    fn change(&self, to: impl Fn(SlotsView) -> SlotsView) -> SlotsView {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let before = SlotsView::unpack(seen);
            let after = to(before).pack();
            match self.word.compare_exchange_weak(seen, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return before,
                Err(now) => seen = now,
            }
        }
    }
}

impl AsRef<Slots> for Slots {
    fn as_ref(&self) -> &Slots {
        self
    }
}

/// What [`Slots`] hold at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotsView {
    /// Exchanges in flight.
    pub in_flight: u32,
    /// The cap in force, 0..=[`MAX_CAP`]; 0 = unlimited.
    pub cap: u32,
    /// Whether the gate is closed.
    pub closed: bool,
}

impl SlotsView {
    /// Open and below the cap.
    #[must_use]
    pub fn has_room(self) -> bool {
        !self.closed && !self.is_full()
    }

    fn is_full(self) -> bool {
        (self.cap != 0 && self.in_flight >= self.cap) || self.in_flight == u32::MAX
    }

    fn pack(self) -> u64 {
        u64::from(self.in_flight) | (u64::from(self.cap) << 32) | (u64::from(self.closed) << 63)
    }

    fn unpack(word: u64) -> Self {
        // The casts cut off on purpose: each takes its own bits.
        Self { in_flight: word as u32, cap: (word >> 32) as u32 & MAX_CAP, closed: word >> 63 == 1 }
    }
}

/// Why no slot was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The gate is closed: disabled, draining or removed.
    #[error("closed: the backend admits no exchange")]
    Closed,
    /// As many exchanges as the cap allows are in flight.
    #[error("full: the backend is at its connection limit")]
    Full,
}

/// A slot taken; dropping it gives it back, exactly once, whatever ends the exchange.
///
/// `H` is whatever keeps the [`Slots`] alive and must always name the same ones: `&Slots`, `Arc<Slots>`, or
/// [`Shared<T>`] around a larger backend state that has its slots inside.
#[derive(Debug)]
#[must_use = "dropping a slot gives it back at once"]
pub struct Slot<H: AsRef<Slots>> {
    holder: H,
}

impl<H: AsRef<Slots>> Slot<H> {
    /// Takes a slot.
    ///
    /// # Errors
    /// The holder comes back with the [`Refusal`].
    pub fn acquire(holder: H) -> Result<Self, (H, Refusal)> {
        match holder.as_ref().try_acquire() {
            Ok(_) => Ok(Self { holder }),
            Err(refusal) => Err((holder, refusal)),
        }
    }

    /// Whose slot it is.
    pub fn holder(&self) -> &H {
        &self.holder
    }
}

impl<H: AsRef<Slots>> Drop for Slot<H> {
    fn drop(&mut self) {
        self.holder.as_ref().release();
    }
}

/// An [`Arc`] that can hold a [`Slot`]: `Arc<T>` itself is `AsRef<T>` only, and foreign crates cannot add to it.
#[derive(Debug)]
pub struct Shared<T>(pub Arc<T>);

impl<T: AsRef<Slots>> AsRef<Slots> for Shared<T> {
    fn as_ref(&self) -> &Slots {
        T::as_ref(&self.0)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<Arc<T>> for Shared<T> {
    fn from(arc: Arc<T>) -> Self {
        Self(arc)
    }
}

/// The cap in force: the smallest of the layers that have one (`max_conn`, later slow start and memory).
///
/// A layer ≤ 0 has no limit; if none has, the answer is 0 = unlimited. Values above [`MAX_CAP`] mean it.
///
/// ```
/// use speedmimi_policy::effective_cap;
/// assert_eq!(effective_cap(&[200, 0, 50]), 50);
/// assert_eq!(effective_cap(&[0, -1]), 0);
/// ```
#[must_use]
pub fn effective_cap(layers: &[i64]) -> u32 {
    let smallest = layers.iter().copied().filter(|&cap| cap > 0).min().unwrap_or(0);
    u32::try_from(smallest).unwrap_or(MAX_CAP).min(MAX_CAP)
}
