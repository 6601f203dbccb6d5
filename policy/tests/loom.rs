//! The interleavings of a few threads, and what each may see, on loom's model of memory. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p speedmimi-policy --test loom --release`; empty otherwise.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use speedmimi_policy::{Passive, Refusal, Shared, Slot, Slots};

/// How often a thread may be interrupted while it could go on. Musuvathi & Qadeer ("Iterative context bounding",
/// 2007) found that two find nearly every real bug; without a bound three threads take hours.
const PREEMPTIONS: usize = 3;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

fn shared(cap: u32) -> Shared<Slots> {
    Shared(Arc::new(Slots::new(cap, false)))
}

/// With cap 1 a slot is a lock: two holders at once, or a release that does not publish what was done under the
/// slot, would be a data race, and loom reports those.
#[test]
fn the_only_slot_has_one_holder_at_a_time() {
    check(|| {
        let slots = shared(1);
        let owned = Arc::new(UnsafeCell::new(()));
        let admitted = Arc::new(AtomicU32::new(0));
        let take = {
            let (slots, owned, admitted) = (slots.clone(), Arc::clone(&owned), Arc::clone(&admitted));
            move || {
                if let Ok(slot) = Slot::acquire(slots.clone()) {
                    owned.with_mut(|_| admitted.fetch_add(1, Ordering::Relaxed));
                    drop(slot);
                }
            }
        };
        let others = [thread::spawn(take.clone()), thread::spawn(take.clone())];
        take();
        for other in others {
            other.join().expect("takers do not panic");
        }
        assert!(admitted.load(Ordering::Relaxed) >= 1, "everybody was refused an empty backend");
        assert_eq!(slots.in_flight(), 0);
    });
}

/// Once `set_cap` has returned, nothing is admitted at or above the new cap, by whomever.
#[test]
fn a_lowered_cap_holds_from_the_moment_it_is_set() {
    check(|| {
        let slots = shared(2);
        let lowered = Arc::new(AtomicBool::new(false));
        let take = {
            let (slots, lowered) = (slots.clone(), Arc::clone(&lowered));
            move || {
                let was_lowered = lowered.load(Ordering::Acquire);
                match slots.try_acquire() {
                    Ok(count) => {
                        assert!(count <= if was_lowered { 1 } else { 2 }, "{count} admitted, lowered: {was_lowered}");
                        slots.release();
                    }
                    Err(refusal) => assert_eq!(refusal, Refusal::Full),
                }
            }
        };
        let others = [thread::spawn(take.clone()), thread::spawn(take.clone())];
        slots.set_cap(1);
        lowered.store(true, Ordering::Release);
        take();
        for other in others {
            other.join().expect("takers do not panic");
        }
        assert_eq!((slots.in_flight(), slots.cap()), (0, 1), "a change of cap lost a count, or the other way round");
    });
}

/// Once `set_closed(true)` has returned, nobody gets in.
#[test]
fn a_closed_gate_is_final() {
    check(|| {
        let slots = shared(0);
        let closed = Arc::new(AtomicBool::new(false));
        let take = {
            let (slots, closed) = (slots.clone(), Arc::clone(&closed));
            move || {
                let was_closed = closed.load(Ordering::Acquire);
                match Slot::acquire(slots.clone()) {
                    Ok(slot) => {
                        assert!(!was_closed, "admitted behind a closed gate");
                        drop(slot);
                    }
                    Err((_, refusal)) => assert_eq!(refusal, Refusal::Closed),
                }
            }
        };
        let others = [thread::spawn(take.clone()), thread::spawn(take)];
        slots.set_closed(true);
        closed.store(true, Ordering::Release);
        assert_eq!(slots.try_acquire(), Err(Refusal::Closed));
        for other in others {
            other.join().expect("takers do not panic");
        }
        assert_eq!((slots.in_flight(), slots.is_closed()), (0, true));
    });
}

/// Cap, gate and count changed at once from three threads: none overwrites another.
#[test]
fn changes_of_cap_gate_and_count_do_not_lose_each_other() {
    check(|| {
        let slots = shared(5);
        let slot = Slot::acquire(slots.clone()).expect("it is empty");
        let others = [
            thread::spawn({
                let slots = slots.clone();
                move || slots.set_cap(3)
            }),
            // A slot may end on another thread than it began on.
            thread::spawn(move || drop(slot)),
        ];
        slots.set_closed(true);
        for other in others {
            other.join().expect("none of them panics");
        }
        assert_eq!((slots.in_flight(), slots.cap(), slots.is_closed()), (0, 3, true));
    });
}

/// Failures that workers see at the same time make one ejection, of the first length.
#[test]
fn failures_at_once_eject_once() {
    check(|| {
        let passive = Arc::new(Passive::new(2));
        let fail = {
            let passive = Arc::clone(&passive);
            move || u32::from(passive.on_connect_failure(1, 0.0))
        };
        let others = [thread::spawn(fail.clone()), thread::spawn(fail.clone())];
        let mine = fail();
        let ejections: u32 = others.into_iter().map(|other| other.join().expect("it does not panic")).sum();
        assert_eq!(mine + ejections, 1);
        assert_eq!((passive.failures(), passive.until()), (2, 1_001));
    });
}

/// A success beside a failure comes before it or after it, never half.
#[test]
fn a_success_beside_a_failure_is_whole() {
    check(|| {
        let passive = Arc::new(Passive::new(1));
        let other = thread::spawn({
            let passive = Arc::clone(&passive);
            move || passive.on_connect_failure(1, 0.0)
        });
        passive.on_success();
        assert!(other.join().expect("it does not panic"), "the first failure ejects");
        assert!(matches!((passive.failures(), passive.until()), (0, 0) | (1, 1_001)));
    });
}
