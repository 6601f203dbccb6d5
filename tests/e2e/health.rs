//! Active checks take a backend out and back; passive signals alone never empty an upstream.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Backend, Blackhole, Config, Next, Proxy, eventually, named, refused};

/// A backend whose `/health` answers with the status that the test sets.
fn checked(name: &str) -> (Backend, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let (name, shared) = (name.to_owned(), status.clone());
    let backend = Backend::serve(move |seen, conn| {
        if seen.target == "/health" {
            conn.respond(&format!("{} Health", shared.load(Ordering::SeqCst)), "", "")?;
        } else {
            conn.respond("200 OK", "", &name)?;
        }
        Ok(Next::Keep)
    });
    (backend, status)
}

const CHECK: &str = "health_check: {path: /health, interval: 100ms, timeout: 1s, failures: 2, successes: 2}";

fn pair(first: SocketAddr, second: SocketAddr, check: &str) -> Proxy {
    let config = Config::new().backend("b1", first).backend("b2", second).server("workers: 1");
    Proxy::start(&config.upstream(check).upstream("load_balancer: round_robin"))
}

/// Who answers ten requests.
fn answering(proxy: &Proxy) -> HashSet<String> {
    let mut client = proxy.client();
    (0..10).map(|_| client.get("/").text()).collect()
}

#[track_caller]
fn eventually_only(proxy: &Proxy, names: &[&str]) {
    let expected: HashSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    eventually(&format!("exactly {names:?} answer"), || answering(proxy) == expected);
}

#[test]
fn a_failing_http_check_takes_a_backend_out_and_a_passing_one_back() {
    let ((first, status), (second, _)) = (checked("b1"), checked("b2"));
    let proxy = pair(first.address(), second.address(), CHECK);
    eventually_only(&proxy, &["b1", "b2"]);
    status.store(500, Ordering::SeqCst);
    eventually_only(&proxy, &["b2"]);
    assert_eq!(proxy.metric("speedmimi_backend_up", &[("backend", "b1")]), 0.0);
    status.store(200, Ordering::SeqCst);
    eventually_only(&proxy, &["b1", "b2"]);
    assert_eq!(proxy.metric("speedmimi_backend_up", &[("backend", "b1")]), 1.0);
}

#[test]
fn thresholds_count_both_ways() {
    let (first, status) = checked("b1");
    let (second, _) = checked("b2");
    let proxy = pair(first.address(), second.address(), CHECK);
    let probes = || first.seen().iter().filter(|seen| seen.target == "/health").count();
    let down = || proxy.metric("speedmimi_backend_up", &[("backend", "b1")]) == 0.0;
    eventually("the first probe", || probes() >= 1);
    status.store(503, Ordering::SeqCst);
    let before = probes();
    eventually("it is down", down);
    assert!(probes() >= before + 2, "two failures, not one, take it out");
    status.store(204, Ordering::SeqCst);
    let before = probes();
    eventually("it is up", || !down());
    assert!(probes() >= before + 2, "two successes, not one, bring it back");
}

