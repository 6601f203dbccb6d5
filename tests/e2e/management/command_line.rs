//! `speedctl`: every verb, its table, its JSON, its exit codes.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Backend, Config, Ended, Gate, Proxy, SPEEDCTL, eventually, gated, named, refused, run, silent};

fn speedctl(proxy: &Proxy, args: &[&str]) -> Ended {
    run(Command::new(SPEEDCTL).arg("--endpoint").arg(format!("http://{}", proxy.grpc_address())).args(args))
}

fn json(proxy: &Proxy, args: &[&str]) -> Value {
    let ended = speedctl(proxy, &[&["--output", "json"], args].concat()).assert_code(0);
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.out))
}

/// The first value under this key, anywhere.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

fn one() -> (Backend, Proxy) {
    let backend = named("backend1");
    let proxy = Proxy::start(&Config::new().backend("backend1", backend.address()));
    (backend, proxy)
}

#[test]
fn max_conn_of_the_only_backend_can_be_set_in_each_way_of_naming_it() {
    let (_backend, proxy) = one();
    for (n, args) in [
        &["backend", "update", "--max-conn"][..],
        &["backend", "update", "backend1", "--max-conn"],
        &["backend", "update", "default/backend1", "--max-conn"],
        &["backend", "update", "--upstream", "default", "--id", "backend1", "--max-conn"],
    ]
    .iter()
    .enumerate()
    {
        let max_conn = (200 + n).to_string();
        speedctl(&proxy, &[args, &[max_conn.as_str()][..]].concat()).assert_code(0);
        let list = json(&proxy, &["backend", "list"]);
        assert_eq!(find(&list, "max_conn"), Some(&Value::from(200 + n)), "{list:#}");
        assert!(speedctl(&proxy, &["backend", "list"]).assert_code(0).out.contains(&max_conn));
    }
    assert_eq!(proxy.management().backend("backend1").max_conn, Some(203));
}

#[test]
fn a_name_that_is_missing_or_ambiguous_lists_the_choices() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::new().backend("first", first.address()).backend("second", second.address()));
    let ended = speedctl(&proxy, &["backend", "update", "--max-conn", "5"]);
    assert!(matches!(ended.code, Some(2 | 4 | 6)), "{ended:#?}");
    assert!(ended.err.contains("first") && ended.err.contains("second"), "{ended:#?}");
}

#[test]
fn every_verb_on_backends_does_what_it_says() {
    let gate = Gate::default();
    let (first, second) = (named("b1"), gated("b2", &gate));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let port = second.address().port().to_string();
    let add =
        ["backend", "add", "--id", "b2", "--host", "127.0.0.1", "--port", &port, "--weight", "7", "--max-conn", "3"];
    speedctl(&proxy, &add).assert_code(0);
    assert_eq!((management.backend("b2").weight, management.backend("b2").max_conn), (Some(7), Some(3)));
    assert_eq!(find(&json(&proxy, &["backend", "get", "b2"]), "weight"), Some(&7.into()));

    speedctl(&proxy, &["backend", "disable", "b1"]).assert_code(0);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("b2 has it", || second.flight().current() == 1);
    speedctl(&proxy, &["backend", "enable", "b1"]).assert_code(0);
    speedctl(&proxy, &["backend", "disconnect", "b2"]).assert_code(0);
    eventually("it is cut", || second.flight().current() == 0);
    assert_eq!(proxy.get("/").text(), "b1");
    speedctl(
        &proxy,
        &["backend", "report", "b1", "--cpu-usage", "45.2", "--memory-usage", "67.8", "--load-avg-1", "2.1"],
    )
    .assert_code(0);
    let report = management.status("b1").report.and_then(|report| report.performance).expect("a report");
    assert_eq!((report.cpu_usage, report.memory_usage, report.load_avg_1), (Some(45.2), Some(67.8), Some(2.1)));
    speedctl(&proxy, &["backend", "remove", "b2"]).assert_code(0);
    assert!(!speedctl(&proxy, &["backend", "list"]).assert_code(0).out.contains("b2"));
}

