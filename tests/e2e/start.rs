//! Starting: what is announced, what is refused, and with which exit code.

mod faults;
mod without_file;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::harness::{Backend, Config, Ended, Process, Proxy, SPEEDMIMI, named, refused, run};

/// The example of the document that the product was asked for in, to the letter.
const SEED: &str = include_str!("start/seed.yaml");

/// Writes the text to a file of its own and runs `speedmimi ARGS... FILE` to its end.
fn speedmimi(args: &[&str], yaml: &str) -> Ended {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("config.yaml");
    fs::write(&file, yaml).expect("the temporary folder can be written");
    run(Command::new(SPEEDMIMI).current_dir(dir.path()).args(args).arg(&file))
}

#[test]
fn port_0_is_allowed_everywhere_and_every_address_is_announced() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let addresses = [proxy.address(), proxy.grpc_address(), proxy.admin_address()];
    assert!(addresses.iter().all(|address| address.port() != 0 && address.ip().is_loopback()), "{addresses:?}");
    assert_eq!(proxy.get("/").text(), "b1");
    assert_eq!(proxy.admin("/healthz").status, 200);
}

#[test]
fn workers_come_before_their_management_where_a_core_is_short() {
    let proxy = Proxy::start(&Config::one(named("b1").address()));
    let tasks = fs::read_dir(format!("/proc/{}/task", proxy.pid())).expect("it runs");
    let nice: Vec<(String, i32)> = tasks
        .map(|task| {
            let stat = fs::read_to_string(task.expect("a thread").path().join("stat")).expect("its figures");
            // proc(5): the name stands in parentheses; nice is field 19, the state behind the name field 3.
            let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).expect("a name");
            (name.to_owned(), rest.split_whitespace().nth(16).and_then(|nice| nice.parse().ok()).expect("a number"))
        })
        .collect();
    let of = |name: &str| nice.iter().find(|(known, _)| known == name).map(|(_, nice)| *nice).expect("it is there");
    // Whoever runs this may have been nice already; 19 is the end.
    assert_eq!(of("control"), (of("worker-0") + 5).min(19), "{nice:?}");
}

#[test]
fn the_file_may_be_named_in_each_of_the_accepted_ways() {
    let backend = named("b1");
    let yaml = Config::one(backend.address()).yaml();
    for args in [&["run", "-c"][..], &["-c"], &["run", "-config"], &["-config"]] {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let file = dir.path().join("config.yaml");
        fs::write(&file, &yaml).expect("the temporary folder can be written");
        let mut process = Process::start(Command::new(SPEEDMIMI).args(args).arg(&file).arg("--announce"));
        process
            .out_line(&format!("the ready line after {args:?}"), |line| line.contains("\"ready\":true").then_some(()));
    }
}

#[test]
fn json_is_accepted() {
    let backend = named("b1");
    let json = serde_json::json!({
        "server": {"host": "127.0.0.1", "port": 0},
        "grpc": {"port": 0},
        "admin": {"port": 0},
        "backends": {"default": [{"host": "127.0.0.1", "port": backend.address().port()}]},
    });
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let proxy = Proxy::start_in(dir, &json.to_string());
    assert_eq!(proxy.get("/").text(), "b1");
}

#[test]
fn the_smallest_configuration_is_four_lines() {
    let smallest = "backends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n";
    assert_eq!(smallest.lines().count(), 4);
    speedmimi(&["check", "-c"], smallest).assert_code(0);
}

#[test]
fn the_seed_example_is_valid_unmodified() {
    speedmimi(&["check", "-c"], SEED).assert_code(0);
}

#[test]
fn the_seed_example_serves_with_only_its_ports_changed() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("200 OK", "", "seed")?;
        Ok(crate::harness::Next::Keep)
    });
    let yaml = SEED
        .replace("port: 8080", "port: 0")
        .replace("port: 9090", "port: 0")
        .replace("port: 8081", &format!("port: {}", backend.address().port()));
    let proxy = Proxy::start_in(
        tempfile::tempdir().expect("a temporary folder can be made"),
        &format!("{yaml}\nadmin:\n  port: 0\n"),
    );
    let mut client = crate::harness::Client::connect((std::net::Ipv4Addr::LOCALHOST, proxy.address().port()).into());
    assert_eq!(client.get("/").text(), "seed");
}

#[test]
fn an_address_that_is_taken_is_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free on loopback");
    let port = taken.local_addr().expect("a listener has an address").port();
    let yaml = Config::one(refused()).yaml();
    for (from, what) in [("port: 0\n", "traffic"), ("grpc: {port: 0}", "grpc"), ("admin: {port: 0}", "admin")] {
        let ended = speedmimi(&["run", "-c"], &yaml.replacen(from, &from.replace('0', &port.to_string()), 1));
        assert_eq!(ended.code, Some(1), "{what}: {ended:#?}");
        assert!(ended.err.contains(&port.to_string()), "the message names the address: {ended:#?}");
    }
}

#[test]
fn bad_usage_is_exit_code_64() {
    for args in [&["run", "--no-such-flag"][..], &["no-such-command"], &["check"], &["run", "--backend", "nonsense"]] {
        run(Command::new(SPEEDMIMI).args(args)).assert_code(64);
    }
    run(Command::new(SPEEDMIMI).args(["run", "-c", "/no/such/file.yaml"])).assert_code(64);
}

#[test]
fn help_and_version_are_exit_code_0() {
    for args in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ended = run(Command::new(SPEEDMIMI).args(args)).assert_code(0);
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn schema_is_a_json_schema_of_every_key() {
    let ended = run(Command::new(SPEEDMIMI).arg("schema")).assert_code(0);
    let schema: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    for key in ["server", "ssl", "backends", "upstreams", "routing", "grpc", "admin", "log", "access_log"] {
        assert!(schema.pointer(&format!("/properties/{key}")).is_some(), "no {key} in the schema");
    }
}

#[test]
fn an_unresolved_name_does_not_stop_the_start() {
    let backend = named("b1");
    let yaml = Config::one(backend.address()).yaml().replace(
        "backends:\n  default:\n",
        "backends:\n  default:\n    - {id: lost, host: no-such-host.invalid, port: 80}\n",
    );
    let proxy = Proxy::start_in(tempfile::tempdir().expect("a temporary folder can be made"), &yaml);
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "b1");
    }
}

#[test]
fn a_name_is_resolved() {
    let backend = named("b1");
    let yaml = Config::one(backend.address()).yaml().replace("{id: b1, host: 127.0.0.1", "{id: b1, host: localhost");
    let proxy = Proxy::start_in(tempfile::tempdir().expect("a temporary folder can be made"), &yaml);
    crate::harness::eventually("the name is resolved", || proxy.get("/").status == 200);
}
