//! A reload changes what differs, all or nothing, and cuts nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tonic::Code;

use crate::harness::{Backend, Client, Config, Dice, Gate, Load, Proxy, eventually, named, soak_seconds, ticking};

/// Writes the file, sends SIGHUP, and waits until the process says how it went.
fn hup(proxy: &Proxy, config: &Config) {
    proxy.rewrite(&config.yaml());
    let before = proxy.metric("speedmimi_config_reloads_total", &[]);
    proxy.signal(Signal::HUP);
    eventually("the reload is over", || proxy.metric("speedmimi_config_reloads_total", &[]) > before);
}

#[test]
fn sighup_applies_the_file() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "b1");
    hup(&proxy, &Config::new().backend("b2", second.address()));
    assert_eq!(client.get("/").text(), "b2", "the client's connection goes on");
    assert_eq!(proxy.get("/").text(), "b2");
}

#[test]
fn the_answer_of_a_reload_says_what_changed() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::new().backend_with("b1", first.address(), "weight: 50"));
    let management = proxy.management();
    let both = Config::new().backend_with("b1", first.address(), "weight: 60").backend("b2", second.address());
    proxy.rewrite(&both.yaml());
    let answer = management.reload().expect("a valid file");
    let told = |path: &str| answer.differences.iter().find(|one| one.path == path).expect(path);
    assert_eq!(told("backends.default.b2.host").before, None, "{answer:#?}");
    let weight = told("backends.default.b1.weight");
    assert_eq!((weight.before.as_deref(), weight.after.as_deref()), (Some("50"), Some("60")));
    assert_eq!(management.backend("b1").weight, Some(60));
    proxy.rewrite(&Config::one(second.address()).yaml());
    let later = management.reload().expect("a valid file");
    let gone = later.differences.iter().any(|one| one.path == "backends.default.b2.host" && one.after.is_none());
    assert!(gone, "{later:#?}");
    assert!(later.revision > answer.revision);
}

#[test]
fn what_did_not_change_keeps_its_counters_and_connections() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..10 {
        client.get("/").assert_forwarded(200);
    }
    let both = Config::one(first.address()).server("workers: 1").backend_with("b2", second.address(), "active: false");
    hup(&proxy, &both);
    for _ in 0..10 {
        client.get("/").assert_forwarded(200);
    }
    assert_eq!(first.accepted(), 1, "the pooled connection lives on");
    assert_eq!(proxy.metric("speedmimi_backend_admitted_total", &[("backend", "b1")]), 20.0);
}

#[test]
fn a_refused_reload_changes_nothing_and_is_logged() {
    let backend = named("b1");
    let config = Config::one(backend.address());
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let before = management.entry("b1");
    let broken = config.yaml().replace("b1", "renamed") + "nonsense: 1\nmore_nonsense: 2\n";
    proxy.rewrite(&broken);
    proxy.signal(Signal::HUP);
    proxy.wait_log("nonsense");
    proxy.wait_log("more_nonsense");
    assert_eq!(proxy.get("/").text(), "b1");
    assert_eq!(management.entry("b1").backend, before.backend);

    let refusal = management.reload().expect_err("a broken file is refused");
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    assert_eq!(proxy.get("/").text(), "b1");

    // The next valid file is taken.
    hup(&proxy, &config);
    assert_eq!(proxy.get("/").text(), "b1");
}

#[test]
fn a_reload_that_needs_a_restart_is_refused_and_names_the_keys() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let other = Config::new().backend("b2", second.address()).server("workers: 1").yaml();
    proxy.rewrite(&other.replace("grpc: {port: 0}", "grpc: {port: 1234}"));
    let refusal = management.reload().expect_err("it needs a restart");
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
    assert!(refusal.message().contains("server.workers"), "{refusal:?}");
    assert!(refusal.message().contains("grpc"), "{refusal:?}");
    proxy.signal(Signal::HUP);
    proxy.wait_log("server.workers");
    assert_eq!(proxy.get("/").text(), "b1", "nothing of it was applied");
}

