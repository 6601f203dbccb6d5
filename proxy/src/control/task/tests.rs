//! Who waits for whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use speedmimi_model::{Change, Object};
use tokio::time::timeout;

use super::*;
use crate::control::Guard;

const PATIENCE: Duration = Duration::from_secs(20);
/// As many as the queue takes, and some that wait before it.
const READERS: usize = 2 * QUEUE;

/// A controller over so many backends that keeps nothing.
async fn start(backends: u16) -> Control {
    let config = Config::for_backends((81..81 + backends).map(|port| ("127.0.0.1".into(), port)));
    let lifecycle = Arc::new(Lifecycle::new());
    let setup = Setup { config, file: None, live: Arc::new(Live::new(1)), lifecycle, descriptors: 100_000 };
    let (controller, control) = Controller::prepare(setup).await.expect("nothing is stored");
    tokio::spawn(controller.run(Mailboxes(Vec::new())));
    control
}

async fn set(control: &Control, max_conn: i64) -> u64 {
    let change = Change::set(Object::backend("default", "127.0.0.1:81"), "max_conn", max_conn);
    let done = control.perform(change.into(), Guard { verb: "Test", ..Guard::default() }, None);
    timeout(PATIENCE, done).await.expect("it has its turn").expect("it is valid");
    control.view().store.revision()
}

#[tokio::test]
async fn changes_do_not_wait_for_everybody_who_looks() {
    let control = start(2).await;
    for n in 1..=50 {
        set(&control, n).await;
    }
    let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (control, over, seen) = (control.clone(), over.clone(), seen.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    assert!(!control.history(None, 1000).await.expect("it is kept").is_empty());
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while seen.load(Ordering::Relaxed) < READERS as u64 {
        tokio::task::yield_now().await;
    }
    for n in 1..=20 {
        assert_eq!(set(&control, 100 + n).await, 51 + n as u64);
    }
    let meanwhile = seen.load(Ordering::Relaxed);
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("it ends").expect("it found what it looked for");
    }
    assert!(meanwhile > READERS as u64, "they went on looking");
}

/// Heap allocations of the control thread for these many changes to one of so many backends.
fn allocations(backends: u16, changes: i64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    let control = runtime.block_on(async {
        let control = start(backends).await;
        set(&control, 1).await;
        control
    });
    let all = async {
        for n in 0..changes {
            set(&control, 100 + n).await;
        }
    };
    allocation_counter::measure(|| runtime.block_on(all)).count_total
}

#[test]
fn a_change_costs_what_it_touches_however_many_backends_there_are() {
    let (few, many) = (allocations(4, 40), allocations(1000, 40));
    println!("{few} among 4, {many} among 1000");
    assert!(many < few + few / 2, "{few} among 4, {many} among 1000");
}
