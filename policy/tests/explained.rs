//! What is explained is what is done, for every algorithm, whatever happened before.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use speedmimi_policy::{Algorithm, Explanation, Order, Picker};
use support::{Backend, Group};

fn algorithm() -> impl Strategy<Value = Algorithm> {
    let available: Vec<_> = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available()).collect();
    prop::sample::select(available)
}

fn backend() -> impl Strategy<Value = Backend> {
    let factor = prop_oneof![Just(1.0_f32), 0.1_f32..2.0, Just(f32::NAN)];
    let weight = prop_oneof![Just(100_u32), 0_u32..=1000];
    (prop::bool::weighted(0.7), 0_u32..4, weight, any::<u64>(), factor)
        .prop_map(|(available, in_flight, weight, key, factor)| Backend { available, in_flight, weight, key, factor })
}

/// Groups of changing size, so that pickers meet growth, shrinking, and everybody gone.
fn history() -> impl Strategy<Value = Vec<(Vec<Backend>, u64)>> {
    vec((vec(backend(), 0..7), any::<u64>()), 1..40)
}

/// The winner has the best score there is, or could have been drawn.
fn assert_best(explained: &Explanation) -> Result<(), TestCaseError> {
    let Some(winner) = explained.winner else {
        prop_assert!(explained.candidates.iter().all(|candidate| !candidate.available));
        return Ok(());
    };
    let won = explained.candidates[winner];
    prop_assert!(won.available);
    for other in explained.candidates.iter().filter(|other| other.available) {
        match (explained.order, won.score, other.score) {
            // Quotients are compared exactly where picks are made, and are rounded here.
            (Order::LowestWins, Some(won), Some(other)) => prop_assert!(won <= other * (1.0 + 1e-12)),
            (Order::HighestWins, Some(won), Some(other)) => prop_assert!(won >= other),
            (Order::Drawn, None, None) => {}
            mixed => prop_assert!(false, "{mixed:?}"),
        }
    }
    let chances: Vec<f64> = explained.candidates.iter().filter_map(|candidate| candidate.chance).collect();
    if !chances.is_empty() {
        prop_assert!(won.chance.is_some_and(|chance| chance > 0.0), "what cannot be drawn was: {won:?}");
        prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{chances:?}");
        let skipped = explained.candidates.iter().filter(|candidate| !candidate.available);
        prop_assert!(skipped.into_iter().all(|candidate| candidate.chance == Some(0.0)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(support::config())]

    #[test]
    fn the_explained_winner_is_the_one_picked(algorithm in algorithm(), seed in any::<u64>(), history in history()) {
        let mut picker = Picker::new(algorithm, seed).expect("an algorithm of this version");
        for (group, key) in history {
            let group = Group(group);
            let before = format!("{picker:?}");
            let explained = picker.explain(&group, key);
            prop_assert_eq!(&before, &format!("{:?}", picker), "looking changes nothing");
            prop_assert_eq!(explained.candidates.len(), group.0.len());
            assert_best(&explained)?;
            prop_assert_eq!(explained.winner, picker.clone().pick(&group, key));
            prop_assert_eq!(explained.winner, picker.pick(&group, key));
        }
    }
}

fn explain(algorithm: Algorithm, group: &Group) -> Explanation {
    Picker::new(algorithm, 1).expect("an algorithm of this version").explain(group, 0)
}

fn scores(explained: &Explanation) -> Vec<f64> {
    explained.candidates.iter().map(|candidate| candidate.score.expect("there is a score")).collect()
}

#[test]
fn least_connections_is_judged_by_load_for_its_share() {
    let mut group = Group::of(&[100, 200, 100]);
    for (backend, in_flight) in group.0.iter_mut().zip([0, 1, 3]) {
        backend.in_flight = in_flight;
    }
    let explained = explain(Algorithm::LeastConnectionsWeight, &group);
    assert_eq!(scores(&explained), [0.01, 0.01, 0.04]);
    let chances: Vec<_> = explained.candidates.iter().map(|candidate| candidate.chance).collect();
    assert_eq!(chances, [Some(1.0 / 3.0), Some(2.0 / 3.0), Some(0.0)], "a tie is drawn by weight");
    let explained = explain(Algorithm::LeastConnections, &group);
    assert_eq!((scores(&explained), explained.winner), (vec![1.0, 2.0, 4.0], Some(0)));
}

#[test]
fn reported_performance_scales_the_share() {
    let mut group = Group::of(&[100, 100]);
    group.0[1].factor = 0.5;
    let explained = explain(Algorithm::PerformanceLeastConnectionsWeight, &group);
    assert_eq!(scores(&explained), [0.01, 0.02]);
    assert_eq!((explained.candidates[1].factor, explained.candidates[1].share), (0.5, 50.0));
}

#[test]
fn draws_have_chances_and_no_score() {
    let explained = explain(Algorithm::Weight, &Group::of(&[1, 3]));
    let found: Vec<_> = explained.candidates.iter().map(|candidate| (candidate.score, candidate.chance)).collect();
    assert_eq!((found, explained.order), (vec![(None, Some(0.25)), (None, Some(0.75))], Order::Drawn));
    let explained = explain(Algorithm::Random, &Group::of(&[1, 3]));
    assert_eq!(explained.candidates[0].chance, Some(0.5));
}

#[test]
fn turns_are_counted_from_whose_turn_it_is() {
    let group = Group::of(&[1, 1, 1]);
    let mut picker = Picker::new(Algorithm::RoundRobin, 7).expect("an algorithm of this version");
    let first = picker.pick(&group, 0).expect("all are available");
    let explained = picker.explain(&group, 0);
    assert_eq!(scores(&explained)[first], 2.0, "who had it last waits for the others");
    assert_eq!(explained.winner, Some((first + 1) % 3));
}

#[test]
fn smooth_turns_are_counted_in_picks_saved_up() {
    let explained = explain(Algorithm::WeightedRoundRobin, &Group::of(&[3, 1]));
    assert_eq!((scores(&explained), explained.winner), (vec![0.75, 0.25], Some(0)));
}
