//! The access log: one JSON line an exchange, formatted by the worker, written in batches by one thread.
//!
//! A worker appends lines to its own [`LogRing`] and hands full blocks over; it never waits. When the file cannot keep
//! up, whole lines are dropped and counted. Query strings are logged as they came, as nginx and HAProxy do: a service
//! that puts secrets into addresses must keep the file private or turn the log off. Header fields are never logged.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

mod line;
mod ring;
mod writer;

pub use ring::LogRing;

/// What one line says. Names of upstream and backend are empty when none was chosen.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When the request head was read, in microseconds since 1970 UTC.
    pub time: u64,
    /// Client address, after trusted proxies.
    pub client: IpAddr,
    /// Request method.
    pub method: &'a [u8],
    /// Authority the client asked for.
    pub host: &'a [u8],
    /// Request target as received, query included.
    pub path: &'a [u8],
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// Status sent, 499 when the client left before one.
    pub status: u16,
    /// Name of the route.
    pub route: &'a str,
    /// Name of the upstream.
    pub upstream: &'a str,
    /// Id of the backend that answered or failed last.
    pub backend: &'a str,
    /// `http`, `sse` or `websocket`.
    pub protocol: &'static str,
    /// Token of the refusal or failure, `None` for an exchange that went well.
    pub reason: Option<&'static str>,
    /// Bytes read from the client, heads included.
    pub bytes_in: u64,
    /// Bytes written to the client, heads included.
    pub bytes_out: u64,
    /// Head read to response end, in microseconds.
    pub duration_us: u64,
    /// Request sent to first byte of the response, in microseconds.
    pub first_byte_us: Option<u64>,
    /// Time the connection to the backend took, in microseconds; `None` when an idle one was reused.
    pub connect_us: Option<u64>,
    /// Backends tried.
    pub tries: u32,
    /// True: the exchange went over a pooled connection.
    pub reused: bool,
}

/// The log of this process. Dropping it writes what was handed over and ends the thread; drop the rings first.
#[derive(Debug)]
pub struct AccessLog {
    sender: SyncSender<writer::Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writing thread and its owner both see.
#[derive(Debug, Default)]
struct Shared {
    reopen: AtomicBool,
    /// Lines that were handed over and could not be written.
    lost: AtomicU64,
}

impl AccessLog {
    /// Opens the file of the settings for appending (without one: standard output) and starts the writing thread.
    pub fn open(settings: &speedmimi_model::AccessLog) -> io::Result<Arc<Self>> {
        Self::start(settings.file.clone())
    }

    fn start(file: Option<PathBuf>) -> io::Result<Arc<Self>> {
        let output = writer::Output::open(file)?;
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = sync_channel(writer::QUEUE);
        let thread = std::thread::Builder::new().name("access-log".into()).spawn({
            let shared = shared.clone();
            move || writer::run(output, receiver, &shared)
        })?;
        Ok(Arc::new(Self { sender, shared, thread: Mutex::new(Some(thread)) }))
    }

    /// A ring for one worker.
    pub fn ring(&self) -> LogRing {
        LogRing::new(self.sender.clone())
    }

    /// Asks the thread to open the file anew (SIGUSR1, after a rotation). When that fails it goes on with the old one
    /// and says so in the error log.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // A full queue is no loss: the thread is awake and looks at the flag before every block.
        let _ = self.sender.try_send(writer::Message::Wake);
    }

    /// Lines lost because the file could not be written, since the start. Lines dropped by a ring count there.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        // A failed send or join means that the thread is gone already.
        let _ = self.sender.send(writer::Message::Stop);
        let thread = self.thread.get_mut().map(Option::take).unwrap_or_default();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
