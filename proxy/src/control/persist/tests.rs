//! The store against a model, against power cuts, and against a device that fails.

use std::path::Path;

use super::disk::Disk;
use super::medium::Medium;
use super::{Batch, Limits, Storage, Table};

mod crash;
mod device;
mod directory;
mod failure;
mod model;
mod place;
mod schema;
mod unwritable;

/// Small, so that a test meets them.
const LIMITS: Limits = Limits {
    answers: 40,
    answer_bytes: 20_000,
    age: std::time::Duration::from_secs(60),
    history: 20,
    history_bytes: 30_000,
};

/// For messages.
const PATH: &str = "/state/state.redb";

fn opened<M: Medium>(medium: M) -> Disk<M> {
    Disk::open(medium, Path::new(PATH), LIMITS).expect("a medium that works")
}

/// What `SPEEDMIMI_SEED` says, or always the same.
fn seed() -> u64 {
    std::env::var("SPEEDMIMI_SEED").ok().map_or(7, |seed| seed.parse().expect("SPEEDMIMI_SEED is a u64"))
}

type Entries = Vec<(String, Vec<u8>)>;

/// Everything that can be read from a store.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    entries: Vec<(Table, Entries)>,
    answers: Vec<(String, Vec<u8>)>,
    stored_answers: u64,
    history: Vec<(u64, Vec<u8>)>,
}

/// Requests that [`random_batch`] remembers.
const REQUESTS: u32 = 120;

impl Content {
    fn of(storage: &dyn Storage) -> Self {
        let answer = |number| {
            let request_id = format!("request-{number}");
            let answer = storage.answer(&request_id, 0).expect("readable")?;
            Some((request_id, answer))
        };
        Self {
            entries: Table::ALL.map(|table| (table, storage.entries(table).expect("readable"))).to_vec(),
            answers: (0..REQUESTS).filter_map(answer).collect(),
            stored_answers: storage.answers().expect("readable"),
            history: storage.history(None, usize::MAX).expect("readable"),
        }
    }
}

/// A batch such as mutations make, sometimes a large one. `clock` is the number of batches before it.
fn random_batch(dice: &mut fastrand::Rng, clock: u64) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..dice.usize(1..6) {
        let table = Table::ALL[dice.usize(..Table::ALL.len())];
        let key = format!("default/b{}", dice.u8(..30));
        let length = if dice.u8(..10) == 0 { dice.usize(..20_000) } else { dice.usize(..200) };
        let value = vec![dice.u8(..); length];
        let at = clock * 1_000 + dice.u64(..1_000);
        match dice.u8(..20) {
            0 => batch.clear(table),
            1..4 => batch.delete(table, key),
            4..10 => batch.put(table, key, value),
            10..15 => batch.record(clock + 1, value),
            _ => batch.remember(format!("request-{}", dice.u32(..REQUESTS)), at, value),
        };
    }
    // A state that two batches have in common could hide that one of them is lost.
    batch.put(Table::Meta, "clock", clock.to_string());
    batch
}
