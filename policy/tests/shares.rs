//! Each algorithm keeps the promise that `Picker` documents, and only picks what is available.

mod support;

use proptest::prelude::*;
use speedmimi_policy::{Algorithm, Picker, hash_ip};
use support::{Backend, Group, assert_within_four_sigma};

fn picker(algorithm: Algorithm, seed: u64) -> Picker {
    Picker::new(algorithm, seed).expect("an algorithm of this version")
}

fn available_algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available())
}

/// How often each backend is picked in `picks` picks with key `k` in the `k`th.
fn counts(picker: &mut Picker, group: &Group, picks: u32) -> Vec<u32> {
    let mut counts = vec![0; group.0.len()];
    for k in 0..picks {
        counts[picker.pick(group, u64::from(k)).expect("one is available")] += 1;
    }
    counts
}

#[test]
fn later_algorithms_make_no_picker() {
    for algorithm in Algorithm::ALL {
        let made = Picker::new(algorithm, 1);
        assert_eq!(made.is_ok(), algorithm.is_available(), "{algorithm}");
        if let Ok(picker) = made {
            assert_eq!(picker.algorithm(), algorithm);
        }
    }
}

#[test]
fn round_robin_gives_each_one_a_turn_in_every_cycle() {
    let mut group = Group::of(&[1, 900, 3, 4, 5]);
    for seed in 0..20 {
        let mut picker = picker(Algorithm::RoundRobin, seed);
        for _ in 0..10 {
            assert_eq!(counts(&mut picker, &group, 5), [1; 5]);
        }
        group.0[2].available = false;
        group.0[3].available = false;
        assert_eq!(counts(&mut picker, &group, 30), [10, 10, 0, 0, 10], "a neighbour of the missing got more");
        group.0[2].available = true;
        group.0[3].available = true;
    }
}

#[test]
fn round_robin_starts_anywhere() {
    let group = Group::of(&[1; 8]);
    let first = |seed| picker(Algorithm::RoundRobin, seed).pick(&group, 0).expect("all are available");
    let mut starts: Vec<_> = (0..64).map(first).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), 8, "64 workers all start at {starts:?}");
}

#[test]
fn round_robin_follows_a_group_that_grows_and_shrinks() {
    let mut picker = picker(Algorithm::RoundRobin, 3);
    for len in [5, 1, 7, 2] {
        let group = Group::of(&vec![1; len]);
        assert_eq!(counts(&mut picker, &group, 4 * len as u32), vec![4; len]);
    }
}

#[test]
fn weighted_round_robin_spreads_the_heavy_one() {
    let group = Group::of(&[5, 1, 1]);
    for seed in 0..10 {
        let mut picker = picker(Algorithm::WeightedRoundRobin, seed);
        let mut so_far = [0_u32; 3];
        for k in 1..=21 {
            so_far[picker.pick(&group, 0).expect("all are available")] += 1;
            for (count, weight) in so_far.iter().zip([5.0, 1.0, 1.0]) {
                let fair = f64::from(k) * weight / 7.0;
                assert!((f64::from(*count) - fair).abs() < 1.0, "after {k} picks: {so_far:?}, fair {fair}");
            }
        }
    }
}

#[test]
fn weighted_round_robin_owes_no_burst_when_the_heavy_one_leaves() {
    let mut group = Group::of(&[1000, 1, 1]);
    for picks_before in 0..1100 {
        let mut picker = picker(Algorithm::WeightedRoundRobin, 0);
        group.0[0].available = true;
        counts(&mut picker, &group, picks_before);
        group.0[0].available = false;
        let after = counts(&mut picker, &group, 10);
        assert!(after[1].abs_diff(5) <= 1 && after[2].abs_diff(5) <= 1, "after {picks_before}: {after:?}");
    }
}

#[test]
fn weight_draws_by_weight() {
    for (seed, weights) in [(1, vec![100, 200, 300]), (2, vec![1, 1000]), (3, vec![7; 20]), (4, vec![0, 1])] {
        let group = Group::of(&weights);
        let shares: Vec<_> = weights.iter().map(|&weight| f64::from(weight.max(1))).collect();
        assert_within_four_sigma(&counts(&mut picker(Algorithm::Weight, seed), &group, 100_000), &shares);
    }
}

