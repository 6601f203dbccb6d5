//! Changes of every kind from many clients at once, each on the condition that nothing changed since it looked.
//!
//! `SPEEDMIMI_RUNS` sets how many changes each client tries (125 unless set), `SPEEDMIMI_SEED` replays their choices.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;

use speedmimi_model::Object;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::runs;
use crate::harness::{Config, Dice, Management, Proxy, named};

mod change;

use change::{Change, Value, look, objects};

const CLIENTS: u64 = 8;

/// A change that was made.
struct Won {
    revision: u64,
    change: Change,
}

/// Who was too late is told what is so now: the revision, 0 where what it wanted to change is gone.
fn assert_late(refused: &Status, change: &Change) {
    assert_eq!(refused.code(), Code::Aborted, "{change:?}: {refused}");
    let details = refused.get_error_details();
    let current = &details.error_info().expect("a reason").metadata["current_revision"];
    let current: u64 = current.parse().expect("a revision");
    let gone = current == 0 && change.expected > 0 && !change.whole;
    assert!(gone || current > change.expected, "it says that this is at {current}: {change:?}");
}

fn client(address: SocketAddr, dice: &Dice, tries: u64) -> (Vec<Won>, u64) {
    let management = Management::connect(address);
    let (mut won, mut lost) = (Vec::new(), 0);
    for _ in 0..tries {
        let change = Change::any(&management, dice);
        match change.send(&management) {
            Ok(revision) => won.push(Won { revision, change }),
            Err(refused) => {
                assert_late(&refused, &change);
                lost += 1;
            }
        }
    }
    (won, lost)
}

/// Applies the winners in the order of their revisions, each of which is one more than the one before, and compares
/// with what there is.
fn assert_that_the_state_is_that_of(won: &mut [Won], management: &Management, dice: &Dice) {
    won.sort_by_key(|won| won.revision);
    let mut model: BTreeMap<Object, (u64, Value)> = change::of_the_start();
    for (index, Won { revision, change }) in won.iter().enumerate() {
        let told = || format!("{revision}: {change:?}; {dice}");
        assert_eq!(*revision, index as u64 + 2, "each change makes one revision; {}", told());
        if change.whole {
            assert_eq!(change.expected + 1, *revision, "it was applied to something else; {}", told());
        }
        for (object, seen, next) in &change.parts {
            let (at, value) = model.get(object).map_or((0, None), |(at, value)| (*at, Some(value)));
            assert_eq!(value, seen.as_ref(), "it looked at something else; {}", told());
            assert!(change.whole || at == change.expected, "it was at {at}; {}", told());
            match next {
                Some(value) => drop(model.insert(object.clone(), (*revision, value.clone()))),
                None => drop(model.remove(object)),
            }
        }
    }
    for object in objects() {
        let found = look(management, &object);
        assert_eq!(found.as_ref(), model.get(&object), "{object}; {dice}");
    }
    assert_eq!(management.shown().revision, won.len() as u64 + 1, "{dice}");
}

fn start() -> (Proxy, crate::harness::Backend) {
    let backend = named("b");
    let config = change::IN_FILE.iter().fold(Config::new(), |config, id| config.backend(id, backend.address()));
    let config = config.route("all", "upstream: default").top("state: {dir: state}");
    (Proxy::start(&config), backend)
}

#[test]
fn of_those_that_expect_the_same_revision_one_wins_and_the_state_is_that_of_the_winners_in_order() {
    let dice = Dice::new();
    let (proxy, _backend) = start();
    let address = proxy.grpc_address();
    let tries = runs(125);
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
    let mut places = HashSet::new();
    for Won { change, .. } in won.iter().filter(|won| !won.change.whole && won.change.expected > 0) {
        assert!(places.insert((change.parts[0].0.clone(), change.expected)), "two won: {change:?}; {dice}");
    }
    assert_that_the_state_is_that_of(&mut won, &proxy.management(), &dice);
    let kinds: BTreeSet<&str> = won.iter().map(|won| won.change.verb()).collect();
    eprintln!("{} won and {lost} lost; {kinds:?}", won.len());
    let wanted =
        ["add", "update", "remove"].map(|what| ["backend", "upstream", "route"].map(|kind| format!("{what} {kind}")));
    let wanted = wanted.into_iter().flatten().chain(["enable backend".to_owned(), "disable backend".to_owned()]);
    let missing: Vec<String> = wanted.filter(|verb| !kinds.contains(verb.as_str())).collect();
    assert!(missing.is_empty() || tries < 100, "nobody won with {missing:?}; {dice}");
}

#[test]
fn of_the_documents_that_are_applied_to_one_revision_one_wins() {
    let dice = Arc::new(Dice::new());
    let (proxy, _backend) = start();
    let address = proxy.grpc_address();
    let barrier = Arc::new(Barrier::new(CLIENTS as usize));
    let rounds = 10;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (dice, barrier) = (dice.split(), barrier.clone());
            thread::spawn(move || {
                let management = Management::connect(address);
                let mut won = Vec::new();
                for _ in 0..rounds {
                    // Everybody looks before anybody writes.
                    let change = Change::document(&management, &dice);
                    barrier.wait();
                    match change.send(&management) {
                        Ok(revision) => won.push(Won { revision, change }),
                        Err(refused) => assert_late(&refused, &change),
                    }
                    barrier.wait();
                }
                won
            })
        })
        .collect();
    let mut won: Vec<Won> = clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect();
    assert_eq!(won.len(), rounds, "one of each round; {dice}");
    assert_that_the_state_is_that_of(&mut won, &proxy.management(), &dice);
}
