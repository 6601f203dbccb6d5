//! Active health checks, on the control thread's runtime: they never take time from a worker.
//!
//! A task for each backend that has a check. It probes, asks [`speedmimi_policy::Checker`] what the result means,
//! and writes the outcome into the backend's observed state, where every worker sees it at the next pick.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use speedmimi_model::StatusRanges;
use speedmimi_policy::{Checker, Thresholds};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::live::{BackendRef, Health};

mod http;
mod probe;

pub use probe::ProbeError;

/// Probes under way at once; more wait their turn, so that a thousand backends cannot use up descriptors.
const AT_ONCE: usize = 64;
/// First probes of backends that are taken to be up are spread over this time, or over the interval where shorter.
const SPREAD: Duration = Duration::from_secs(2);

/// How a backend is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is asked.
    pub kind: Kind,
    /// Time between checks while the backend is up, above zero.
    pub interval: Duration,
    /// Longest a check may take, above zero.
    pub timeout: Duration,
    /// Results in a row that change the health.
    pub thresholds: Thresholds,
}

/// What a check asks of a backend.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// That it accepts a connection.
    Tcp,
    /// That it answers a GET with an expected status.
    Http {
        /// Path and query.
        path: String,
        /// The `Host` field.
        host: String,
        /// Statuses that pass.
        expect: StatusRanges,
    },
}

/// A backend and its check.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose health it is.
    pub backend: BackendRef,
    /// Where it listens; a check of a backend without address fails.
    pub addresses: Arc<[SocketAddr]>,
    /// How to check it.
    pub check: Check,
}

/// What the last check of a backend found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// For people: `ok`, or why it failed.
    pub detail: String,
    /// When it ended.
    pub at: SystemTime,
}

/// The last findings by uid of the backend; the control thread's own, so the lock is never waited for.
pub type Findings = Arc<Mutex<HashMap<u64, Finding>>>;

/// Runs the checks of all backends. Dropping it ends them.
#[derive(Debug)]
pub struct Prober {
    tasks: HashMap<u64, Running>,
    turns: Arc<Semaphore>,
    findings: Findings,
}

impl Prober {
    /// A prober without targets.
    pub fn new() -> Self {
        Self { tasks: HashMap::new(), turns: Arc::new(Semaphore::new(AT_ONCE)), findings: Findings::default() }
    }

    /// What the last checks found.
    pub fn findings(&self) -> Findings {
        self.findings.clone()
    }

    /// Makes these, and only these, the backends checked. Needs a runtime.
    ///
    /// A target whose check is what it was keeps its checker and its counts. A backend whose check is gone becomes
    /// up: nothing says otherwise any more. A checker that is new starts from the health the backend has.
    pub fn set_targets(&mut self, targets: Vec<Target>) {
        let mut before = std::mem::take(&mut self.tasks);
        for target in targets {
            let uid = target.backend.uid;
            let running = match before.remove(&uid) {
                Some(running) if running.check == target.check => {
                    running.set_addresses(target.addresses);
                    running
                }
                _ => Running::start(target, self.turns.clone(), self.findings.clone()),
            };
            self.tasks.insert(uid, running);
        }
        for running in before.into_values() {
            running.backend.set_health(Health::Up);
            self.findings.lock().remove(&running.backend.uid);
        }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Running {
    backend: BackendRef,
    check: Check,
    addresses: watch::Sender<Arc<[SocketAddr]>>,
    task: AbortHandle,
}

impl Running {
    fn start(target: Target, turns: Arc<Semaphore>, findings: Findings) -> Self {
        let (addresses, seen) = watch::channel(target.addresses.clone());
        let task = tokio::spawn(run(target.clone(), seen, turns, findings)).abort_handle();
        Self { backend: target.backend, check: target.check, addresses, task }
    }

    fn set_addresses(&self, addresses: Arc<[SocketAddr]>) {
        self.addresses.send_if_modified(|known| {
            let changed = **known != *addresses;
            *known = addresses;
            changed
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    target: Target,
    mut addresses: watch::Receiver<Arc<[SocketAddr]>>,
    turns: Arc<Semaphore>,
    findings: Findings,
) {
    let Target { backend, check, .. } = target;
    let start = match backend.health() {
        Health::Up => speedmimi_policy::Health::Up,
        Health::Down => speedmimi_policy::Health::Down,
        Health::Unknown => speedmimi_policy::Health::Unknown,
    };
    let mut checker = Checker::new(check.thresholds, start);
    if start.is_up() {
        tokio::time::sleep(SPREAD.min(check.interval).mul_f64(fastrand::f64())).await;
    }
    loop {
        let result = {
            let Ok(_turn) = turns.acquire().await else { return };
            let known = addresses.borrow_and_update().clone();
            probe::probe(&check, &known).await
        };
        let detail = result.as_ref().map_or_else(ToString::to_string, |()| "ok".to_owned());
        findings.lock().insert(backend.uid, Finding { detail, at: SystemTime::now() });
        if let Some(health) = checker.on_result(result.is_ok()) {
            announce(&backend, health, result.err());
        }
        let wait = speedmimi_policy::next_delay(check.interval, checker.health(), fastrand::f64());
        // New addresses are looked at as soon as they are known.
        let _ = tokio::time::timeout(wait, addresses.changed()).await;
    }
}

fn announce(backend: &BackendRef, health: speedmimi_policy::Health, why: Option<ProbeError>) {
    let (upstream, id) = (&*backend.upstream, &*backend.id);
    match health {
        speedmimi_policy::Health::Up => {
            // What traffic saw was of the time before; a check has just seen the opposite.
            backend.passive.reset();
            backend.set_health(Health::Up);
            tracing::info!(upstream, backend = id, "backend is up");
        }
        speedmimi_policy::Health::Down | speedmimi_policy::Health::Unknown => {
            backend.set_health(Health::Down);
            let reason = why.map_or_else(String::new, |error| error.to_string());
            tracing::warn!(upstream, backend = id, reason, "backend is down");
        }
    }
}

#[cfg(test)]
mod tests;
