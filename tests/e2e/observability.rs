//! What the proxy tells: metrics, readiness, access log, error log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Backend, Config, Next, Proxy, eventually, eventually_some, named, refused};

#[test]
fn health_readiness_and_metrics_are_served_on_the_admin_address_only() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    assert_eq!(proxy.admin("/healthz").status, 200);
    assert_eq!(proxy.admin("/readyz").status, 200);
    let metrics = proxy.admin("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.field("content-type").starts_with("text/plain"), "{metrics:#?}");
    assert_eq!(proxy.admin("/no-such-page").status, 404);
    assert_eq!(proxy.get("/metrics").text(), "b1", "the traffic port belongs to the backends");
}

#[test]
fn admin_checks_the_host_field() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = crate::harness::Client::connect(proxy.admin_address());
    client.send("GET /metrics HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n");
    let response = client.response();
    assert!((400..500).contains(&response.status), "a rebound name must not read metrics: {response:#?}");
}

#[test]
fn every_sample_has_a_type_and_no_series_comes_twice() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    proxy.get("/").assert_forwarded(200);
    let text = proxy.metrics();
    let types: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(series), "twice: {series}");
        let name = series.split('{').next().unwrap_or_default();
        assert!(name.starts_with("speedmimi_"), "{line}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            types.get(family).filter(|kind| **kind == "histogram" || **kind == "summary").map(|_| family)
        });
        let kind = types.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("no TYPE for {line}"));
        assert_eq!(name.ends_with("_total"), *kind == "counter", "counters and nothing else end in _total: {line}");
    }
}

#[test]
fn requests_are_counted_by_route_class_and_reason() {
    let backend = Backend::serve(|seen, conn| {
        conn.respond(if seen.target == "/404" { "404 No" } else { "200 OK" }, "", "")?;
        Ok(Next::Keep)
    });
    let config = Config::one(backend.address())
        .backend_of("dead", "d1", refused(), "")
        .route("live", "path: /")
        .route("live", "upstream: default")
        .route("dead", "path: /dead")
        .route("dead", "upstream: dead");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    for target in ["/", "/", "/404", "/dead"] {
        client.get(target);
    }
    eventually("all are counted", || proxy.metric("speedmimi_client_requests_total", &[]) == 4.0);
    let text = proxy.metrics();
    let of = |labels| proxy.metric("speedmimi_requests_total", labels);
    assert_eq!(of(&[("route", "live")]), 3.0, "{text}");
    assert_eq!(of(&[("route", "dead")]), 1.0, "{text}");
    assert_eq!(proxy.metric("speedmimi_request_errors_total", &[("reason", "connect_failed")]), 1.0, "{text}");
    assert_eq!(proxy.metric("speedmimi_backend_finished_total", &[("backend", "b1")]), 3.0, "{text}");
    proxy.assert_at_rest();
}

#[test]
fn labels_are_bounded_never_by_client_or_path() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    proxy.get("/first").assert_forwarded(200);
    let before = proxy.metrics().lines().count();
    for n in 0..50 {
        proxy.get(&format!("/path-{n}")).assert_forwarded(200);
    }
    let text = proxy.metrics();
    assert_eq!(text.lines().count(), before);
    assert!(!text.contains("path-1") && !text.contains(&backend.address().port().to_string()), "{text}");
}

fn lines(proxy: &Proxy, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(proxy.path(name)).unwrap_or_default();
    let whole = text.lines().filter(|_| text.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn the_access_log_tells_each_exchange_in_one_json_line() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).top("access_log: {format: json, file: access.log}"));
    let mut client = proxy.client();
    client.get("/one?q=\"1\"").assert_forwarded(200);
    client.get("/two").assert_forwarded(200);
    let all = eventually_some("two lines", || Some(lines(&proxy, "access.log")).filter(|all| all.len() == 2));
    let first = &all[0];
    for (field, expected) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "GET".into()),
        ("host", "e2e.test".into()),
        ("path", "/one?q=\"1\"".into()),
        ("version", "HTTP/1.1".into()),
        ("status", 200.into()),
        ("upstream", "default".into()),
        ("backend", "b1".into()),
        ("protocol", "http".into()),
        ("reason", Value::Null),
        ("tries", 1.into()),
        ("reused", false.into()),
    ] {
        assert_eq!(first[field], expected, "{field} in {first:#}");
    }
    for field in ["bytes_in", "bytes_out", "duration_us", "first_byte_us", "connect_us"] {
        assert!(first[field].as_u64().is_some(), "{field} in {first:#}");
    }
    let time = first["time"].as_str().unwrap_or_default();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{first:#}");
    assert_eq!(all[1]["path"], "/two");
}

