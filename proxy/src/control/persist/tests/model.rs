//! The store on a disk does what the one in memory does, and both do what is written.

use super::super::{Blame, Memory, StoreError};
use super::device::Device;
use super::*;

#[test]
fn disk_and_memory_are_the_same_store() {
    let mut dice = fastrand::Rng::with_seed(seed());
    let (mut disk, mut memory) = (opened(Device::default()), Memory::new(LIMITS));
    for clock in 0..300 {
        let batch = random_batch(&mut dice, clock);
        disk.commit(&batch).expect("room");
        memory.commit(&batch).expect("room");
        if clock % 10 == 9 {
            assert_eq!(Content::of(&disk), Content::of(&memory), "after batch {clock}, SPEEDMIMI_SEED={}", seed());
            let now = clock * 1_000;
            let before = dice.u64(..clock + 2);
            assert_eq!(disk.history(Some(before), 5).expect("read"), memory.history(Some(before), 5).expect("read"));
            for request in 0..REQUESTS {
                let request_id = format!("request-{request}");
                let answers = [&disk as &dyn Storage, &memory].map(|of| of.answer(&request_id, now).expect("read"));
                assert_eq!(answers[0], answers[1], "{request_id}");
            }
        }
    }
}

#[test]
fn answers_are_forgotten_by_age_and_by_number() {
    let mut disk = opened(Device::default());
    let mut batch = Batch::new();
    batch.remember("old", 1_000, "a").remember("young", 50_000, "b");
    disk.commit(&batch).expect("room");
    assert_eq!(disk.answer("old", 61_000).expect("read"), Some(b"a".to_vec()), "it is just young enough");
    assert_eq!(disk.answer("old", 61_001).expect("read"), None, "it is stored, but too old");
    assert_eq!(disk.answers().expect("read"), 2);
    disk.commit(Batch::new().remember("new", 61_001, "c")).expect("room");
    assert_eq!(disk.answers().expect("read"), 2, "the old one is gone");
    for number in 0..100 {
        disk.commit(Batch::new().remember(format!("many-{number}"), 61_002, "d")).expect("room");
    }
    assert_eq!(disk.answers().expect("read"), LIMITS.answers);
    assert_eq!(disk.answer("young", 61_002).expect("read"), None, "the oldest went first");
    assert_eq!(disk.answer("many-99", 61_002).expect("read"), Some(b"d".to_vec()));
}

#[test]
fn what_is_kept_is_bounded_in_bytes_too_and_the_oldest_goes_first() {
    let mut stores: [Box<dyn Storage>; 2] = [Box::new(opened(Device::default())), Box::new(Memory::new(LIMITS))];
    for store in &mut stores {
        for number in 0..30_u64 {
            let mut batch = Batch::new();
            batch.remember(format!("{number:04}"), number, vec![1; 996]).record(number, vec![2; 2_000]);
            store.commit(&batch).expect("room");
        }
        assert_eq!(store.answers().expect("read"), LIMITS.answer_bytes / 1_000);
        assert_eq!(store.answer("0009", 30).expect("read"), None, "the oldest go");
        assert!(store.answer("0010", 30).expect("read").is_some());
        let kept: Vec<u64> = store.history(None, 99).expect("read").into_iter().map(|(revision, _)| revision).collect();
        assert_eq!(kept, (15..30).rev().collect::<Vec<u64>>());
        let mut batch = Batch::new();
        batch.remember("large", 31, vec![3; 50_000]).record(31, vec![3; 50_000]);
        store.commit(&batch).expect("room");
        assert_eq!(store.answers().expect("read"), 1, "the newest is kept however long it is");
        assert_eq!(store.history(None, 99).expect("read").len(), 1);
        for number in 0..5 {
            store.commit(Batch::new().remember("again", 40 + number, vec![4; 15_000])).expect("room");
        }
        store.commit(Batch::new().remember("more", 50, vec![5; 4_000])).expect("room");
        assert_eq!(store.answers().expect("read"), 2, "one that is given again counts once");
    }
}

#[test]
fn so_much_is_kept() {
    const MIB: u64 = 1 << 20;
    let Limits { answers, answer_bytes, age, history, history_bytes } = Limits::default();
    assert_eq!((answers, answer_bytes, age.as_secs()), (100_000, 256 * MIB, 24 * 60 * 60));
    assert_eq!((history, history_bytes), (1_000, 128 * MIB));
    assert_eq!(Limits::in_memory(), Limits { answer_bytes: 64 * MIB, ..Limits::default() });
}

#[test]
fn an_answer_given_again_counts_once_and_from_then() {
    let mut disk = opened(Device::default());
    disk.commit(Batch::new().remember("a", 1_000, "first")).expect("room");
    disk.commit(Batch::new().remember("a", 50_000, "second")).expect("room");
    disk.commit(Batch::new().remember("b", 70_000, "other")).expect("room");
    assert_eq!(disk.answer("a", 70_000).expect("read"), Some(b"second".to_vec()));
    assert_eq!(disk.answers().expect("read"), 2);
}

#[test]
fn the_history_is_read_from_its_end_and_shortened_at_its_start() {
    let mut disk = opened(Device::default());
    for revision in 1..=30 {
        disk.commit(Batch::new().record(revision, format!("r{revision}"))).expect("room");
    }
    let revisions = |before, limit| -> Vec<u64> {
        disk.history(before, limit).expect("read").into_iter().map(|(revision, _)| revision).collect()
    };
    assert_eq!(revisions(None, 3), [30, 29, 28]);
    assert_eq!(revisions(Some(13), 10), [12, 11]);
    assert_eq!(disk.record(10).expect("read"), None);
    assert_eq!(disk.record(11).expect("read"), Some(b"r11".to_vec()));
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let mut batch = Batch::new();
    batch.put(Table::Meta, "small", "1").put(Table::Overlay, "large", vec![0; super::super::disk::MOST + 1]);
    let mut stores: [Box<dyn Storage>; 2] = [Box::new(opened(Device::default())), Box::new(Memory::new(LIMITS))];
    for store in &mut stores {
        let error = store.commit(&batch).expect_err("too large");
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
        assert_eq!(error.blame(), Blame::Client);
        assert_eq!(store.get(Table::Meta, "small").expect("read"), None);
    }
}
