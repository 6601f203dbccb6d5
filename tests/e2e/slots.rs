//! Slots are exact: taken before a backend is used, given back exactly once, never one too many.

mod exact;
mod released;

use std::time::{Duration, Instant};

use crate::harness::{Backend, Client, Config, Gate, Proxy, eventually, gated, named};

const LIMIT_BODY: &str = "Service Unavailable (All backends at connection limit)";

/// Holds that many exchanges open.
fn hold(proxy: &Proxy, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET /held HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
            client
        })
        .collect()
}

#[test]
fn all_full_is_503_at_once_with_the_words_promised() {
    let gate = Gate::default();
    let backends = [gated("b1", &gate), gated("b2", &gate)];
    let config = Config::new().backend_with("b1", backends[0].address(), "max_conn: 2").backend_with(
        "b2",
        backends[1].address(),
        "max_conn: 3",
    );
    let proxy = Proxy::start(&config);
    let mut held = hold(&proxy, 5);
    eventually("every slot is taken", || backends.iter().map(|backend| backend.flight().current()).sum::<usize>() == 5);
    let mut client = proxy.client();
    let fastest = (0..30)
        .map(|_| {
            let start = Instant::now();
            let response = client.get("/");
            let elapsed = start.elapsed();
            response.assert_refused(503, "connection_limit");
            assert_eq!(response.text(), LIMIT_BODY);
            assert!(response.field("proxy-status").contains("error=connection_limit_reached"));
            elapsed
        })
        .min();
    // The best of thirty, because the machine may be busy; a refusal that waits for anything is never fast.
    assert!(fastest < Some(Duration::from_millis(5)), "the fastest refusal took {fastest:?}");
    gate.open();
    for client in &mut held {
        client.response().assert_forwarded(200);
    }
    client.get("/").assert_forwarded(200);
    assert_eq!((backends[0].flight().peak(), backends[1].flight().peak()), (2, 3));
    proxy.assert_at_rest();
}

#[test]
fn every_answer_to_a_full_upstream_is_refused_until_a_slot_is_free() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 7"));
    // A hundred at once for seven slots, over both workers.
    let mut clients = hold(&proxy, 100);
    eventually("every slot is taken", || backend.flight().current() == 7);
    eventually("the rest is refused", || {
        proxy.metric("speedmimi_request_errors_total", &[("reason", "connection_limit")]) == 93.0
    });
    gate.open();
    let statuses: Vec<u16> = clients.iter_mut().map(|client| client.response().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 7);
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 93);
    assert_eq!(backend.flight().peak(), 7);
    proxy.assert_at_rest();
}

#[test]
fn max_conn_of_zero_or_less_is_no_limit() {
    for max_conn in ["0", "-1"] {
        let gate = Gate::default();
        let backend = gated("b1", &gate);
        let proxy =
            Proxy::start(&Config::new().backend_with("b1", backend.address(), &format!("max_conn: {max_conn}")));
        let mut held = hold(&proxy, 60);
        eventually("all are admitted", || backend.flight().current() == 60);
        gate.open();
        held.iter_mut().for_each(|client| client.response().assert_forwarded(200));
    }
}

#[test]
fn idle_pooled_connections_hold_no_slot() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 1").server("workers: 1"));
    let (mut first, mut second) = (proxy.client(), proxy.client());
    for _ in 0..10 {
        first.get("/").assert_forwarded(200);
        second.get("/").assert_forwarded(200);
    }
    assert_eq!(backend.flight().peak(), 1);
}

#[test]
fn raising_max_conn_lets_the_next_in_at_once_and_lowering_cuts_nothing() {
    let gate = Gate::default();
    let backend = gated("b1", &gate);
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 2"));
    let management = proxy.management();
    let mut held = hold(&proxy, 2);
    eventually("both slots are taken", || backend.flight().current() == 2);
    proxy.get("/").assert_refused(503, "connection_limit");

    management.set_max_conn("b1", 4);
    held.extend(hold(&proxy, 2));
    eventually("two more are admitted", || backend.flight().current() == 4);

    management.set_max_conn("b1", 1);
    for _ in 0..20 {
        proxy.get("/").assert_refused(503, "connection_limit");
    }
    let status = management.status("b1");
    assert_eq!((status.in_flight, status.effective_max_conn), (4, 1));
    assert_eq!(backend.flight().current(), 4, "lowering never cuts");
    gate.open();
    held.iter_mut().for_each(|client| client.response().assert_forwarded(200));
    proxy.assert_at_rest();
    assert_eq!(backend.flight().peak(), 4);
}

#[test]
fn a_disabled_backend_gets_nothing_new_and_finishes_what_it_has() {
    let gate = Gate::default();
    let (first, second) = (gated("b1", &gate), named("b2"));
    let proxy = Proxy::start(&Config::new().backend("b1", first.address()).backend("b2", second.address()));
    let management = proxy.management();
    management.disable("b2");
    let mut held = hold(&proxy, 1);
    eventually("b1 has it", || first.flight().current() == 1);
    management.enable("b2");
    management.disable("b1");
    for _ in 0..30 {
        assert_eq!(proxy.get("/").text(), "b2");
    }
    gate.open();
    assert_eq!(held[0].response().text(), "b1");
    assert_eq!(first.flight().total(), 1);
}

#[test]
fn every_algorithm_skips_what_is_full_disabled_or_inactive() {
    for algorithm in [
        "round_robin",
        "weighted_round_robin",
        "weight",
        "random",
        "ip_hash",
        "least_connections",
        "least_connections_weight",
        "performance_least_connections_weight",
    ] {
        let gate = Gate::default();
        let full: Vec<Backend> = (0..3).map(|n| gated(&format!("full{n}"), &gate)).collect();
        let (free, off) = (named("free"), named("off"));
        let mut config = Config::new().upstream(&format!("load_balancer: {algorithm}"));
        for (n, backend) in full.iter().enumerate() {
            config = config.backend_with(&format!("full{n}"), backend.address(), "max_conn: 1");
        }
        config = config.backend_with("inactive", off.address(), "active: false");
        config = config.backend("disabled", off.address()).backend("free", free.address());
        let proxy = Proxy::start(&config);
        let management = proxy.management();
        management.disable("disabled");
        management.disable("free");
        let mut held = hold(&proxy, 3);
        eventually("the limited ones are full", || full.iter().all(|backend| backend.flight().current() == 1));
        management.enable("free");
        let mut client = proxy.client();
        for _ in 0..20 {
            assert_eq!(client.get("/").text(), "free", "{algorithm}");
        }
        assert_eq!(off.flight().total(), 0, "{algorithm}");
        gate.open();
        held.iter_mut().for_each(|client| client.response().assert_forwarded(200));
    }
}

#[test]
fn disabling_every_backend_is_503_no_backend() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    management.disable("b1");
    proxy.get("/").assert_refused(503, "no_backend");
    management.enable("b1");
    proxy.get("/").assert_forwarded(200);
}
