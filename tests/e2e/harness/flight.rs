//! Counts the requests that are going on at a backend, and judges each new one against the limit in force.
//!
//! A proxy frees a slot when it closes the connection of an exchange that its client left. The backend learns of
//! that from the kernel, so before it counts a new request it takes in every connection that was closed on it.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// For so long after a limit was lowered, a request may still arrive that was admitted before it.
const IN_TRANSIT: Duration = Duration::from_millis(500);
/// The kernel may hand a FIN over a moment after data that was sent later on another socket.
const REORDERED: Duration = Duration::from_millis(20);

/// The requests going on.
pub struct Flight {
    state: Mutex<State>,
}

struct State {
    live: HashMap<u64, Arc<TcpStream>>,
    peak: usize,
    total: u64,
    finished: u64,
    closed: u64,
    limits: Vec<(Instant, usize)>,
    violations: Vec<String>,
    area: f64,
    capacity: f64,
    since: Instant,
}

impl Default for Flight {
    fn default() -> Self {
        let now = Instant::now();
        let state = State {
            live: HashMap::new(),
            peak: 0,
            total: 0,
            finished: 0,
            closed: 0,
            limits: vec![(now, usize::MAX)],
            violations: Vec::new(),
            area: 0.0,
            capacity: 0.0,
            since: now,
        };
        Self { state: Mutex::new(state) }
    }
}

impl Flight {
    /// A request arrived on this connection.
    pub fn begin(&self, connection: u64, stream: &Arc<TcpStream>) {
        let mut state = self.lock();
        state.sweep();
        let allowed = state.allowed();
        let patience = Instant::now() + REORDERED;
        while state.live.len() >= allowed && Instant::now() < patience {
            state.sweep();
        }
        if state.live.len() >= allowed {
            let count = state.live.len();
            state.violations.push(format!("admitted one more while {count} were going on, {allowed} allowed"));
        }
        state.account();
        state.live.insert(connection, stream.clone());
        state.total += 1;
        state.peak = state.peak.max(state.live.len());
    }

    /// The request on this connection is over; called before the last byte of the answer is written.
    pub fn end(&self, connection: u64) {
        let mut state = self.lock();
        state.account();
        if state.live.remove(&connection).is_some() {
            state.finished += 1;
        }
    }

    /// The peer closed this connection; a request going on is over without an answer.
    pub fn gone(&self, connection: u64) {
        let mut state = self.lock();
        state.account();
        if state.live.remove(&connection).is_some() {
            state.closed += 1;
        }
    }

    pub fn current(&self) -> usize {
        let mut state = self.lock();
        state.sweep();
        state.live.len()
    }

    pub fn peak(&self) -> usize {
        self.lock().peak
    }

    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// Requests whose connection the peer closed before the answer was whole.
    pub fn closed(&self) -> u64 {
        self.lock().closed
    }

    /// From now on no more than that many at once. Call before a limit is raised and after it was lowered.
    pub fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.account();
        state.limits.push((Instant::now(), limit));
    }

    /// What broke the limit so far.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Forgets the past for [`Flight::use_of_limit`].
    pub fn start_measuring(&self) {
        let mut state = self.lock();
        state.account();
        (state.area, state.capacity) = (0.0, 0.0);
    }

    /// Mean number going on divided by the mean limit in force, since measuring started.
    pub fn use_of_limit(&self) -> f64 {
        let mut state = self.lock();
        state.account();
        state.area / state.capacity
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it counts")
    }
}

impl State {
    fn account(&mut self) {
        let now = Instant::now();
        let seconds = (now - self.since).as_secs_f64();
        self.area += self.live.len() as f64 * seconds;
        self.capacity += self.limits.last().map_or(0.0, |(_, limit)| *limit as f64) * seconds;
        self.since = now;
    }

    /// The greatest limit in force at any moment within [`IN_TRANSIT`].
    fn allowed(&self) -> usize {
        let start = Instant::now().checked_sub(IN_TRANSIT);
        let mut allowed = 0;
        for (at, limit) in self.limits.iter().rev() {
            allowed = allowed.max(*limit);
            if start.is_some_and(|start| *at <= start) {
                break;
            }
        }
        allowed
    }

    fn sweep(&mut self) {
        self.account();
        let before = self.live.len();
        self.live.retain(|_, stream| !closed(stream, Duration::ZERO));
        self.closed += (before - self.live.len()) as u64;
    }
}

/// Whether the peer closes or resets this connection within that time. Bytes that wait to be read do not matter.
pub fn closed(stream: &TcpStream, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("a test never waits for years");
        let mut entries = [PollFd::new(stream, PollFlags::RDHUP)];
        match poll(&mut entries, Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}
