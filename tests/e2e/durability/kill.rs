//! `kill -9` at random moments: what was acknowledged is there, and nothing is there by halves.
//!
//! `SPEEDMIMI_RUNS` sets the number of kills (10 unless set), `SPEEDMIMI_SEED` replays their moments.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use speedmimi_proto::v1::Backend;

use super::runs;
use crate::harness::{Config, Dice, Management, Proxy, named};

const CLIENTS: usize = 4;

/// Counts up a backend of its own until the proxy is gone: two fields at once, so that half a change shows. Gives the
/// last number and revision that were acknowledged.
fn count_up(management: &Management, id: &str, from: u32) -> (u32, u64) {
    let (mut number, mut revision) = (from, 0);
    loop {
        let next = number % 999 + 1;
        let change = Backend { id: id.into(), weight: Some(next), max_conn: Some(next as i32), ..Backend::default() };
        match management.update(change) {
            Ok(answer) => (number, revision) = (next, answer.revision),
            Err(_) => return (number, revision),
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dice = Dice::new();
    let backend = named("b");
    let ids: Vec<String> = (0..CLIENTS).map(|client| format!("b{client}")).collect();
    let with = |config: Config, id: &String| config.backend_with(id, backend.address(), "weight: 1, max_conn: 1");
    let config = ids.iter().fold(Config::new(), with).top("state: {dir: state}");
    let mut proxy = Proxy::start(&config);
    let mut numbers = vec![1; CLIENTS];
    let mut acknowledged = 0;
    for run in 0..runs(10) {
        let address = proxy.grpc_address();
        let clients: Vec<_> = ids
            .iter()
            .zip(&numbers)
            .map(|(id, &from)| {
                let (id, management) = (id.clone(), Management::connect(address));
                thread::spawn(move || count_up(&management, &id, from))
            })
            .collect();
        // sleep: the moment of the kill is by chance
        thread::sleep(Duration::from_micros(dice.between(0, 150_000)));
        proxy.signal(Signal::KILL);
        proxy.wait_exit();
        let ends: Vec<(u32, u64)> = clients.into_iter().map(|client| client.join().expect("it counts")).collect();
        proxy = proxy.restart();
        let management = proxy.management();
        let revision = management.shown().revision;
        for ((id, (number, acked)), last) in ids.iter().zip(&ends).zip(&mut numbers) {
            let now = management.backend(id);
            let (weight, max_conn) = (now.weight.unwrap_or_default(), now.max_conn.unwrap_or_default());
            assert_eq!(weight, max_conn as u32, "run {run}: half a change of {id} is there; {dice}");
            assert!(
                weight == *number || weight == *number % 999 + 1,
                "run {run}: {id} is at {weight}, {number} was acknowledged; {dice}"
            );
            assert!(revision >= *acked, "run {run}: revision {revision}, {acked} was acknowledged; {dice}");
            acknowledged += u64::from(*number != *last);
            *last = weight;
        }
    }
    assert!(acknowledged > 0, "no change was ever acknowledged");
}
