//! A device that fails: the batch is refused and gone, the rest is there, and the next one finds a working store.

use redb::StorageBackend;

use super::super::medium::Guard;
use super::super::{Blame, Memory, StoreError};
use super::device::{Device, Fault};
use super::*;

/// A store with some content, and a model of it.
fn filled(dice: &mut fastrand::Rng) -> (Device, Disk<Device>, Memory) {
    let device = Device::seeded(dice.u64(..));
    let (mut store, mut model) = (opened(device.clone()), Memory::new(LIMITS));
    for clock in 0..5 {
        let batch = random_batch(dice, clock);
        store.commit(&batch).expect("room");
        model.commit(&batch).expect("room");
    }
    (device, store, model)
}

/// Enough to make the file grow.
fn large_batch(clock: u64) -> Batch {
    let mut batch = Batch::new();
    for number in 0..8 {
        batch.put(Table::Overlay, format!("large-{clock}-{number}"), vec![7; 200_000]);
    }
    batch.record(1_000 + clock, "large");
    batch
}

/// The same batch, with the failure at each of its calls in turn, and all that for several devices.
fn at_every_call(errno: i32, mut with: impl FnMut(&str, usize, &Device, &mut Disk<Device>, &Memory, &Batch) -> bool) {
    for seed in (0..6).map(|round| seed().wrapping_add(round)) {
        for after in 0.. {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (device, mut store, model) = filled(&mut dice);
            let batch = if errno == libc::ENOSPC { large_batch(0) } else { random_batch(&mut dice, 5) };
            let place = format!("call {after}, SPEEDMIMI_SEED={seed}");
            if !with(&place, after, &device, &mut store, &model, &batch) {
                assert!(after > 4, "a commit has more calls than {after}");
                break;
            }
        }
    }
}

#[test]
fn one_failed_call_refuses_the_batch_and_leaves_the_store() {
    for errno in [libc::EIO, libc::ENOSPC] {
        at_every_call(errno, |place, after, device, store, model, batch| {
            device.fail(Some(Fault { after, times: 1, errno }));
            let done = store.commit(batch);
            if !device.has_failed() {
                done.expect("nothing failed");
                return false;
            }
            let mut model = model.clone();
            if done.is_err() {
                let error = done.expect_err("a call failed");
                assert!(
                    matches!(&error, StoreError::Unusable { source, .. } if source.raw_os_error() == Some(errno)),
                    "{error}"
                );
                assert_eq!(Content::of(store), Content::of(&model), "{place}: the refused batch is gone");
            } else {
                // The call was one that the database can do without.
                model.commit(batch).expect("room");
            }
            for _ in 0..4 {
                let cut = opened(Device::holding(device.cut()));
                assert_eq!(Content::of(&cut), Content::of(&model), "{place}: and stays so after a power cut");
            }
            device.fail(None);
            let next = random_batch(&mut fastrand::Rng::with_seed(1), 6);
            store.commit(&next).expect("the device works again");
            model.commit(&next).expect("room");
            assert_eq!(Content::of(store), Content::of(&model), "{place}: the next batch");
            let cut = opened(Device::holding(device.cut()));
            assert_eq!(Content::of(&cut), Content::of(&model), "{place}: is durable");
            true
        });
    }
}

#[test]
fn a_device_that_goes_on_failing_refuses_until_it_works() {
    for errno in [libc::EIO, libc::ENOSPC, libc::EROFS] {
        at_every_call(errno, |place, after, device, store, model, batch| {
            device.fail(Some(Fault { after, times: usize::MAX, errno }));
            let done = store.commit(batch);
            if !device.has_failed() {
                done.expect("nothing failed");
                return false;
            }
            let mut model = model.clone();
            let (before, mut refused) = (Content::of(&model), model.clone());
            refused.commit(batch).expect("room");
            if done.is_ok() {
                model = refused.clone();
            }
            let other = random_batch(&mut fastrand::Rng::with_seed(2), 6);
            for _ in 0..3 {
                let error = store.commit(&other).expect_err("the device still fails");
                assert_eq!(error.blame(), Blame::Operator, "{error}");
                assert!(error.may_pass(), "{error}");
            }
            // Nobody could put the old state back, so the refused batch may survive a power cut or the end of the
            // process. It is whole or not there.
            for image in [device.cut(), device.cut(), device.disk()] {
                let found = Content::of(&opened(Device::holding(image)));
                assert!(found == before || found == Content::of(&refused), "{place}: half a batch: {found:?}");
            }
            device.fail(None);
            store.commit(&other).expect("the device works again");
            model.commit(&other).expect("room");
            assert_eq!(Content::of(store), Content::of(&model), "{place}: only what was acknowledged");
            let cut = opened(Device::holding(device.cut()));
            assert_eq!(Content::of(&cut), Content::of(&model), "{place}: is durable");
            true
        });
    }
}

