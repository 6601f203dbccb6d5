//! Changes from many clients at once, each on the condition that nothing changed since it looked.
//!
//! `SPEEDMIMI_RUNS` sets how many changes each client tries (40 unless set), `SPEEDMIMI_SEED` replays their choices.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::thread;

use speedmimi_proto::v1::{Backend, MutationOptions, UpdateBackendRequest};
use tonic::Code;
use tonic_types::StatusExt;

use super::runs;
use crate::harness::{Config, Dice, Management, Proxy, named};

const CLIENTS: u64 = 8;
const IDS: [&str; 3] = ["b0", "b1", "b2"];

/// A change that was made.
struct Won {
    revision: u64,
    id: &'static str,
    expected: u64,
    max_conn: i32,
}

fn client(address: SocketAddr, dice: &Dice, tries: u64) -> (Vec<Won>, u64) {
    let management = Management::connect(address);
    let (mut won, mut lost) = (Vec::new(), 0);
    for _ in 0..tries {
        let id = IDS[dice.between(0, IDS.len() as u64) as usize];
        let expected = management.status(id).revision;
        let max_conn = dice.between(1, 1_000_000) as i32;
        let request = UpdateBackendRequest {
            backend: Some(Backend { id: id.into(), max_conn: Some(max_conn), ..Backend::default() }),
            options: Some(MutationOptions { expected_revision: Some(expected), ..MutationOptions::default() }),
            ..UpdateBackendRequest::default()
        };
        match management.call(management.backends().update_backend(request)) {
            Ok(answer) => won.push(Won { revision: answer.revision, id, expected, max_conn }),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Aborted, "{refused}");
                let details = refused.get_error_details();
                let current = &details.error_info().expect("a reason").metadata["current_revision"];
                let current: u64 = current.parse().expect("a revision");
                assert!(current > expected, "it says that {id} is at {current}, not {expected}");
                lost += 1;
            }
        }
    }
    (won, lost)
}

#[test]
fn of_those_that_expect_the_same_revision_one_wins_and_the_state_is_that_of_the_winners_in_order() {
    let dice = Dice::new();
    let backend = named("b");
    let with = |config: Config, id: &&str| config.backend(id, backend.address());
    let proxy = Proxy::start(&IDS.iter().fold(Config::new(), with).top("state: {dir: state}"));
    let address = proxy.grpc_address();
    let tries = runs(40);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let dice = dice.split();
            thread::spawn(move || client(address, &dice, tries))
        })
        .collect();
    let ends: Vec<(Vec<Won>, u64)> = clients.into_iter().map(|client| client.join().expect("it ends")).collect();
    let lost: u64 = ends.iter().map(|(_, lost)| lost).sum();
    let mut won: Vec<Won> = ends.into_iter().flat_map(|(won, _)| won).collect();
    assert_eq!(won.len() as u64 + lost, CLIENTS * tries);
    assert!(lost > 0, "nobody ever met another; {dice}");
    let places: HashSet<(&str, u64)> = won.iter().map(|won| (won.id, won.expected)).collect();
    assert_eq!(places.len(), won.len(), "two won at the same revision of a backend; {dice}");
    won.sort_by_key(|won| won.revision);
    let mut model: BTreeMap<&str, (u64, i32)> = IDS.iter().map(|id| (*id, (1, 0))).collect();
    for (index, Won { revision, id, expected, max_conn }) in won.iter().enumerate() {
        assert_eq!(*revision, index as u64 + 2, "each change makes one revision; {dice}");
        let known = model.insert(id, (*revision, *max_conn)).expect("it is there");
        assert_eq!(known.0, *expected, "{id} was at another revision; {dice}");
    }
    let management = proxy.management();
    for (id, (revision, max_conn)) in model {
        assert_eq!((management.status(id).revision, management.backend(id).max_conn), (revision, Some(max_conn)));
    }
}
