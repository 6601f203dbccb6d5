//! Clients that ask again and again until they are told to stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::client::Client;
use super::wait::{PATIENCE, eventually};

/// Connections that send the same GET in turn, kept alive.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    good: AtomicU64,
    report: Mutex<Report>,
}

/// What the clients saw.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Answers with status 200, by body.
    pub bodies: BTreeMap<String, u64>,
    /// Everything else.
    pub failures: Vec<Failure>,
}

/// One request that did not get a 200.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The status of a whole answer; 0 without one.
    pub status: u16,
    /// Whether anything of an answer had come.
    pub begun: bool,
    pub what: String,
}

impl Load {
    /// That many connections at once.
    #[track_caller]
    pub fn start(address: SocketAddr, connections: usize, target: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let request: Arc<str> = format!("GET {target} HTTP/1.1\r\nHost: e2e.test\r\n\r\n").into();
        let threads = (0..connections)
            .map(|_| {
                let (shared, request) = (shared.clone(), request.clone());
                let small = thread::Builder::new().stack_size(256 << 10);
                small.spawn(move || shared.run(address, &request)).expect("threads suffice")
            })
            .collect();
        Self { shared, threads }
    }

    /// Good answers so far.
    pub fn good(&self) -> u64 {
        self.shared.good.load(Ordering::Relaxed)
    }

    /// Waits until so many more good answers came.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let target = self.good() + more;
        eventually(&format!("{more} more answers under load"), || self.good() >= target);
    }

    /// What the clients saw so far.
    pub fn report(&self) -> Report {
        self.shared.report.lock().expect("no client panics with this lock").clone()
    }

    /// Lets every request end and tells what the clients saw.
    pub fn stop(mut self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
        self.report()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run(&self, address: SocketAddr, request: &str) {
        let mut client: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let mut connection = match client.take() {
                Some(connection) => connection,
                None => match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(stream) => Client::over(stream),
                    Err(error) => {
                        self.fail(0, false, format!("connect: {error}"));
                        // sleep: a refused client does not hammer
                        thread::sleep(std::time::Duration::from_millis(50));
                        continue;
                    }
                },
            };
            match exchange(&mut connection, request) {
                Ok((200, body, close)) => {
                    self.good.fetch_add(1, Ordering::Relaxed);
                    *self.report.lock().expect("no client panics with this lock").bodies.entry(body).or_default() += 1;
                    client = (!close).then_some(connection);
                }
                Ok((status, body, _)) => self.fail(status, true, body),
                Err(error) => {
                    let begun = !connection.wire().pending().is_empty() || error.kind() == io::ErrorKind::InvalidData;
                    self.fail(0, begun, error.to_string());
                }
            }
        }
    }

    fn fail(&self, status: u16, begun: bool, what: String) {
        let mut report = self.report.lock().expect("no client panics with this lock");
        if report.failures.len() < 100 {
            report.failures.push(Failure { status, begun, what });
        }
    }
}

/// Status, body and whether the connection ends.
fn exchange(client: &mut Client, request: &str) -> io::Result<(u16, String, bool)> {
    client.try_send(request)?;
    let head = client.try_head()?;
    let close = head.fields.has_token("connection", "close");
    let response = client.body("GET", head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let text = if response.status == 200 {
        response.text()
    } else {
        format!("{} {}", response.fields.get("proxy-status").unwrap_or("from the backend"), response.text())
    };
    Ok((response.status, text, close))
}
