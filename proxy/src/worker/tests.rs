//! What a request costs a worker in memory: nothing, once it is warm.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use speedmimi_model::{AccessFormat, Config};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};

use super::{Said, Setup, run};
use crate::listen;
use crate::live::Live;
use crate::snapshot::{Addresses, Snapshot};
use crate::telemetry::access_log::AccessLog;

const REQUESTS: usize = 5_000;
const CONNECTIONS: usize = 16;

/// Answers whatever it is asked with the same bytes, over as many connections as come; requests fit one read.
fn backend(answer: &'static [u8]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free on loopback");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a proxy connects");
            thread::spawn(move || {
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request), Ok(read) if read > 0) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Sends the request that many times over each connection in turn, and reads each answer to its end.
fn load(connections: &mut [TcpStream], request: &[u8], answer: &[u8], times: usize) {
    let mut buffer = [0; 8192];
    for _ in 0..times.div_ceil(connections.len()) {
        for connection in &mut *connections {
            connection.write_all(request).expect("the proxy takes requests");
        }
        for connection in &mut *connections {
            let mut length = 0;
            while !buffer[..length].ends_with(answer) {
                let read = connection.read(&mut buffer[length..]).expect("an answer arrives in time");
                assert!(read > 0, "the proxy closed: {}", String::from_utf8_lossy(&buffer[..length]));
                length += read;
            }
        }
    }
}

/// Heap allocations of the thread of a worker, for that many of these requests in the steady state.
fn allocations(request: &'static [u8], answer: &'static [u8], logged: bool) -> u64 {
    let address = backend(answer);
    let mut config = Config::for_backends([("127.0.0.1".to_owned(), address.port())]);
    let settings =
        speedmimi_model::AccessLog { format: AccessFormat::Json, file: Some(PathBuf::from("/dev/null")), sample: 1.0 };
    let log = logged.then(|| AccessLog::open(&settings).expect("/dev/null takes everything"));
    config.access_log = logged.then_some(settings);
    let bound = listen::bind("127.0.0.1", 0, 1).expect("a port is free on loopback");
    let proxy = bound.address();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("a runtime can be built");
    let (sender, receiver) = mpsc::unbounded_channel();
    runtime.block_on(async {
        let live = Arc::new(Live::new(1));
        let addresses: Addresses =
            [(("127.0.0.1".to_owned(), address.port()), Arc::from([address]))].into_iter().collect();
        let snapshot = Arc::new(Snapshot::compile(&config, 1, &live, &addresses, 1000));
        for state in live.backends() {
            state.slots.set_closed(false);
        }
        let socket = bound.into_sockets().remove(0);
        let log = log.as_ref().map(|log| log.ring());
        let setup = Setup { index: 0, socket, receiver, snapshot, live, peers: vec![sender.clone()], log };
        tokio::task::spawn_local(run(setup));
    });
    let (warm, is_warm) = oneshot::channel();
    let (begin, begins) = std::sync::mpsc::channel::<()>();
    let (done, is_done) = oneshot::channel();
    let client = thread::spawn(move || {
        let connect = |_| {
            let connection = TcpStream::connect(proxy).expect("the proxy listens");
            connection.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket takes a time-out");
            connection.set_nodelay(true).expect("a socket takes an option");
            connection
        };
        let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
        let end = &answer[answer.len().saturating_sub(4)..];
        load(&mut connections, request, end, REQUESTS);
        warm.send(()).expect("the test waits");
        begins.recv().expect("the test begins");
        load(&mut connections, request, end, REQUESTS);
        done.send(()).expect("the test waits");
    });
    runtime.block_on(is_warm).expect("the client got its answers");
    begin.send(()).expect("the client waits");
    let counted = allocation_counter::measure(|| runtime.block_on(is_done).expect("the client got its answers"));
    client.join().expect("the client is content");
    counted.count_total
}

/// The sweep allocates a little once a second; a hundredth of the requests is far below one each, and above that.
#[track_caller]
fn assert_none(allocations: u64) {
    assert!(allocations < REQUESTS as u64 / 100, "{allocations} allocations for {REQUESTS} requests");
}

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nbody";

#[test]
fn a_request_allocates_nothing() {
    let request = b"GET /some/path?query HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    assert_none(allocations(request, SHORT, false));
}

#[test]
fn a_request_that_is_logged_allocates_nothing() {
    let request = b"GET /some/path?query HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    assert_none(allocations(request, SHORT, true));
}

#[test]
fn a_request_with_a_body_and_a_chunked_answer_allocates_nothing() {
    let request = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n0123456789";
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_none(allocations(request, answer, false));
}

#[test]
fn a_new_connection_to_the_backend_is_counted() {
    // The judge is judged: a backend that closes makes every request open a connection, which takes memory.
    let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
    assert!(allocations(request, answer, false) >= REQUESTS as u64);
}

#[test]
fn a_worker_that_panics_says_that_it_ended() {
    let (end, mut ended) = mpsc::unbounded_channel();
    let thread = thread::spawn(move || {
        let _said = Said { index: 3, end };
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!(ended.blocking_recv(), Some(3));
}
