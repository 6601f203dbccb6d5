//! The configurations that stand in `configs/`: each loads, and means what it says.

#![allow(clippy::panic, reason = "a helper of a test fails the test")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use speedmimi_model::{
    AccessLog, Algorithm, Backend, Config, HealthCheck, HostPattern, Management, PathMatch, Pool, Protocols, Role,
    Server, Timeouts, TimeoutsPatch, parse,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect("a file of configs/")
}

fn load(name: &str) -> Config {
    let text = text(name);
    parse(name, &text).unwrap_or_else(|faults| panic!("{}", faults.render(name, &text, false)))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn every_file_loads_and_survives_being_written_and_read_again() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).expect("configs/") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let config = load(&name);
        assert_eq!(parse("yaml", &config.to_yaml()).as_ref(), Ok(&config), "{name}");
        assert_eq!(parse("json", &config.to_json().to_string()), Ok(config), "{name}");
        count += 1;
    }
    assert!(count >= 4, "{count} files");
}

#[test]
fn the_example_means_what_it_says() {
    let networks = ["127.0.0.1/32", "10.0.0.0/8"].map(|network| network.parse().expect("a network"));
    let server = Server {
        host: "0.0.0.0".into(),
        port: 8080,
        read_timeout: seconds(30),
        write_timeout: seconds(30),
        max_conn: 10_000,
        real_ip_header: Some("x-real-ip".into()),
        trusted_proxies: networks.to_vec(),
        ..Server::default()
    };
    let check = HealthCheck {
        path: "/health".into(),
        interval: seconds(30),
        timeout: seconds(5),
        failures: 3,
        ..HealthCheck::default()
    };
    let backend = Backend {
        id: "backend1".into(),
        name: Some("Backend Server 1".into()),
        weight: 100,
        active: true,
        max_conn: 1000,
        health_check: Some(check.clone()),
        ..Backend::new("127.0.0.1", 8081)
    };
    let config = load("config.yaml");
    assert_eq!(config.server, server);
    assert_eq!(config.upstreams.keys().collect::<Vec<_>>(), ["default"]);
    let upstream = &config.upstreams["default"];
    assert_eq!(upstream.backends, [Arc::new(backend)]);
    assert_eq!(upstream.backends[0].health_check(upstream), Some(&check));
    assert_eq!(config.grpc, Management::on(9090));
    assert_eq!(config.admin, Management::on(9091));
    assert_eq!(config.access_log, None);

    assert_eq!(config.routes.keys().collect::<Vec<_>>(), ["default"]);
    let route = &config.routes["default"];
    assert_eq!((route.hosts.as_slice(), &route.path), (&[][..], &PathMatch::Prefix("/".into())));
    assert_eq!(route.upstream, "default");
    let algorithm =
        |protocol: fn(&Protocols) -> Option<Algorithm>| Config::algorithm_for(protocol, Some(route), upstream);
    assert_eq!(algorithm(|_| None), Algorithm::LeastConnectionsWeight);
    assert_eq!(algorithm(|protocols| protocols.websocket), Algorithm::IpHash);
    assert_eq!(algorithm(|protocols| protocols.sse), Algorithm::IpHash);
}

#[test]
fn the_smallest_has_four_lines_and_every_default() {
    assert_eq!(text("smallest.yaml").lines().count(), 4);
    let config = load("smallest.yaml");
    assert_eq!(config, Config::for_backends([("127.0.0.1".to_owned(), 8081)]));
    assert_eq!(config.upstreams["default"].backends[0].id, "127.0.0.1:8081");
    assert_eq!(config.implicit_upstream(), Some("default"));
}

/// What `full.yaml` writes out is what is so anyway.
#[test]
fn the_full_one_says_nothing_but_defaults() {
    let mut config = load("full.yaml");
    let upstream = config.upstreams.get_mut("default").expect("its upstream");
    assert_eq!(upstream.load_balancer.take(), Some(Algorithm::default()));
    let none = TimeoutsPatch::default();
    let written = std::mem::take(&mut upstream.timeouts);
    assert_eq!(Timeouts::resolve(&written, &none), Timeouts::resolve(&none, &none));
    assert_eq!(upstream.health_check.take(), Some(HealthCheck::default()));
    let route = config.routes.remove("default").expect("its route");
    assert_eq!(route.path, PathMatch::Prefix("/".into()));
    assert_eq!((route.timeouts, route.headers, route.protocols), Default::default());
    assert_eq!(config, Config::for_backends([("127.0.0.1".to_owned(), 8081)]));
}

