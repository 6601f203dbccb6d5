//! Starting without a file: flags, the demo, the example backend. These use the fixed default ports of management,
//! so they run one after the other, and only where the ports are free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::{Client, Process, SPEEDMIMI, get, named, run};

static FIXED: Mutex<()> = Mutex::new(());

/// Exclusive use of ports that the program fixes; `None`, said aloud, when something else has one of them.
fn fixed_ports(ports: &[u16]) -> Option<MutexGuard<'static, ()>> {
    let guard = FIXED.lock().unwrap_or_else(PoisonError::into_inner);
    for port in ports {
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
            eprintln!("SKIPPED: this test needs port {port}, which is in use: {error}");
            return None;
        }
    }
    Some(guard)
}

fn announced(process: &mut Process) -> SocketAddr {
    process.out_line("the ready line of --announce", |line| {
        let json: serde_json::Value = serde_json::from_str(line).ok()?;
        json.pointer("/listeners/main")?.as_str()?.parse().ok()
    })
}

#[test]
fn backends_can_be_given_as_flags() {
    let Some(_ports) = fixed_ports(&[9090, 9091]) else { return };
    let (first, second) = (named("b1"), named("b2"));
    let mut command = Command::new(SPEEDMIMI);
    command.args(["run", "--host", "127.0.0.1", "--port", "0", "--algorithm", "round_robin", "--announce"]);
    command.args(["--backend", &first.address().to_string(), "--backend", &second.address().to_string()]);
    let mut process = Process::start(&mut command);
    let address = announced(&mut process);
    let mut client = Client::connect(address);
    let mut answers: Vec<String> = (0..4).map(|_| client.get("/").text()).collect();
    answers.sort();
    assert_eq!(answers, ["b1", "b1", "b2", "b2"]);
}

#[test]
fn the_demo_is_the_product_in_one_command() {
    let Some(_ports) = fixed_ports(&[8080, 9090, 9091]) else { return };
    let mut process = Process::start(Command::new(SPEEDMIMI).arg("demo"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let ids = std::collections::HashSet::<String>::from_iter(crate::harness::eventually_some("three backends", || {
        std::net::TcpStream::connect(address).ok()?;
        let answers: Vec<String> = (0..30).map(|_| get(address, "/").text()).collect();
        let distinct = std::collections::HashSet::<&String>::from_iter(&answers).len();
        (distinct >= 3).then_some(answers)
    }));
    assert!(ids.len() >= 3, "{ids:?}");
    let text = [process.out(), process.log()].concat().join("\n");
    let commands = text.lines().filter(|line| line.contains("curl") || line.contains("speedctl")).count();
    assert!(commands >= 5, "five commands to try: {text}");
}

#[test]
fn the_example_backend_answers_as_described() {
    let mut process = Process::start(Command::new(SPEEDMIMI).args(["backend", "--port", "0", "--id", "one"]));
    let port: u16 = process.out_line("its address", |line| {
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        line.match_indices("127.0.0.1:")
            .chain(line.match_indices("0.0.0.0:"))
            .find_map(|(at, found)| digits(&line[at + found.len()..]))
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = Client::connect(address);
    let root = client.get("/");
    assert!(root.text().contains("one"), "{root:#?}");
    serde_json::from_slice::<serde_json::Value>(&root.body).expect("who am I, as JSON");
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/status/418").status, 418);
    assert_eq!(client.get("/bytes/12345").body.len(), 12345);
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nX-Sent: sent\r\nContent-Length: 4\r\n\r\nbody");
    let echo = client.response().text();
    assert!(echo.contains("body") && echo.to_lowercase().contains("x-sent"), "{echo}");
    let events = get(address, "/sse?events=3&interval_ms=1");
    assert!(events.field("content-type").starts_with("text/event-stream"));
    assert_eq!(events.text().matches("data:").count(), 3);
    let watch = std::time::Instant::now();
    assert_eq!(get(address, "/slow?ms=200").status, 200);
    assert!(watch.elapsed() >= std::time::Duration::from_millis(200));
}

#[test]
fn run_without_file_and_without_backend_is_bad_usage() {
    run(Command::new(SPEEDMIMI).arg("run")).assert_code(64);
}
