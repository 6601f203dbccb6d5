//! Changes made while the load runs: `UpdateBackend` at a fixed rate, and what the disk takes for the same.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::{Backend, UpdateBackendRequest};
use tonic::transport::{Channel, Endpoint};

use crate::stats::{Latencies, Quantile};

/// The longest that an update may take.
const LONGEST: Duration = Duration::from_secs(10);
/// What is written before each probe of the disk, in bytes: a page, as of a small store.
const PAGE: usize = 4096;
/// Changes to each probe of the disk.
const TO_A_PROBE: usize = 10;
/// How much nicer whoever makes changes is than the generator, whose core it shares: traffic is to be late for what the
/// proxy does, and not for its client.
const NICER: i32 = 5;

/// Changes that are made while a load runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes {
    pub(crate) a_second: f64,
    /// How many of them come at once.
    pub(crate) together: usize,
}

/// Makes changes until it is told to finish.
pub(crate) struct Updater {
    thread: JoinHandle<Result<Updates>>,
    stop: mpsc::Sender<()>,
}

/// What became of them, in µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Updates {
    pub(crate) count: usize,
    /// From when updates were due to the answer to the last of them.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// A page written and synced to the same disk, between updates.
    pub(crate) sync_p99: f64,
}

impl Updater {
    /// On `backend1` of the proxy with this management address. `dir`: where the disk is probed.
    pub(crate) fn start(grpc: SocketAddr, changes: Changes, dir: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let probe = File::create(dir.join("sync-probe"))?;
        let (stop, stopped) = mpsc::channel();
        let endpoint = Endpoint::from_shared(format!("http://{grpc}"))?.timeout(LONGEST).connect_timeout(LONGEST);
        let channel = runtime.block_on(endpoint.connect()).context("no management")?;
        let thread = thread::spawn(move || {
            // Of this thread alone (setpriority(2), "C library/kernel differences").
            rustix::process::nice(NICER)?;
            let client = BackendServiceClient::new(channel);
            drive(changes, &stopped, probe, |numbers| {
                let updates = numbers.map(|number| update(client.clone(), number));
                runtime.block_on(try_join_all(updates)).map(drop)
            })
        });
        Ok(Self { thread, stop })
    }

    /// Ends it after the update under way.
    pub(crate) fn finish(self) -> Result<Updates> {
        drop(self.stop);
        match self.thread.join() {
            Ok(updates) => updates,
            Err(_) => bail!("the thread that makes changes panicked"),
        }
    }
}

impl Updates {
    pub(crate) fn json(&self) -> Value {
        json!({"count": self.count, "p50_us": self.p50, "p99_us": self.p99, "fsync_p99_us": self.sync_p99})
    }
}

async fn update(mut client: BackendServiceClient<Channel>, number: usize) -> Result<()> {
    // Never below what the load needs, and another value each time: an update that changes nothing is no change.
    let max_conn = 10_000 + i32::try_from(number % 1_000)?;
    let backend = Backend { id: "backend1".into(), max_conn: Some(max_conn), ..Backend::default() };
    let request = UpdateBackendRequest { backend: Some(backend), ..UpdateBackendRequest::default() };
    client.update_backend(request).await.context("an update was refused")?;
    Ok(())
}

/// Calls `update` with the numbers of those that are due, late ones at once, until the other end of `stopped` is gone.
fn drive(
    changes: Changes,
    stopped: &mpsc::Receiver<()>,
    mut probe: File,
    mut update: impl FnMut(Range<usize>) -> Result<()>,
) -> Result<Updates> {
    let mut unprobed = TO_A_PROBE;
    let (mut updates, mut syncs) = (Latencies::new(), Latencies::new());
    let begin = Instant::now();
    let mut number = 0;
    loop {
        let due = begin + Duration::from_secs_f64(number as f64 / changes.a_second);
        if stopped.recv_timeout(due.saturating_duration_since(Instant::now())) != Err(mpsc::RecvTimeoutError::Timeout) {
            let (p50, p99) = (updates.micros(Quantile::P50), updates.micros(Quantile::P99));
            return Ok(Updates { count: number, p50, p99, sync_p99: syncs.micros(Quantile::P99) });
        }
        update(number..number + changes.together)?;
        updates.record(nanos(due.elapsed()));
        number += changes.together;
        unprobed += changes.together;
        if unprobed >= TO_A_PROBE {
            unprobed = 0;
            let before = Instant::now();
            probe.rewind()?;
            probe.write_all(&[number as u8; PAGE])?;
            probe.sync_data()?;
            syncs.record(nanos(before.elapsed()));
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Changes = Changes { a_second: 1_000.0, together: 1 };

    #[test]
    fn those_that_come_together_are_due_when_the_first_of_them_is() {
        let (stop, stopped) = mpsc::channel();
        let mut stop = Some(stop);
        let probe = tempfile::tempfile().expect("a temporary file");
        let (begin, mut seen) = (Instant::now(), Vec::new());
        let made = drive(Changes { together: 10, ..EACH }, &stopped, probe, |numbers| {
            seen.push(numbers.clone());
            stop = stop.take().filter(|_| numbers.end < 30);
            Ok(())
        });
        assert_eq!(made.expect("no update fails").count, 30);
        assert_eq!(seen, [0..10, 10..20, 20..30]);
        assert!(begin.elapsed() >= Duration::from_millis(20), "{:?}", begin.elapsed());
    }

    #[test]
    fn updates_come_at_their_rate_and_late_ones_are_counted_from_when_they_were_due() {
        let (stop, stopped) = mpsc::channel();
        let mut stop = Some(stop);
        let probe = tempfile::tempfile().expect("a temporary file");
        let begin = Instant::now();
        let made = drive(EACH, &stopped, probe, |numbers| {
            if numbers.start == 0 {
                // sleep: an update that takes long.
                thread::sleep(Duration::from_millis(30));
            }
            if numbers.start == 99 {
                stop = None;
            }
            Ok(())
        });
        let made = made.expect("no update fails");
        assert_eq!(made.count, 100);
        assert!(begin.elapsed() >= Duration::from_millis(99), "{:?}", begin.elapsed());
        assert!(made.p99 >= 25_000.0 && made.sync_p99 > 0.0, "{made:?}");
    }

    #[test]
    fn a_refused_update_ends_it() {
        let (_stop, stopped) = mpsc::channel();
        let probe = tempfile::tempfile().expect("a temporary file");
        assert!(drive(EACH, &stopped, probe, |_| bail!("no")).is_err());
    }
}