#[test]
fn every_key_stands_in_the_full_one() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            let later = |schema: &serde_json::Value| {
                schema["description"].as_str().is_some_and(|told| told.starts_with("Not available"))
            };
            found.extend(properties.iter().filter(|(_, schema)| !later(schema)).map(|(key, _)| key.clone()));
        }
        match schema {
            serde_json::Value::Object(entries) => entries.values().for_each(|schema| keys(schema, found)),
            serde_json::Value::Array(items) => items.iter().for_each(|schema| keys(schema, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    keys(&speedmimi_model::schema(), &mut found);
    assert!(found.len() > 60, "{found:?}");
    let text = text("full.yaml");
    for key in found {
        // `host` of a route is another way to write `hosts`.
        let stands = ["", "{", " ", "# "].iter().any(|before| text.contains(&format!("{before}{key}:")));
        assert!(stands || text.contains(&format!("{key}, ")), "{key} is not in full.yaml");
    }
}

#[test]
fn the_one_for_ai_backends_holds_streams_and_slots() {
    let config = load("ai-backends.yaml");
    assert_eq!(config.server.limits.body, 32 * 1024 * 1024);
    let models = &config.upstreams["models"];
    assert_eq!(models.backends.iter().map(|backend| backend.max_conn).collect::<Vec<_>>(), [32, 32, 16]);
    assert_eq!(models.backends[2].labels["cards"], "4");
    let clocks = |route: &str| Timeouts::resolve(&models.timeouts, &config.routes[route].timeouts);
    assert_eq!((clocks("chat").first_byte, clocks("chat").total), (seconds(600), None));
    assert_eq!((clocks("models-list").first_byte, clocks("models-list").total), (seconds(10), Some(seconds(30))));
    let realtime = &config.routes["realtime"];
    assert_eq!(realtime.hosts[1], HostPattern::Wildcard("voice.example.com".into()));
    assert_eq!(realtime.protocols.websocket, Some(Algorithm::IpHash));
    assert_eq!(models.pool, Pool { max_idle: 128, idle_timeout: seconds(300), max_requests: 0 });
    let log = AccessLog { file: Some("access.log".into()), ..parsed_log("on") };
    assert_eq!(config.access_log, Some(log));
}

fn parsed_log(value: &str) -> AccessLog {
    let text = format!("{{backends: {{default: {{host: a, port: 1}}}}, access_log: {value}}}");
    parse("log", &text).expect("a valid file").access_log.expect("it is on")
}

#[test]
fn short_forms_mean_the_long_ones() {
    let long = "{backends: {a: [{host: '::1', port: 1}]}, server: {trusted_proxies: [10.0.0.1], workers: 2}, \
                log: {level: debug}, routing: {r: {hosts: [a.b], upstream: a}}}";
    let short = "{backends: {a: {host: '[::1]', port: '1'}}, server: {trusted_proxies: 10.0.0.1/32, workers: 2}, \
                 log: debug, access_log: off, routing: {r: {host: A.b., upstream: a}}, ssl: {enabled: False}}";
    let config = parse("long", long).expect("a valid file");
    assert_eq!(parse("short", short).as_ref(), Ok(&config));
    assert_eq!(config.upstreams["a"].backends[0].id, "[::1]:1");
    assert_eq!(config.server.workers, NonZeroUsize::new(2));
    assert_eq!(parse("byte order mark", &format!("\u{feff}# comment\r\n{long}\r\n")), Ok(config));
}

/// What later versions will do anyway may be spelled out today.
#[test]
fn defaults_of_later_keys_are_accepted_and_nothing_else() {
    let upstream = |policy: &str| format!("{{backends: {{u: []}}, upstreams: {{u: {{{policy}}}}}}}");
    for (policy, other) in [
        (
            "retry: {max_retries: 2, backoff_factor: 0.5, statuses: [], budget_percent: 20, budget_min: 3, buffer: 64KiB}",
            "retry: {max_retries: 3}",
        ),
        (
            "circuit_breaker: {failure_threshold: 5, success_threshold: 3, timeout: 60s, max_ejected_percent: 50, last_backend: keep}",
            "circuit_breaker: {last_backend: open}",
        ),
        ("affinity: {}", "affinity: {type: cookie}"),
        ("affinity: {type: none, wait: 5s}", "affinity: {key_file: F}"),
    ] {
        assert!(parse("default", &upstream(policy)).is_ok(), "{policy}");
        let faults = parse("other", &upstream(other)).expect_err("it asks for something").to_string();
        assert!(faults.contains("not available in this version"), "{faults}");
    }
    for (section, other) in [
        ("overload: {swap: {warning: 30, critical: 50}}", "overload: {swap: {warning: 31}}"),
        ("overload: {connections: {warning: 75, critical: 94}}", "overload: {connections: {critical: 95}}"),
        ("ssl: {enabled: false, certificates: []}", "ssl: {enabled: false, client_ca_file: ca.pem}"),
    ] {
        let root = |section: &str| format!("{{backends: {{u: []}}, {section}}}");
        assert!(parse("default", &root(section)).is_ok(), "{section}");
        let faults = parse("other", &root(other)).expect_err("it asks for something").to_string();
        assert!(faults.contains("not available in this version"), "{faults}");
    }
}

#[test]
fn management_for_other_machines_says_who_may_do_what() {
    let config = load("management.yaml");
    for management in [&config.grpc, &config.admin] {
        assert!(!management.is_local() && management.tls.is_some());
        let auth = management.auth.as_ref().expect("it says who may call");
        assert_eq!(auth.tokens_file.as_deref(), Some(Path::new("certs/tokens")));
    }
    let clients = &config.grpc.auth.as_ref().expect("it says who may call").clients;
    let told: Vec<_> = clients.iter().map(|one| (one.san.as_str(), one.role, one.upstreams.len())).collect();
    assert_eq!(told, [("ops.example.com", Role::Admin, 0), ("spiffe://example.com/models", Role::Operate, 1)]);
}