#[test]
fn the_access_log_names_the_reason_of_the_answer() {
    let config = Config::one(refused()).server("limits: {body: 10}").top("access_log: {file: access.log}");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    client.get("/").assert_refused(502, "connect_failed");
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 11\r\n\r\n");
    client.response().assert_refused(413, "body_too_large");
    let mut client = proxy.client();
    client.send("nonsense\r\n\r\n");
    client.response().assert_refused(400, "bad_request");
    let all = eventually_some("three lines", || Some(lines(&proxy, "access.log")).filter(|all| all.len() == 3));
    // Two connections may have two workers, whose lines come in any order.
    let told: BTreeSet<(u64, &str)> = all
        .iter()
        .map(|line| (line["status"].as_u64().unwrap_or_default(), line["reason"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(told, [(400, "bad_request"), (413, "body_too_large"), (502, "connect_failed")].into());
}

#[test]
fn the_access_log_cannot_be_forged() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).top("access_log: {file: access.log}"));
    let mut client = proxy.client();
    client.send(b"GET /\"},{\"status\":1,\"x\":\"\\\xff\xc2\x9b HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.response();
    let all = eventually_some("a line", || Some(lines(&proxy, "access.log")).filter(|all| !all.is_empty()));
    assert_eq!(all.len(), 1, "one request, one line: {all:#?}");
}

#[test]
fn the_client_of_the_access_log_is_the_one_behind_trusted_proxies() {
    let backend = named("b1");
    let config = Config::one(backend.address())
        .server("trusted_proxies: [127.0.0.1, 10.0.0.0/8]")
        .server("real_ip_header: X-Forwarded-For")
        .top("access_log: {file: access.log}");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6, 5.5.5.5, 10.0.0.1\r\n\r\n");
    client.response().assert_forwarded(200);
    let all = eventually_some("a line", || Some(lines(&proxy, "access.log")).filter(|all| !all.is_empty()));
    assert_eq!(all[0]["client"], "5.5.5.5");
}

#[test]
fn sigusr1_opens_the_access_log_anew() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).top("access_log: {file: access.log}"));
    let mut client = proxy.client();
    client.get("/before").assert_forwarded(200);
    eventually("the first line", || lines(&proxy, "access.log").len() == 1);
    fs::rename(proxy.path("access.log"), proxy.path("access.log.1")).expect("the log can be moved away");
    proxy.signal(Signal::USR1);
    let mut asked = 0;
    eventually("a line in the new file", || {
        client.get(&format!("/after-{asked}")).assert_forwarded(200);
        asked += 1;
        !lines(&proxy, "access.log").is_empty()
    });
    eventually("no line is lost", || {
        lines(&proxy, "access.log").len() + lines(&proxy, "access.log.1").len() == asked + 1
    });
}

#[test]
fn the_error_log_is_json_where_nobody_sits_at_a_terminal() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    proxy.get("/").assert_forwarded(200);
    let log = eventually_some("a line", || Some(proxy.log()).filter(|log| !log.is_empty()));
    for line in log {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
    }
}

#[test]
fn each_bound_address_is_logged_once() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    for address in [proxy.address(), proxy.grpc_address(), proxy.admin_address()] {
        let count = proxy.log().iter().filter(|line| line.contains(&address.to_string())).count();
        assert_eq!(count, 1, "{address} in {:#?}", proxy.log());
    }
}