#[test]
fn random_draws_evenly_among_the_available() {
    let mut group = Group::of(&[1, 1000, 10, 5, 5]);
    group.0[3].available = false;
    let counts = counts(&mut picker(Algorithm::Random, 5), &group, 100_000);
    assert_within_four_sigma(&counts, &[1.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn random_draws_depend_on_nothing_before() {
    let group = Group::of(&[1, 1, 1]);
    let mut picker = picker(Algorithm::Random, 6);
    let mut pairs = [0; 9];
    let mut last = 0;
    for _ in 0..90_000 {
        let next = picker.pick(&group, 0).expect("all are available");
        pairs[last * 3 + next] += 1;
        last = next;
    }
    assert_within_four_sigma(&pairs, &[1.0; 9]);
}

#[test]
fn ip_hash_shares_addresses_by_weight() {
    let group = Group::of(&[100, 200, 50, 650]);
    let mut picker = picker(Algorithm::IpHash, 0);
    let mut counts = [0; 4];
    for n in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + n);
        counts[picker.pick(&group, hash_ip(address.into())).expect("all are available")] += 1;
    }
    assert_within_four_sigma(&counts, &[100.0, 200.0, 50.0, 650.0]);
}

#[test]
fn ip_hash_moves_only_the_keys_of_the_one_that_leaves_and_spreads_them_by_weight() {
    let whole = Group::of(&[100, 300, 200, 400, 100]);
    let mut picker = picker(Algorithm::IpHash, 0);
    let homes: Vec<_> = (0..50_000).map(|key| picker.pick(&whole, key).expect("all are available")).collect();
    for gone in 0..5 {
        let mut without = whole.clone();
        without.0[gone].available = false;
        let mut removed = whole.clone();
        removed.0.remove(gone);
        let mut refuge = [0; 5];
        for (key, &home) in homes.iter().enumerate() {
            let now = picker.pick(&without, key as u64).expect("four are available");
            let index = picker.pick(&removed, key as u64).expect("four are left");
            assert_eq!(index + usize::from(index >= gone), now, "unavailable and removed must not differ");
            if home == gone {
                refuge[now] += 1;
            } else {
                assert_eq!(now, home, "key {key} moved though its backend stayed");
            }
        }
        let shares: Vec<_> = without.0.iter().map(|b| if b.available { f64::from(b.weight) } else { 0.0 }).collect();
        assert_within_four_sigma(&refuge, &shares);
    }
}

#[test]
fn ip_hash_is_the_same_for_every_worker_order_and_version() {
    let group = Group::of(&[100, 200, 300]);
    let picks: Vec<_> = (0..24).map(|key| picker(Algorithm::IpHash, key).pick(&group, key)).collect();
    let reversed = Group(group.0.iter().rev().cloned().collect());
    for (key, pick) in picks.iter().enumerate() {
        let other = picker(Algorithm::IpHash, 99).pick(&reversed, key as u64);
        assert_eq!(other.map(|i| 2 - i), *pick);
    }
    let picks: String = picks.iter().map(|pick| pick.expect("all are available").to_string()).collect();
    assert_eq!(picks, PINNED, "clients would move at an upgrade");
}

/// Where keys 0..24 live among b0, b1 and b2 with weights 100, 200 and 300: for ever.
const PINNED: &str = "101222212222222221121022";

#[test]
fn ip_hash_pruning_agrees_with_the_definition() {
    // The definition with all its logarithms, over an independent generator of unit numbers: the hash itself is
    // pinned above; here a picker's answer must be the maximum, which shows as consistency under removal of any
    // subset: the pick from a set is the pick from every subset that contains it.
    let group = Group::of(&[1, 1000, 30, 30, 7, 999, 500, 2]);
    let mut picker = picker(Algorithm::IpHash, 0);
    for key in 0..2_000 {
        let pick = picker.pick(&group, key).expect("all are available");
        for mask in 1_u32..256 {
            if mask & (1 << pick) == 0 {
                continue;
            }
            let mut subset = group.clone();
            for (i, backend) in subset.0.iter_mut().enumerate() {
                backend.available = mask & (1 << i) != 0;
            }
            assert_eq!(picker.pick(&subset, key), Some(pick), "key {key}, subset {mask:#b}");
        }
    }
}

#[test]
fn least_connections_takes_the_emptiest_and_draws_ties_evenly() {
    let mut group = Group::of(&[1000, 1, 1, 1]);
    for (backend, in_flight) in group.0.iter_mut().zip([4, 2, 2, 2]) {
        backend.in_flight = in_flight;
    }
    let counts = counts(&mut picker(Algorithm::LeastConnections, 7), &group, 30_000);
    assert_within_four_sigma(&counts, &[0.0, 1.0, 1.0, 1.0]);
}

#[test]
fn weighted_ties_are_drawn_by_weight() {
    // (1 + 1) / 200 = (0 + 1) / 100 = (2 + 1) / 300, and a fourth that is busier for its weight.
    let mut group = Group::of(&[200, 100, 300, 100]);
    for (backend, in_flight) in group.0.iter_mut().zip([1, 0, 2, 1]) {
        backend.in_flight = in_flight;
    }
    let counts = counts(&mut picker(Algorithm::LeastConnectionsWeight, 8), &group, 60_000);
    assert_within_four_sigma(&counts, &[200.0, 100.0, 300.0, 0.0]);
}

#[test]
fn performance_scales_weight_and_neutral_factors_change_nothing() {
    let mut group = Group::of(&[100, 100]);
    group.0[0].factor = 2.0;
    let in_flight = fill(&mut picker(Algorithm::PerformanceLeastConnectionsWeight, 9), &mut group, 300);
    assert_eq!(in_flight, [200, 100]);

    for neutral in [1.0, f32::NAN, f32::INFINITY, 0.0, -1.0] {
        let mut group = Group::of(&[100, 300, 200]);
        group.0.iter_mut().for_each(|backend| backend.factor = neutral);
        let in_flight = fill(&mut picker(Algorithm::PerformanceLeastConnectionsWeight, 10), &mut group, 600);
        assert_eq!(in_flight, [100, 300, 200], "factor {neutral}");
    }
}

#[test]
fn least_connections_weight_fills_by_weight() {
    let mut group = Group::of(&[1, 3, 2]);
    let in_flight = fill(&mut picker(Algorithm::LeastConnectionsWeight, 11), &mut group, 600);
    assert_eq!(in_flight, [100, 300, 200]);
}

/// Starts `exchanges` that never end; returns how many are in flight where.
fn fill(picker: &mut Picker, group: &mut Group, exchanges: u32) -> Vec<u32> {
    for _ in 0..exchanges {
        let pick = picker.pick(group, 0).expect("all are available");
        group.0[pick].in_flight += 1;
    }
    group.0.iter().map(|backend| backend.in_flight).collect()
}

#[test]
fn least_algorithms_stay_within_one_exchange_of_their_share_while_exchanges_come_and_go() {
    for algorithm in [Algorithm::LeastConnections, Algorithm::LeastConnectionsWeight] {
        let weights = [100, 200, 300, 400];
        let share = |i: usize| if algorithm == Algorithm::LeastConnections { 1.0 } else { f64::from(weights[i]) };
        let mut group = Group::of(&weights);
        let mut picker = picker(algorithm, 12);
        let mut rng = fastrand::Rng::with_seed(13);
        let mut running = Vec::new();
        for _ in 0..20_000 {
            if running.len() >= 100 {
                let ended = running.swap_remove(rng.usize(..running.len()));
                group.0[ended as usize].in_flight -= 1;
            }
            let pick = picker.pick(&group, 0).expect("all are available");
            let load = |i: usize| f64::from(group.0[i].in_flight + 1) / share(i);
            assert!((0..4).all(|i| load(pick) <= load(i)), "{algorithm} picked {pick} in {group:?}");
            group.0[pick].in_flight += 1;
            running.push(pick as u32);
        }
    }
}

#[test]
fn nobody_available_is_none() {
    for algorithm in available_algorithms() {
        let mut picker = picker(algorithm, 1);
        assert_eq!(picker.pick(&Group::of(&[]), 1), None, "{algorithm}");
        let mut group = Group::of(&[1, 2]);
        group.0.iter_mut().for_each(|backend| backend.available = false);
        assert_eq!(picker.pick(&group, 1), None, "{algorithm}");
        group.0[1].available = true;
        assert_eq!(picker.pick(&group, 1), Some(1), "{algorithm}");
    }
}

/// Any backend, absurd numbers included.
fn any_backend() -> impl Strategy<Value = Backend> {
    (any::<bool>(), any::<u32>(), any::<u32>(), any::<u64>(), any::<f32>())
        .prop_map(|(available, in_flight, weight, key, factor)| Backend { available, in_flight, weight, key, factor })
}

proptest! {
    #![proptest_config(support::config())]

    /// Whatever happens between picks: an available one if there is any, and never another.
    #[test]
    fn always_and_only_what_is_available(
        seed: u64,
        groups in prop::collection::vec((prop::collection::vec(any_backend(), 0..12), any::<u64>()), 1..20),
    ) {
        for algorithm in available_algorithms() {
            let mut picker = picker(algorithm, seed);
            for (backends, key) in &groups {
                let group = Group(backends.clone());
                match picker.pick(&group, *key) {
                    Some(i) => prop_assert!(group.0[i].available, "{} picked {}", algorithm, i),
                    None => prop_assert!(group.0.iter().all(|b| !b.available), "{} found none", algorithm),
                }
            }
        }
    }

    #[test]
    fn weighted_round_robin_is_exact_over_any_cycle(
        seed: u64,
        weights in prop::collection::vec(1_u32..40, 1..10),
        before in 0_u32..500,
    ) {
        let group = Group::of(&weights);
        let mut picker = picker(Algorithm::WeightedRoundRobin, seed);
        counts(&mut picker, &group, before);
        prop_assert_eq!(counts(&mut picker, &group, weights.iter().sum()), weights);
    }

    /// After any history of others being full, gone, or of another weight, a cycle is fair to ±1.
    #[test]
    fn weighted_round_robin_is_fair_at_once_after_a_change(
        seed: u64,
        history in prop::collection::vec(prop::collection::vec((any::<bool>(), 1_u32..100), 6), 1..40),
        weights in prop::collection::vec((any::<bool>(), 1_u32..100), 6),
    ) {
        let mut picker = picker(Algorithm::WeightedRoundRobin, seed);
        let group = |backends: &[(bool, u32)]| {
            let mut group = Group::of(&[1; 6]);
            for (backend, &(available, weight)) in group.0.iter_mut().zip(backends) {
                (backend.available, backend.weight) = (available, weight);
            }
            group
        };
        for backends in &history {
            let _ = picker.pick(&group(backends), 0);
        }
        let now = group(&weights);
        let cycle = now.0.iter().filter(|b| b.available).map(|b| b.weight).sum();
        for (count, backend) in counts(&mut picker, &now, cycle).into_iter().zip(&now.0) {
            let fair = if backend.available { backend.weight } else { 0 };
            prop_assert!(count.abs_diff(fair) <= 1, "{} picks for weight {}", count, fair);
        }
    }

    /// An equal seed gives equal picks: what a simulation shows can be shown again.
    #[test]
    fn equal_seeds_pick_alike(seed: u64, weights in prop::collection::vec(1_u32..1000, 1..8)) {
        let group = Group::of(&weights);
        for algorithm in available_algorithms() {
            let (mut a, mut b) = (picker(algorithm, seed), picker(algorithm, seed));
            for key in 0..50 {
                prop_assert_eq!(a.pick(&group, key), b.pick(&group, key));
            }
        }
    }
}
