//! A call with a `request_id` is done once, however often it is sent.
//!
//! `SPEEDMIMI_RUNS` sets the number of calls (60 unless set), `SPEEDMIMI_SEED` replays the run.

use std::collections::HashMap;

use rustix::process::Signal;
use speedmimi_proto::v1::{Backend, MutationOptions, UpdateBackendRequest};
use tonic::Code;

use super::mutation::{FILE, Mutation};
use super::runs;
use crate::harness::{Dice, Proxy};

fn named(request_id: &str) -> MutationOptions {
    MutationOptions { request_id: request_id.into(), ..MutationOptions::default() }
}

#[test]
fn calls_sent_three_times_in_any_order_over_reconnects_and_restarts_are_done_once() {
    let dice = Dice::new();
    let calls: Vec<Mutation> = (0..runs(60)).map(|_| Mutation::any(&dice)).collect();
    let mut order: Vec<usize> = (0..calls.len()).flat_map(|call| [call; 3]).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, dice.between(0, index as u64 + 1) as usize);
    }
    let folder = || tempfile::tempdir().expect("a folder");
    let (mut proxy, once) = (Proxy::start_in(folder(), FILE), Proxy::start_in(folder(), FILE));
    let mut answers: HashMap<usize, Result<String, (Code, String)>> = HashMap::new();
    let kills = [order.len() / 3, order.len() / 2];
    for (turn, &call) in order.iter().enumerate() {
        if kills.contains(&turn) {
            proxy.signal(Signal::KILL);
            proxy.wait_exit();
            proxy = proxy.restart();
        }
        let answer = calls[call].send(&proxy.management(), named(&format!("call-{call}")));
        let answer = answer.map_err(|refused| (refused.code(), refused.message().to_owned()));
        match answers.get(&call) {
            Some(first) => assert_eq!(&answer, first, "call {call}: {:?}; {dice}", calls[call]),
            None => {
                let single = calls[call].send(&once.management(), MutationOptions::default());
                assert_eq!(answer.is_ok(), single.is_ok(), "call {call}: {answer:?}, {single:?}; {dice}");
                answers.insert(call, answer);
            }
        }
    }
    let (many, single) = (proxy.management().shown(), once.management().shown());
    assert_eq!((many.hash, many.revision), (single.hash, single.revision), "{dice}");
    assert!(answers.values().filter(|answer| answer.is_ok()).count() > answers.len() / 4, "hardly anything was done");
}

#[test]
fn another_call_with_the_same_request_id_is_refused() {
    let proxy = Proxy::start_in(tempfile::tempdir().expect("a folder"), FILE);
    let management = proxy.management();
    let update = |max_conn, options| {
        let request = UpdateBackendRequest {
            backend: Some(Backend { id: "a".into(), max_conn: Some(max_conn), ..Backend::default() }),
            options: Some(options),
            ..UpdateBackendRequest::default()
        };
        management.call(management.backends().update_backend(request))
    };
    let first = update(5, named("x")).expect("valid");
    let refused = update(6, named("x")).expect_err("it is another call");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("options.request_id"), "{}", refused.message());
    update(7, named("")).expect("without a name each call is one");
    assert_eq!(update(5, named("x")).expect("a repeat"), first);
    assert_eq!(management.backend("a").max_conn, Some(7), "a repeat changes nothing");
    let only = MutationOptions { validate_only: true, ..named("y") };
    update(8, only).expect("valid");
    assert_eq!(update(8, named("y")).expect("what was only tried was not done").revision, 4);
}
