//! Shares: what each algorithm promises, seen through the proxy.

use std::collections::BTreeMap;

use crate::harness::{Backend, Client, Config, Gate, Proxy, eventually, gated, named};

/// Backends `a`, `b`, `c` with these weights, behind one worker, so that there is one cycle.
fn three(algorithm: &str, weights: [u32; 3]) -> (Vec<Backend>, Proxy) {
    let backends: Vec<Backend> = ["a", "b", "c"].map(named).into();
    let proxy = Proxy::start(&config(&backends, weights).upstream(&format!("load_balancer: {algorithm}")));
    (backends, proxy)
}

fn config(backends: &[Backend], weights: [u32; 3]) -> Config {
    let mut config = Config::new().server("workers: 1");
    for ((id, backend), weight) in ["a", "b", "c"].iter().zip(backends).zip(weights) {
        config = config.backend_with(id, backend.address(), &format!("weight: {weight}"));
    }
    config
}

fn ask(proxy: &Proxy, count: usize) -> Vec<String> {
    let mut client = proxy.client();
    (0..count).map(|_| client.get("/").text()).collect()
}

fn shares(answers: &[String]) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    answers.iter().for_each(|answer| *shares.entry(answer.as_str()).or_default() += 1);
    shares
}

/// Fails when a share is further from its expectation than four standard deviations.
#[track_caller]
fn assert_random(answers: &[String], weights: [u32; 3]) {
    let (count, sum) = (answers.len() as f64, f64::from(weights.iter().sum::<u32>()));
    let shares = shares(answers);
    for (id, weight) in ["a", "b", "c"].iter().zip(weights) {
        let p = f64::from(weight) / sum;
        let got = shares.get(id).copied().unwrap_or_default() as f64;
        let sigma = (count * p * (1.0 - p)).sqrt();
        assert!((got - count * p).abs() <= 4.0 * sigma, "{id}: {got} of {count}, expected {} ± {sigma}", count * p);
    }
}

#[test]
fn round_robin_goes_round() {
    let (_backends, proxy) = three("round_robin", [100, 1, 1000]);
    let answers = ask(&proxy, 300);
    for window in answers.windows(3) {
        assert_eq!(shares(window).len(), 3, "each of three in a row goes elsewhere, whatever the weights: {window:?}");
    }
}

#[test]
fn weighted_round_robin_is_exact_in_every_cycle_and_smooth() {
    let (_backends, proxy) = three("weighted_round_robin", [500, 100, 100]);
    let answers = ask(&proxy, 70);
    for cycle in answers.chunks(7) {
        assert_eq!(shares(cycle), BTreeMap::from([("a", 5), ("b", 1), ("c", 1)]), "{cycle:?}");
    }
    let together = answers[..7].windows(2).any(|pair| pair.iter().all(|answer| answer != "a"));
    assert!(!together, "smooth: b and c do not stand side by side: {:?}", &answers[..7]);
}

#[test]
fn weight_shares_in_proportion() {
    let (_backends, proxy) = three("weight", [100, 200, 700]);
    assert_random(&ask(&proxy, 2000), [100, 200, 700]);
}

#[test]
fn random_shares_evenly() {
    let (_backends, proxy) = three("random", [1, 1, 1]);
    let answers = ask(&proxy, 2000);
    assert_random(&answers, [1, 1, 1]);
    let repeats = answers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(repeats > 400, "random is not round robin: {repeats} repeats in 2000");
}

#[test]
fn ip_hash_keeps_a_client_at_its_backend() {
    let (_backends, proxy) = three("ip_hash", [1, 1, 1]);
    let answers: Vec<String> = (0..30).map(|_| proxy.get("/").text()).collect();
    assert_eq!(shares(&answers).len(), 1);
}

