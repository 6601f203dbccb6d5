//! A backend that does exactly what a script says, on blocking sockets and a thread a connection.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::conn::Conn;
use super::flight::Flight;
use super::message::{Fields, split_head};
use super::wire::Wire;

/// How many requests are kept for [`Backend::seen`]; a test under load counts and does not look.
const KEPT: usize = 2_000;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The head as received.
    pub raw: Vec<u8>,
    pub method: String,
    pub target: String,
    pub version: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Number of the connection, counted from 0.
    pub connection: u64,
}

impl Seen {
    /// Takes a head apart.
    pub fn from_head(raw: Vec<u8>, connection: u64) -> Self {
        let (line, fields) = split_head(&raw);
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (method, target, version) = (word(), word(), word());
        Self { raw, method, target, version, fields, body: Vec::new(), trailers: Fields::default(), connection }
    }
}

/// What a script does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for another request on this connection.
    Keep,
    /// Close politely.
    Close,
}

/// Shared between the listener, the connections and the test.
pub struct Shared {
    pub flight: Flight,
    pub stopping: AtomicBool,
    received: Arc<AtomicU64>,
    accepted: AtomicU64,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
}

impl Shared {
    /// Keeps a request for the test to look at.
    pub fn record(&self, seen: Seen) {
        let mut all = lock(&self.seen);
        if all.len() < KEPT {
            all.push(seen);
        }
    }

    /// Adds the body to the request recorded last on that connection.
    pub fn complete(&self, whole: &Seen) {
        let mut all = lock(&self.seen);
        if let Some(seen) = all.iter_mut().rev().find(|seen| seen.connection == whole.connection) {
            *seen = whole.clone();
        }
    }

    /// Lets go of the test's own handle on a connection.
    pub fn forget(&self, connection: u64) {
        lock(&self.open).remove(&connection);
    }
}

/// A listening backend; closing everything when it is dropped.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Reads each request whole, then lets the script answer it.
    pub fn serve(script: impl Fn(&Seen, &mut Conn) -> io::Result<Next> + Send + Sync + 'static) -> Self {
        Self::heads(move |seen, conn| {
            let whole = conn.read_body(seen)?;
            script(&whole, conn)
        })
    }

    /// Reads each head and lets the script decide about the body.
    pub fn heads(script: impl Fn(&Seen, &mut Conn) -> io::Result<Next> + Send + Sync + 'static) -> Self {
        Self::raw(move |conn| {
            while let Some(seen) = conn.read_head()? {
                let next = script(&seen, conn)?;
                conn.done();
                if next == Next::Close {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Leaves the whole connection to the script.
    pub fn raw(script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free on loopback");
        Self::listen(listener, script)
    }

    /// The same on an address that a backend had before.
    pub fn raw_at(address: SocketAddr, script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free again");
        Self::listen(listener, script)
    }

    fn listen(listener: TcpListener, script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            flight: Flight::default(),
            stopping: AtomicBool::new(false),
            received: Arc::default(),
            accepted: AtomicU64::new(0),
            seen: Mutex::default(),
            open: Mutex::default(),
        });
        let (on_thread, script) = (shared.clone(), Arc::new(script));
        let thread = thread::spawn(move || accept(&listener, &on_thread, &script));
        Self { address, shared, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, the first [`KEPT`] of them.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The only request so far; the test fails when there is none or another.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let mut all = self.seen();
        assert_eq!(all.len(), 1, "exactly one request expected: {all:#?}");
        all.remove(0)
    }

    /// Counts of what is going on.
    pub fn flight(&self) -> &Flight {
        &self.shared.flight
    }

    /// Connections accepted.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Bytes received over all connections.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Stops listening and closes every connection, as the kernel does for a killed process.
    pub fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // Wakes the thread that waits in accept; whether it gets through does not matter.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting does not panic");
        }
        for stream in lock(&self.shared.open).values() {
            // Closed already: just as well.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept<S>(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<S>)
where
    S: Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let handle = Arc::new(stream.try_clone().expect("descriptors suffice"));
        lock(&shared.open).insert(number, handle.clone());
        let (shared, script) = (shared.clone(), script.clone());
        thread::spawn(move || {
            let wire = Wire::new(stream).metered(shared.received.clone());
            let mut conn = Conn::new(number, wire, handle, shared.clone());
            // An error is how a script learns that the peer left; the test sees what matters in the counts.
            let _ = script(&mut conn);
            lock(&shared.open).remove(&number);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with this lock")
}