#[test]
fn dry_run_and_expected_revision_guard_a_change() {
    let (_backend, proxy) = one();
    let management = proxy.management();
    speedctl(&proxy, &["backend", "update", "--max-conn", "9", "--dry-run"]).assert_code(0);
    assert_ne!(management.backend("backend1").max_conn, Some(9));
    let revision = management.status("backend1").revision.to_string();
    let update = ["backend", "update", "--max-conn", "9", "--expected-revision"];
    speedctl(&proxy, &[&update[..], &[revision.as_str()]].concat()).assert_code(0);
    speedctl(&proxy, &[&update[..], &[revision.as_str()]].concat()).assert_code(5);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let (_backend, proxy) = one();
    let port = refused().port().to_string();
    for (code, args) in [
        (0, &["backend", "list"][..]),
        (2, &["backend", "no-such-verb"]),
        (2, &["backend", "update", "--no-such-flag"]),
        (4, &["backend", "get", "nobody"]),
        (5, &["backend", "add", "--id", "backend1", "--host", "127.0.0.1", "--port", &port]),
        (6, &["backend", "update", "--weight", "5000"]),
        (0, &["backend", "update", "--max-conn", "5", "--request-id", "x"]),
        (6, &["backend", "update", "--max-conn", "6", "--request-id", "x"]),
    ] {
        let ended = speedctl(&proxy, args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:#?}");
        assert!(code == 0 || !ended.err.is_empty(), "{args:?}: a failure says why");
    }
    let nobody = format!("http://{}", refused());
    run(Command::new(SPEEDCTL).args(["--endpoint", &nobody, "backend", "list"])).assert_code(3);
}

#[test]
fn a_refusal_names_the_field_and_what_is_allowed() {
    let (_backend, proxy) = one();
    let ended = speedctl(&proxy, &["backend", "update", "--weight", "5000"]).assert_code(6);
    assert!(ended.err.contains("weight") && ended.err.contains("1000"), "{ended:#?}");
}

#[test]
fn server_stats_and_config_have_their_verbs() {
    let (_backend, proxy) = one();
    proxy.get("/").assert_forwarded(200);
    let info = json(&proxy, &["server", "info"]);
    assert_eq!(find(&info, "changes_are_volatile"), Some(&Value::Bool(false)), "{info:#}");
    assert!(speedctl(&proxy, &["server", "info"]).assert_code(0).out.contains("they are there after a restart"));
    for args in [&["stats", "server"][..], &["stats", "upstream"], &["stats", "backend"]] {
        assert!(json(&proxy, args).is_object(), "{args:?}");
        assert!(!speedctl(&proxy, args).assert_code(0).out.is_empty(), "{args:?}");
    }
    assert!(speedctl(&proxy, &["config", "get"]).assert_code(0).out.contains("backend1"));
    speedctl(&proxy, &["config", "reload"]).assert_code(0);
    proxy.rewrite("nonsense: 1\n");
    let ended = speedctl(&proxy, &["config", "reload"]).assert_code(6);
    assert!(ended.err.contains("nonsense"), "{ended:#?}");
}

#[test]
fn output_can_be_yaml_and_flags_can_be_environment() {
    let (_backend, proxy) = one();
    let ended = speedctl(&proxy, &["--output", "yaml", "backend", "list"]).assert_code(0);
    assert!(ended.out.contains("id: backend1"), "{ended:#?}");
    // Taken from the environment of this process by the harness, so it goes through a shell.
    let line =
        format!("SPEEDCTL_ENDPOINT=http://{} SPEEDCTL_OUTPUT=json {SPEEDCTL} backend list", proxy.grpc_address());
    let ended = run(Command::new("sh").args(["-c", &line])).assert_code(0);
    serde_json::from_str::<Value>(&ended.out).expect("JSON");
}

#[test]
fn a_piped_table_has_stable_columns_and_no_colour() {
    let (_backend, proxy) = one();
    let ended = speedctl(&proxy, &["backend", "list"]).assert_code(0);
    assert!(!ended.out.contains('\x1b'), "{ended:#?}");
    assert!(ended.out.lines().count() == 2, "a line of names and one a backend: {ended:#?}");
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(Command::new(SPEEDCTL).args(["completions", shell])).assert_code(0);
        assert!(ended.out.contains("speedctl"), "{shell}");
    }
}