#[test]
fn ip_hash_moves_only_the_keys_of_a_removed_backend() {
    let backends: Vec<Backend> = ["a", "b", "c"].map(named).into();
    let config = config(&backends, [100; 3])
        .upstream("load_balancer: ip_hash")
        .server("trusted_proxies: [127.0.0.1]")
        .server("real_ip_header: X-Real-IP");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let placement = || -> Vec<String> {
        let mut client = proxy.client();
        (0..200)
            .map(|n| {
                client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Real-IP: 9.{n}.7.{}\r\n\r\n", n * 31 % 256));
                client.response().text()
            })
            .collect()
    };
    let before = placement();
    assert!(shares(&before).values().all(|share| *share > 30), "keys spread: {:?}", shares(&before));
    management.disable("b");
    let after = placement();
    for (n, (was, is)) in before.iter().zip(&after).enumerate() {
        assert!(was == is || was == "b", "key {n} moved from {was} to {is}");
    }
    management.enable("b");
    assert_eq!(placement(), before, "they come home");
}

/// Holds exchanges open and tells how they spread.
fn held(algorithm: Option<&str>, weights: [u32; 3], count: usize) -> [usize; 3] {
    let gate = Gate::default();
    let backends: Vec<Backend> = ["a", "b", "c"].map(|id| gated(id, &gate)).into();
    let mut config = config(&backends, weights);
    if let Some(algorithm) = algorithm {
        config = config.upstream(&format!("load_balancer: {algorithm}"));
    }
    let proxy = Proxy::start(&config);
    let mut clients = Vec::new();
    let going_on = || backends.iter().map(|backend| backend.flight().current()).collect::<Vec<_>>();
    for n in 0..count {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
        eventually("the request arrives", || going_on().iter().sum::<usize>() == n + 1);
        clients.push(client);
    }
    let spread = going_on();
    gate.open();
    clients.iter_mut().for_each(|client: &mut Client| client.response().assert_forwarded(200));
    [spread[0], spread[1], spread[2]]
}

#[test]
fn least_connections_levels_what_is_going_on() {
    assert_eq!(held(Some("least_connections"), [1000, 100, 1], 12), [4, 4, 4]);
}

#[test]
fn least_connections_weight_levels_in_proportion() {
    assert_eq!(held(Some("least_connections_weight"), [100, 200, 300], 12), [2, 4, 6]);
}

#[test]
fn performance_least_connections_weight_without_reports_levels_in_proportion() {
    assert_eq!(held(Some("performance_least_connections_weight"), [100, 200, 300], 12), [2, 4, 6]);
}

#[test]
fn the_default_is_least_connections_weight() {
    assert_eq!(held(None, [100, 200, 300], 12), [2, 4, 6]);
}

#[test]
fn least_connections_shares_fairly_when_nothing_is_going_on() {
    let (_backends, proxy) = three("least_connections", [1, 1, 1]);
    let answers = ask(&proxy, 300);
    assert!(shares(&answers).values().all(|share| *share >= 60), "ties are fair: {:?}", shares(&answers));
}

#[test]
fn a_route_goes_before_its_upstream_and_protocols_before_both() {
    let backends: Vec<Backend> = ["a", "b", "c"].map(named).into();
    let mut config = config(&backends, [100; 3]).upstream("load_balancer: random");
    for line in
        ["path: /", "upstream: default", "load_balancer: round_robin", "protocols: {websocket: ip_hash, sse: ip_hash}"]
    {
        config = config.route("default", line);
    }
    let proxy = Proxy::start(&config);
    let plain = ask(&proxy, 30);
    assert!(plain.windows(3).all(|window| shares(window).len() == 3), "round robin: {plain:?}");
    for fields in [
        "Accept: text/event-stream\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    ] {
        let mut client = proxy.client();
        let answers: Vec<String> = (0..20)
            .map(|_| {
                client.send(format!("GET / HTTP/1.1\r\nHost: e2e.test\r\n{fields}\r\n"));
                client.response().text()
            })
            .collect();
        assert_eq!(shares(&answers).len(), 1, "ip_hash for {fields:?}: {answers:?}");
    }
}
