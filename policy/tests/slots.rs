//! Slots are exact: against a plain model one step at a time, and under threads that all want the last one.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use proptest::prelude::*;
use speedmimi_policy::{MAX_CAP, Refusal, Shared, Slot, Slots, SlotsView, effective_cap};

#[derive(Debug, Clone)]
enum Step {
    Acquire,
    Release,
    SetCap(u32),
    SetClosed(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Acquire),
        3 => Just(Step::Release),
        1 => prop_oneof![0_u32..6, Just(MAX_CAP), Just(u32::MAX)].prop_map(Step::SetCap),
        1 => any::<bool>().prop_map(Step::SetClosed),
    ]
}

proptest! {
    #![proptest_config(support::config())]

    #[test]
    fn every_step_does_what_the_model_says(cap in 0_u32..6, closed: bool, steps in prop::collection::vec(any_step(), 0..200)) {
        let slots = Slots::new(cap, closed);
        let mut model = SlotsView { in_flight: 0, cap, closed };
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Acquire => match Slot::acquire(&slots) {
                    Ok(slot) => {
                        prop_assert!(!model.closed && (model.cap == 0 || model.in_flight < model.cap));
                        model.in_flight += 1;
                        held.push(slot);
                    }
                    Err((_, Refusal::Closed)) => prop_assert!(model.closed),
                    Err((_, Refusal::Full)) => prop_assert!(!model.closed && model.in_flight >= model.cap.max(1)),
                },
                Step::Release => model.in_flight -= u32::from(held.pop().is_some()),
                Step::SetCap(cap) => {
                    slots.set_cap(cap);
                    model.cap = cap.min(MAX_CAP);
                }
                Step::SetClosed(closed) => {
                    slots.set_closed(closed);
                    model.closed = closed;
                }
            }
            prop_assert_eq!(slots.view(), model);
            prop_assert_eq!((slots.in_flight(), slots.cap(), slots.is_closed()), (model.in_flight, model.cap, model.closed));
            prop_assert_eq!(slots.has_room(), !model.closed && (model.cap == 0 || model.in_flight < model.cap));
        }
        drop(held);
        prop_assert_eq!(slots.in_flight(), 0);
    }

    #[test]
    fn the_effective_cap_is_the_smallest_layer_that_limits(layers in prop::collection::vec(-3_i64..10, 0..6)) {
        let cap = effective_cap(&layers);
        if cap == 0 {
            prop_assert!(layers.iter().all(|&layer| layer <= 0));
        } else {
            prop_assert!(layers.contains(&i64::from(cap)));
            prop_assert!(layers.iter().all(|&layer| layer <= 0 || layer >= i64::from(cap)));
        }
    }
}

#[test]
fn caps_beyond_31_bits_mean_the_greatest() {
    assert_eq!(effective_cap(&[i64::MAX]), MAX_CAP);
    assert_eq!(effective_cap(&[i64::MAX, 5, i64::MIN]), 5);
    let slots = Slots::new(u32::MAX, false);
    assert_eq!(slots.view(), SlotsView { in_flight: 0, cap: MAX_CAP, closed: false });
}

#[test]
fn acquire_and_release_tell_the_count() {
    let slots = Slots::new(2, false);
    assert_eq!(slots.try_acquire(), Ok(1));
    assert_eq!(slots.try_acquire(), Ok(2));
    assert_eq!(slots.try_acquire(), Err(Refusal::Full));
    slots.set_closed(true);
    assert_eq!(slots.try_acquire(), Err(Refusal::Closed), "the gate comes before the cap");
    assert_eq!(slots.release(), 1);
    assert_eq!(slots.release(), 0);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "released twice"))]
fn a_release_too_many_never_wraps() {
    let slots = Slots::new(3, false);
    assert_eq!(slots.release(), 0);
    assert_eq!(slots.view(), SlotsView { in_flight: 0, cap: 3, closed: false });
}

#[test]
fn a_slot_knows_its_holder_and_a_refusal_gives_it_back() {
    #[derive(Debug)]
    struct Backend {
        name: &'static str,
        slots: Slots,
    }
    impl AsRef<Slots> for Backend {
        fn as_ref(&self) -> &Slots {
            &self.slots
        }
    }
    let backend = Shared(Arc::new(Backend { name: "one", slots: Slots::new(1, false) }));
    let slot = Slot::acquire(backend.clone()).expect("it is empty");
    assert_eq!(slot.holder().name, "one");
    let (back, refusal) = Slot::acquire(backend).expect_err("it is full");
    assert_eq!((back.name, refusal), ("one", Refusal::Full));
    drop(slot);
    assert_eq!(back.slots.in_flight(), 0);
}

/// Eight threads take and drop slots while caps and gate change; each change is announced after it is in force and
/// withdrawn before it ends, so an acquire that saw the same announcement before and after lies inside it.
#[test]
fn nothing_is_admitted_above_the_cap_in_force_or_after_the_gate_closed() {
    const THREADS: usize = 8;
    const CHANGES: u32 = 300;
    const CLOSED: u32 = 99;

    let slots = Slots::new(7, false);
    let announced = AtomicU32::new(0);
    let over = AtomicBool::new(false);
    let inside = AtomicU32::new(0);
    let admitted = AtomicU32::new(0);
    let ready = Barrier::new(THREADS + 1);

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ready.wait();
                while !over.load(Ordering::Relaxed) {
                    let before = announced.load(Ordering::SeqCst);
                    let Ok(count) = slots.try_acquire() else {
                        thread::yield_now();
                        continue;
                    };
                    let after = announced.load(Ordering::SeqCst);
                    assert!(count <= 7, "{count} admitted, never more than 7 allowed");
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 7, "more inside than ever allowed");
                    if before == after && before != 0 {
                        // The low byte is what was in force, the rest says which time.
                        assert_ne!(before & 0xff, CLOSED, "admitted behind a closed gate");
                        assert!(
                            before & 0xff == 0 || count <= before & 0xff,
                            "{count} admitted at cap {}",
                            before & 0xff
                        );
                    }
                    admitted.fetch_add(1, Ordering::Relaxed);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    slots.release();
                }
            });
        }
        ready.wait();
        for change in 1..=CHANGES {
            let state = match change % 4 {
                0 => {
                    slots.set_closed(true);
                    CLOSED
                }
                step => {
                    let cap = [2, 1, 3][step as usize - 1];
                    slots.set_cap(cap);
                    cap
                }
            };
            announced.store(change << 8 | state, Ordering::SeqCst);
            let target = admitted.load(Ordering::Relaxed) + 5;
            while state != CLOSED && admitted.load(Ordering::Relaxed) < target {
                thread::yield_now();
            }
            announced.store(0, Ordering::SeqCst);
            slots.set_cap(7);
            slots.set_closed(false);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(admitted.load(Ordering::Relaxed) >= CHANGES, "hardly anything was tried");
    assert_eq!(slots.view(), SlotsView { in_flight: 0, cap: 7, closed: false });
}