#[test]
fn a_reload_keeps_what_the_api_changed_and_says_where_they_disagree() {
    let backend = named("b1");
    let config = |weight: u32| Config::new().backend_with("b1", backend.address(), &format!("weight: {weight}"));
    let proxy = Proxy::start(&config(10));
    let management = proxy.management();
    let change = speedmimi_proto::v1::Backend { id: "b1".into(), weight: Some(20), ..Default::default() };
    management.update(change).expect("a valid change");
    proxy.rewrite(&config(30).yaml());
    let answer = management.reload().expect("a valid file");
    assert!(answer.conflicts.iter().any(|line| line.contains("b1")), "{answer:#?}");
    assert_eq!(management.backend("b1").weight, Some(20), "the overlay holds");
}

#[test]
fn removed_backends_finish_what_they_have() {
    let gate = Gate::default();
    let (first, second) = (crate::harness::gated("b1", &gate), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || first.flight().current() == 1);
    hup(&proxy, &Config::new().backend("b2", second.address()));
    assert_eq!(proxy.get("/").text(), "b2");
    gate.open();
    assert_eq!(client.response().text(), "b1");
}

/// Reads streams of numbered events until told to stop and fails when one is cut or skips a number.
fn follow(mut streams: Vec<Client>, stop: &AtomicBool) -> Vec<Client> {
    let mut next = vec![0_u64; streams.len()];
    let mut text = vec![String::new(); streams.len()];
    while !stop.load(Ordering::Relaxed) {
        for (id, stream) in streams.iter_mut().enumerate() {
            let block =
                stream.wire().chunk().unwrap_or_else(|error| panic!("stream {id} after event {}: {error}", next[id]));
            assert!(!block.is_empty(), "stream {id} ended");
            text[id] += &String::from_utf8_lossy(&block);
            while let Some((event, rest)) = text[id].split_once("\n\n") {
                assert_eq!(event, format!("data: {}", next[id]), "stream {id}");
                next[id] += 1;
                text[id] = rest.to_owned();
            }
        }
    }
    streams
}

/// Must-show 7 of the data path, short unless `SPEEDMIMI_SOAK_SECONDS` is 60 or more: then 200 reloads, 1,000 updates.
#[test]
fn reloads_and_updates_under_load_fail_no_request_and_cut_no_stream() {
    let long = soak_seconds() >= 60;
    let (reloads, updates) = if long { (200, 1000) } else { (20, 100) };
    let forever = Gate::default();
    let streaming = ticking(Duration::from_millis(200), &forever);
    let plain: Vec<Backend> = (0..3).map(|n| named(&format!("p{n}"))).collect();
    // Two files that differ in a backend, a weight and a route.
    let file = |odd: bool| {
        let mut config = Config::new().backend_of("streams", "s1", streaming.address(), "");
        config = config.route("events", "path: /events").route("events", "upstream: streams");
        config = config.route("all", "path: /").route("all", "upstream: default");
        config = config.backend("p0", plain[0].address());
        config = config.backend_with("p1", plain[1].address(), if odd { "weight: 10" } else { "weight: 200" });
        if odd {
            config = config.backend("p2", plain[2].address());
            config = config.route("extra", "path: /extra").route("extra", "upstream: default");
        }
        config
    };
    let proxy = Proxy::start(&file(false));
    let management = proxy.management();
    let streams: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/event-stream\r\n\r\n");
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    let dice = Dice::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(streams, &stop));
        let load = Load::start(proxy.address(), 20, "/");
        load.wait_for(200);
        for n in 0..reloads {
            hup(&proxy, &file(n % 2 == 0));
            for _ in 0..updates / reloads {
                let change = speedmimi_proto::v1::Backend {
                    id: format!("p{}", dice.between(0, 2)),
                    max_conn: Some(dice.between(100, 200) as i32),
                    ..Default::default()
                };
                management.update(change).unwrap_or_else(|error| panic!("{dice}: {error}"));
            }
        }
        load.wait_for(200);
        let report = load.stop();
        stop.store(true, Ordering::Relaxed);
        let _open = follower.join().expect("no stream is cut");
        assert_eq!(streaming.flight().current(), 100);
        assert_eq!(streaming.flight().closed(), 0, "the streams are the same ones as at the start");
        assert!(report.failures.is_empty(), "{dice}: {:#?}", report.failures);
    });
    let counted = proxy.metric("speedmimi_config_reloads_total", &[]);
    assert_eq!(counted, f64::from(reloads), "the reload counter");
}
