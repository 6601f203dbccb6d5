//! What is remembered of an exchange: counters of its route, and a line in the access log.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use speedmimi_http1::{Known, Version};

use super::Exchange;
use super::request::Request;
use crate::live::BackendRef;
use crate::reason::Reason;
use crate::telemetry::access_log::Record;
use crate::worker::Worker;

/// What an exchange came to, gathered on the way.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Status the client got; 0 while it has none.
    pub(crate) status: u16,
    pub(crate) reason: Option<Reason>,
    pub(crate) last_failure: Option<Reason>,
    /// Bytes of the request body beyond what came with the head.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Microseconds from the request head to the first byte of the answer.
    pub(crate) first_byte: Option<u64>,
    /// Microseconds to open the connection; none when it was pooled.
    pub(crate) connect: Option<u64>,
    pub(crate) tries: u32,
    pub(crate) reused: bool,
    pub(crate) backend: Option<BackendRef>,
    note: Option<Note>,
}

/// What the log line will say of the request, copied because the head is given back before the line is written.
#[derive(Debug)]
struct Note {
    bytes: Vec<u8>,
    method: usize,
    host: usize,
}

impl Figures {
    pub(crate) fn new(worker: &Worker, request: &Request) -> Self {
        let block = request.head_bytes();
        let bytes_in = request.block.as_ref().map_or(0, |block| block.len() as u64);
        Self { bytes_in, note: note(worker, request, block), ..Self::default() }
    }
}

fn note(worker: &Worker, request: &Request, block: &[u8]) -> Option<Note> {
    worker.log.as_ref()?;
    let share = worker.view().snapshot.access_log?;
    if share < 1.0 && worker.random() >= share {
        return None;
    }
    let scratch = worker.scratch.borrow();
    let head = &scratch.request;
    if scratch.owner != request.serial {
        return None;
    }
    let mut bytes = memory(worker);
    bytes.extend_from_slice(head.method_name.of(block));
    let method = bytes.len();
    let host = head.authority.or_else(|| head.fields.find(Known::Host).map(|field| field.value));
    if let Some(host) = host {
        bytes.extend_from_slice(host.of(block));
    }
    let host = bytes.len();
    bytes.extend_from_slice(head.path.of(block));
    Some(Note { bytes, method, host })
}

/// Books an exchange.
pub(crate) fn finish(exchange: &mut Exchange<'_>) {
    match exchange.route {
        Ok(_) => routed(exchange),
        Err(reason) => {
            unrouted(&exchange.worker, reason);
            log(&exchange.worker, &exchange.request, &exchange.figures, "", "");
        }
    }
    if let Some(note) = exchange.figures.note.take() {
        keep(&exchange.worker, note.bytes);
    }
}

fn routed(exchange: &Exchange<'_>) {
    let worker = &exchange.worker;
    let now = worker.clock.cached();
    let cells = &exchange.route().state.cells[worker.index];
    let status = exchange.figures.status;
    if let Some(class) = cells.classes.get(usize::from(status / 100).wrapping_sub(1)) {
        class.add(1);
    }
    if let Some(reason) = exchange.figures.reason {
        cells.reasons[reason as usize].add(1);
    }
    cells.duration.record(now.saturating_sub(exchange.request.started));
    worker.cells().bytes_sent.add(exchange.figures.bytes_out);
    if let Some(backend) = &exchange.figures.backend {
        let backend = &backend.cells[worker.index];
        if let Some(class) = backend.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            class.add(1);
        }
    }
    log(worker, &exchange.request, &exchange.figures, &exchange.route().state.name, &exchange.upstream().name);
}

/// Books a request that never had a route.
pub(crate) fn unrouted(worker: &Worker, reason: Reason) {
    worker.cells().unrouted[reason as usize].add(1);
}

/// Writes the line of a request, where the access log is on and the request is sampled.
fn log(worker: &Worker, request: &Request, figures: &Figures, route: &str, upstream: &str) {
    let (Some(log), Some(note)) = (&worker.log, &figures.note) else { return };
    let duration = worker.clock.cached().saturating_sub(request.started);
    log.borrow_mut().record(&Record {
        time: wall_clock().saturating_sub(duration),
        client: request.client,
        method: &note.bytes[..note.method],
        host: &note.bytes[note.method..note.host],
        path: &note.bytes[note.host..],
        version: if request.version == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" },
        status: if figures.status == 0 { 499 } else { figures.status },
        route,
        upstream,
        backend: figures.backend.as_ref().map_or("", |backend| &backend.id),
        protocol: request.protocol.token(),
        reason: figures.reason.map(Reason::token),
        bytes_in: figures.bytes_in,
        bytes_out: figures.bytes_out,
        duration_us: duration,
        first_byte_us: figures.first_byte,
        connect_us: figures.connect,
        tries: figures.tries,
        reused: figures.reused,
    });
}

/// Writes the line of what could not be read as a request.
pub(crate) fn log_unread(worker: &Worker, client: IpAddr, reason: Reason, bytes_in: u64, bytes_out: u64) {
    let Some(log) = &worker.log else { return };
    log.borrow_mut().record(&Record {
        time: wall_clock(),
        client,
        method: b"",
        host: b"",
        path: b"",
        version: "",
        status: reason.status(),
        route: "",
        upstream: "",
        backend: "",
        protocol: "http",
        reason: Some(reason.token()),
        bytes_in,
        bytes_out,
        duration_us: 0,
        first_byte_us: None,
        connect_us: None,
        tries: 0,
        reused: false,
    });
}

fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Notes kept for reuse, and the largest of them: so that a request with the log on allocates nothing either.
const KEEP: usize = 256;
const KEEP_CAPACITY: usize = 1024;

/// Empty memory for what is remembered of a request.
pub(crate) fn memory(worker: &Worker) -> Vec<u8> {
    worker.notes.borrow_mut().pop().unwrap_or_default()
}

/// Gives it back.
pub(crate) fn keep(worker: &Worker, mut bytes: Vec<u8>) {
    let mut notes = worker.notes.borrow_mut();
    if notes.len() < KEEP && (1..=KEEP_CAPACITY).contains(&bytes.capacity()) {
        bytes.clear();
        notes.push(bytes);
    }
}
