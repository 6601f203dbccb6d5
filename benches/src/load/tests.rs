//! The generator against scripted servers on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::*;
use crate::stats::Quantile;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";

/// Serves each connection by `serve` on a thread of its own; they end with their connections.
fn server(serve: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.expect("accepted")));
        }
    });
    address
}

/// Reads one request; false at the end of the connection.
fn request(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn load(target: SocketAddr, mode: Mode, connections: usize) -> Load {
    Load::new(Plan { target, mode, connections, body: 3 }).expect("epoll exists")
}

#[test]
fn closed_loop_counts_every_answer_however_it_is_cut() {
    let target = server(|mut stream| {
        stream.set_nodelay(true).expect("tcp");
        for round in 0.. {
            let cut = round % ANSWER.len();
            if !request(&mut stream) || stream.write_all(&ANSWER[..cut]).is_err() {
                return;
            }
            if stream.write_all(&ANSWER[cut..]).is_err() {
                return;
            }
        }
    });
    let mut load = load(target, Mode::Keepalive, 4);
    let tally = load.run(Duration::from_millis(200), Pace::Closed).expect("no more errors than allowed");
    load.drain().expect("all answered");
    assert!(tally.completed > 40, "only {} answers", tally.completed);
    assert_eq!((tally.errors, tally.reconnects), (0, 0), "{}", tally.why());
}

#[test]
fn new_connections_wait_for_the_other_side_to_close() {
    let target = server(|mut stream| {
        if request(&mut stream) {
            stream.write_all(ANSWER).expect("client reads");
        }
    });
    let mut load = load(target, Mode::New, 4);
    let tally = load.run(Duration::from_millis(200), Pace::Closed).expect("no more errors than allowed");
    load.drain().expect("all answered");
    assert!(tally.completed > 8, "only {} answers", tally.completed);
    assert_eq!(tally.errors, 0, "{}", tally.why());
}

#[test]
fn a_used_connection_may_close_between_requests_without_an_error() {
    let target = server(|mut stream| {
        for _ in 0..5 {
            if !request(&mut stream) || stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    });
    let mut load = load(target, Mode::Keepalive, 2);
    let tally = load.run(Duration::from_millis(200), Pace::Closed).expect("no more errors than allowed");
    assert_eq!(tally.errors, 0, "{}", tally.why());
    assert!(tally.reconnects > 0);
}

#[test]
fn a_wrong_answer_is_an_error_and_too_many_end_the_run() {
    let target = server(|mut stream| {
        while request(&mut stream) && stream.write_all(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n").is_ok() {}
    });
    let mut load = load(target, Mode::Keepalive, 2);
    let error = load.run(Duration::from_secs(20), Pace::Closed).err().expect("every answer is wrong");
    assert!(format!("{error}").contains("503"), "{error}");
}

/// One connection, 100 requests/s, 10 ms each would just do; the server takes 30 ms. The backlog
/// grows by 20 ms a request, and the latency from the due time shows it: a generator that measured
/// from the send would report 30 ms throughout.
#[test]
fn open_loop_measures_from_the_due_time() {
    let target = server(|mut stream| {
        while request(&mut stream) {
            thread::sleep(Duration::from_millis(30)); // the slow server is what is tested against
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    });
    let mut load = load(target, Mode::Keepalive, 1);
    let tally = load.run(Duration::from_millis(300), Pace::Open(100.0)).expect("all answered");
    assert_eq!((tally.completed, tally.errors), (30, 0));
    assert!(tally.latencies.micros(Quantile::P99) > 500_000.0, "{}", tally.latencies.micros(Quantile::P99));
    assert!(tally.elapsed > Duration::from_millis(850), "{:?}", tally.elapsed);
}