#[test]
fn reads_work_again_once_the_device_does_without_a_commit_before() {
    for errno in [libc::EIO, libc::EROFS] {
        at_every_call(errno, |place, after, device, store, model, batch| {
            device.fail(Some(Fault { after, times: usize::MAX, errno }));
            let done = store.commit(batch);
            if !device.has_failed() {
                return false;
            }
            let mut model = model.clone();
            if done.is_ok() {
                model.commit(batch).expect("room");
            }
            device.fail(None);
            store.recover().unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(Content::of(store), Content::of(&model), "{place}: only what was acknowledged");
            true
        });
    }
}

#[test]
fn a_start_after_a_failed_sync_builds_on_what_the_disk_has() {
    // The process dies between the failed sync and the refusal: the cache still shows the batch, the disk has parts.
    at_every_call(libc::EIO, |place, after, device, store, model, batch| {
        device.fail(Some(Fault { after, times: usize::MAX, errno: libc::EIO }));
        let done = store.commit(batch);
        if !device.has_failed() {
            done.expect("nothing failed");
            return false;
        }
        device.fail(None);
        let mut refused = model.clone();
        refused.commit(batch).expect("room");
        let mut next = opened(device.clone());
        let found = Content::of(&next);
        assert!(found == Content::of(model) || found == Content::of(&refused), "{place}: {found:?}");
        let was_there = found == Content::of(&refused);
        next.commit(Batch::new().put(Table::Meta, "next", "1")).expect("it works again");
        drop(next);
        let after_cut = opened(Device::holding(device.cut()));
        let mut expected = if was_there { refused } else { model.clone() };
        expected.commit(Batch::new().put(Table::Meta, "next", "1")).expect("room");
        assert_eq!(Content::of(&after_cut), Content::of(&expected), "{place}");
        true
    });
}

#[test]
fn a_database_that_was_given_up_reaches_nothing() {
    let device = Device::default();
    let guard = Guard::new(device.clone());
    let handle = guard.handle();
    handle.write(0, b"before").expect("it is in use");
    guard.cut_off();
    handle.write(0, b"after!").expect_err("it was given up");
    handle.set_len(0).expect_err("it was given up");
    handle.sync_data().expect_err("it was given up");
    assert_eq!(device.cache(), b"before");
    guard.handle().write(0, b"after!").expect("this one is new");
    assert_eq!(device.cache(), b"after!");
}

#[test]
fn the_reason_is_in_words() {
    let words = [
        (libc::ENOSPC, "the disk is full"),
        (libc::EROFS, "read-only"),
        (libc::EACCES, "check owner and mode"),
        (libc::EIO, "see the kernel log"),
    ];
    for (errno, words) in words {
        let (device, mut store, _) = filled(&mut fastrand::Rng::with_seed(3));
        device.fail(Some(Fault { after: 1, times: usize::MAX, errno }));
        let error = store.commit(Batch::new().put(Table::Meta, "a", "b")).expect_err("it fails").to_string();
        assert!(error.starts_with(&format!("cannot write {PATH}: ")) && error.contains(words), "{error}");
    }
}

#[test]
fn damage_is_no_failure_of_the_system_and_never_a_panic() {
    let mut dice = fastrand::Rng::with_seed(seed());
    let (device, store, model) = filled(&mut dice);
    drop(store);
    let image = device.cache();
    let mut damaged = 0;
    for round in 0..300 {
        let mut image = image.clone();
        match round {
            0 => image.truncate(10),
            1 => image.truncate(5_000),
            2 => image.fill(0),
            3 => image[..9].fill(b'x'),
            // Most of the file is free pages, so the hits are aimed at its first part and the header.
            _ => {
                let end = if round % 3 == 0 { 512 } else { image.len() / 4 };
                for _ in 0..dice.usize(1..40) {
                    image[dice.usize(..end)] ^= dice.u8(1..);
                }
            }
        }
        match Disk::open(Device::holding(image), Path::new(PATH), LIMITS) {
            Ok(store) => assert_eq!(Content::of(&store), Content::of(&model), "round {round}: damage went unnoticed"),
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => damaged += 1,
            Err(other) => panic!("round {round}: {other}"),
        }
    }
    assert!(damaged > 50, "{damaged} of 300 were found damaged");
}