#[test]
fn a_unix_socket_serves_as_well() {
    let backend = named("b1");
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let path = dir.path().join("management.sock");
    let config = Config::one(backend.address()).grpc(&format!("grpc: {{port: 0, unix: {}}}", path.display()));
    let proxy = Proxy::start_in(dir, &config.yaml());
    let endpoint = format!("unix:{}", path.display());
    let ended = run(Command::new(SPEEDCTL).args(["--endpoint", &endpoint, "backend", "list"])).assert_code(0);
    assert!(ended.out.contains("b1"), "{ended:#?}");
    drop(proxy);
}

#[test]
fn streams_are_listed_and_ended_from_the_command_line() {
    let backend = silent();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send("GET /work?secret HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    }
    eventually("the requests arrive", || backend.flight().current() == 3);
    let ended = speedctl(&proxy, &["stream", "list"]).assert_code(0);
    assert_eq!(ended.out.lines().count(), 4, "a line of names and one a stream: {ended:#?}");
    assert!(ended.out.contains("default/b1") && ended.out.contains("GET /work") && !ended.out.contains("secret"));
    let list = json(&proxy, &["stream", "list", "--backend", "b1"]);
    let id = list["streams"][0]["id"].as_str().expect("an id").to_owned();
    speedctl(&proxy, &["stream", "kill"]).assert_code(2);
    speedctl(&proxy, &["stream", "kill", "--client", "nowhere"]).assert_code(6);
    let ended = speedctl(&proxy, &["stream", "kill", &id]).assert_code(0);
    assert!(ended.out.starts_with("1 exchange ended") && ended.out.contains(&id), "{ended:#?}");
    assert_eq!(json(&proxy, &["stream", "kill", &id])["killed"], "0");
    assert_eq!(json(&proxy, &["stream", "kill", "--all"])["killed"], "2");
    assert_eq!(json(&proxy, &["stream", "list"])["total"], "0");
}

#[test]
fn a_pick_is_explained_on_the_command_line() {
    let (_backend, proxy) = one();
    let ended = speedctl(&proxy, &["route", "explain", "--path", "/x"]).assert_code(0);
    assert!(
        ended.out.contains("any host, path begins with /")
            && ended.out.contains("least_connections_weight (the default)")
    );
    assert!(ended.out.contains("(in flight + 1) / weight: the lowest wins"), "{ended:#?}");
    assert_eq!(json(&proxy, &["route", "explain", "default"])["winner"], "backend1");
    let ended = speedctl(&proxy, &["route", "explain", "nobody"]).assert_code(4);
    assert!(ended.err.contains("default"), "it says what there is: {ended:#?}");
}

#[test]
fn the_process_is_turned_up_and_drained_from_the_command_line() {
    let (_backend, mut proxy) = one();
    let ended = speedctl(&proxy, &["server", "log-level", "debug", "--for", "5m"]).assert_code(0);
    assert!(ended.out.starts_with("log level is debug until ") && ended.out.contains("(was info)"), "{ended:#?}");
    assert!(speedctl(&proxy, &["server", "info"]).assert_code(0).out.contains("debug until "));
    speedctl(&proxy, &["server", "log-level", "debug", "--for", "48h"]).assert_code(6);
    assert_eq!(json(&proxy, &["server", "log-level", "--reset"])["level"], "LOG_LEVEL_INFO");
    assert!(speedctl(&proxy, &["server", "drain", "--dry-run"]).assert_code(0).out.contains("would drain"));
    speedctl(&proxy, &["server", "drain", "--graceful-timeout", "48h"]).assert_code(6);
    let ended = speedctl(&proxy, &["server", "drain", "--now"]).assert_code(0);
    assert!(ended.out.starts_with("the process drains: 0 exchanges in flight"), "{ended:#?}");
    assert_eq!(proxy.wait_exit().code(), Some(0));
}