#[test]
fn a_single_failure_takes_nothing_out() {
    let count = Arc::new(AtomicU16::new(0));
    let shared = count.clone();
    let flaky = Backend::serve(move |seen, conn| {
        let every_second = seen.target == "/health" && shared.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        conn.respond(if every_second { "500 Oops" } else { "200 OK" }, "", "b1")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(flaky.address()).upstream(CHECK));
    eventually("ten probes of which every second failed", || {
        assert_eq!(proxy.metric("speedmimi_backend_up", &[]), 1.0);
        count.load(Ordering::SeqCst) >= 10
    });
}

#[test]
fn expect_status_says_what_passes() {
    let (backend, status) = checked("b1");
    status.store(418, Ordering::SeqCst);
    let check = "health_check: {path: /health, interval: 100ms, failures: 1, successes: 1, expect_status: 418}";
    let proxy = Proxy::start(&Config::one(backend.address()).upstream(check));
    let probes = || backend.seen().iter().filter(|seen| seen.target == "/health").count();
    eventually("three probes", || probes() >= 3);
    proxy.get("/").assert_forwarded(200);
    status.store(200, Ordering::SeqCst);
    eventually("another status fails", || proxy.get("/").status == 503);
}

#[test]
fn a_check_of_one_backend_goes_before_that_of_its_upstream() {
    let ((first, status), (second, _)) = (checked("b1"), checked("b2"));
    status.store(500, Ordering::SeqCst);
    let config = Config::new()
        .backend("b2", second.address())
        .backend_with("b1", first.address(), "health_check: {type: tcp, interval: 100ms}")
        .upstream(CHECK);
    let proxy = Proxy::start(&config);
    eventually("probes of b2", || second.seen().iter().filter(|seen| seen.target == "/health").count() > 5);
    assert_eq!(answering(&proxy).len(), 2, "b1 is only connected to");
    assert!(first.seen().iter().all(|seen| seen.target != "/health"));
}

#[test]
fn a_probe_that_hangs_fails_after_its_timeout() {
    let hanging = Backend::serve(|seen, conn| {
        if seen.target == "/health" {
            conn.hang();
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", "b1")?;
        Ok(Next::Keep)
    });
    let second = named("b2");
    let check = "health_check: {path: /health, interval: 100ms, timeout: 200ms, failures: 2, successes: 1}";
    let proxy = pair(hanging.address(), second.address(), check);
    eventually_only(&proxy, &["b2"]);
}

#[test]
fn a_tcp_check_takes_a_backend_out_and_back() {
    let (mut first, second) = (named("b1"), named("b2"));
    let address = first.address();
    let check = "health_check: {type: tcp, interval: 100ms, failures: 2, successes: 1}";
    let proxy = pair(address, second.address(), check);
    eventually_only(&proxy, &["b1", "b2"]);
    first.stop();
    eventually("b1 is down", || proxy.metric("speedmimi_backend_up", &[("backend", "b1")]) == 0.0);
    assert_eq!(answering(&proxy), HashSet::from(["b2".to_owned()]));
    let _again = Backend::raw_at(address, |conn| {
        while conn.read_head()?.is_some() {
            conn.respond("200 OK", "", "b1")?;
        }
        Ok(())
    });
    eventually_only(&proxy, &["b1", "b2"]);
}

#[test]
fn all_down_by_active_checks_is_503_no_backend() {
    let ((first, one), (second, two)) = (checked("b1"), checked("b2"));
    let proxy = pair(first.address(), second.address(), CHECK);
    one.store(500, Ordering::SeqCst);
    two.store(500, Ordering::SeqCst);
    eventually("all are down", || proxy.metric("speedmimi_backend_up", &[]) == 0.0);
    proxy.get("/").assert_refused(503, "no_backend");
    one.store(200, Ordering::SeqCst);
    eventually_only(&proxy, &["b1"]);
}

#[test]
fn backends_are_taken_for_up_at_the_start() {
    let (backend, status) = checked("b1");
    status.store(500, Ordering::SeqCst);
    let check = "health_check: {path: /health, interval: 60s, failures: 3}";
    let proxy = Proxy::start(&Config::one(backend.address()).upstream(check));
    proxy.get("/").assert_forwarded(200);
}

#[test]
fn probes_hold_no_slot_and_are_no_traffic() {
    let (backend, _) = checked("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).upstream(CHECK));
    eventually("five probes", || backend.flight().total() >= 5);
    assert_eq!(proxy.metric("speedmimi_backend_admitted_total", &[]), 0.0);
    assert_eq!(proxy.metric("speedmimi_client_requests_total", &[]), 0.0);
}

#[test]
fn connect_failures_make_others_preferred() {
    let (hole, good) = (Blackhole::new(), named("good"));
    let proxy = pair(hole.address(), good.address(), "timeouts: {connect: 300ms}");
    let mut client = proxy.client();
    let mut quick = 0;
    eventually("the dead one is avoided", || {
        let start = Instant::now();
        assert_eq!(client.get("/").text(), "good");
        quick = if start.elapsed() < Duration::from_millis(300) { quick + 1 } else { 0 };
        quick == 10
    });
    assert_eq!(proxy.metric("speedmimi_backend_ejected", &[("backend", "b1")]), 1.0);
}

#[test]
fn passive_signals_alone_never_empty_an_upstream() {
    let (first, second) = (refused(), refused());
    let proxy = pair(first, second, "timeouts: {connect: 1s}");
    let mut client = proxy.client();
    for _ in 0..50 {
        client.get("/").assert_refused(502, "connect_failed");
    }
    // One comes back: nothing stands in the way of using it at once.
    let _again = Backend::raw_at(second, |conn| {
        while conn.read_head()?.is_some() {
            conn.respond("200 OK", "", "back")?;
        }
        Ok(())
    });
    assert_eq!(client.get("/").text(), "back");
}
