//! A worker: one thread, one single-threaded runtime, its own sockets, pools, buffers, timers and counters.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::exchange::explain;
use crate::listen::{Bound, accept};
use crate::live::Live;
use crate::memory::Tide;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::{AccessLog, LogRing};
use crate::telemetry::cells::WorkerCells;
use crate::upstream::pool::Pools;

pub(crate) mod buffers;
pub(crate) mod clock;
pub mod mailbox;
pub(crate) mod streams;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use buffers::{Blocks, Scratch};
use clock::Clock;
use mailbox::{Envelope, Mailboxes, Message, Receiver, Sender};
use table::Table;
use view::View;

/// Time between two looks at the deadlines. A deadline fires at most two ticks late.
const TICK: Duration = Duration::from_millis(50);
/// Ticks between two sweeps of the pools and buffers: a second.
const SWEEP: u32 = 20;
/// Connections told to leave when there is no room: in batches, because choosing them looks at all.
const EVICT: usize = 32;
/// A head that has not arrived after this long may be told to leave where there is no room, or while draining: a second,
/// in microseconds.
const SILENT: u64 = 1_000_000;
/// Turns of the others that a cut waits for the exchanges concerned to end.
const CUT_TURNS: usize = 1000;

/// All workers, as the one who started them holds them.
#[derive(Debug)]
pub struct Workers {
    mailboxes: Mailboxes,
    live: Arc<Live>,
    ended: mpsc::UnboundedReceiver<usize>,
    running: usize,
}

impl Workers {
    /// Where to send messages.
    pub fn mailboxes(&self) -> Mailboxes {
        self.mailboxes.clone()
    }

    /// Exchanges going on now.
    pub fn active(&self) -> u64 {
        self.live.workers().iter().map(|cells| cells.active.get()).sum()
    }

    /// Resolves when a worker ends that nobody told to: its thread panicked or never got a runtime.
    pub async fn lost(&mut self) -> usize {
        match self.ended.recv().await {
            Some(index) => {
                self.running -= 1;
                index
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until every worker has ended: after [`Message::Stop`], or after [`Message::Drain`] once the last client
    /// is gone.
    pub async fn finished(&mut self) {
        while self.running > 0 && self.ended.recv().await.is_some() {
            self.running -= 1;
        }
    }
}

/// Starts one worker thread for each socket of the listener.
pub fn start(
    listeners: Bound,
    snapshot: &Arc<Snapshot>,
    live: &Arc<Live>,
    access_log: Option<&Arc<AccessLog>>,
) -> std::io::Result<Workers> {
    let sockets = listeners.into_sockets();
    let (senders, receivers): (Vec<Sender>, Vec<Receiver>) = sockets.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let (end, ended) = mpsc::unbounded_channel();
    let running = sockets.len();
    for (index, (socket, receiver)) in sockets.into_iter().zip(receivers).enumerate() {
        let (snapshot, live, peers, end) = (snapshot.clone(), live.clone(), senders.clone(), end.clone());
        let log = access_log.map(|log| log.ring());
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let _said = Said { index, end };
            let result = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default())
                .map(|runtime| runtime.block_on(run(Setup { index, socket, receiver, snapshot, live, peers, log })));
            if let Err(error) = result {
                tracing::error!(worker = index, %error, "a worker has no runtime");
            }
        })?;
    }
    Ok(Workers { mailboxes: Mailboxes(senders), live: live.clone(), ended, running })
}

/// Says that a worker has ended, however it did: also when its thread unwinds.
struct Said {
    index: usize,
    end: mpsc::UnboundedSender<usize>,
}

impl Drop for Said {
    fn drop(&mut self) {
        // Nobody listens any more when the process is ending itself.
        let _ = self.end.send(self.index);
    }
}

struct Setup {
    index: usize,
    socket: TcpListener,
    receiver: Receiver,
    snapshot: Arc<Snapshot>,
    live: Arc<Live>,
    peers: Vec<Sender>,
    log: Option<LogRing>,
}

/// What every connection of a worker shares.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) table: Table,
    pub(crate) blocks: Blocks,
    pub(crate) pools: Pools,
    pub(crate) scratch: Rc<RefCell<Scratch>>,
    pub(crate) peers: Vec<Sender>,
    pub(crate) log: Option<RefCell<LogRing>>,
    /// Memory for what log lines remember of requests.
    pub(crate) notes: RefCell<Vec<Vec<u8>>>,
    view: RefCell<Rc<View>>,
    /// Views before this one, as long as exchanges keep them.
    past: RefCell<Vec<Weak<View>>>,
    rng: RefCell<fastrand::Rng>,
    serial: Cell<u64>,
    draining: Cell<bool>,
    drain: Notify,
    left: Notify,
}

impl Worker {
    /// This worker's own counters.
    #[inline]
    pub(crate) fn cells(&self) -> &WorkerCells {
        &self.live.workers()[self.index]
    }

    /// The configuration as it is now.
    #[inline]
    pub(crate) fn view(&self) -> Rc<View> {
        self.view.borrow().clone()
    }

    /// The configuration as it is now, and as it was for exchanges that still go on.
    pub(crate) fn views(&self) -> Vec<Rc<View>> {
        self.past.borrow().iter().filter_map(Weak::upgrade).chain([self.view()]).collect()
    }

    /// A number for the next request, never 0.
    #[inline]
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// Uniform in 0..1.
    pub(crate) fn random(&self) -> f64 {
        self.rng.borrow_mut().f64()
    }

    /// Another worker, by chance; none when this is the only one.
    pub(crate) fn random_peer(&self) -> Option<usize> {
        let others = self.peers.len().checked_sub(1).filter(|&others| others > 0)?;
        let chosen = self.rng.borrow_mut().usize(..others);
        Some(if chosen >= self.index { chosen + 1 } else { chosen })
    }

    /// Whether connections are to be closed as soon as they are between requests.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Resolves when draining begins.
    pub(crate) async fn drain_begun(&self) {
        while !self.draining.get() {
            self.drain.notified().await;
        }
    }

    /// Whether one more client connection fits.
    pub(crate) fn has_room(&self) -> bool {
        self.live.connections.load(Ordering::Relaxed) < self.view.borrow().snapshot.server.max_conn
    }

    /// Tells some connections to make room.
    pub(crate) fn evict(&self) {
        let evicted = self.table.evict(EVICT, self.clock.refresh(), SILENT);
        self.cells().evicted.add(evicted as u64);
    }

    /// Waits until a connection of this worker has ended, at most that long.
    pub(crate) async fn room(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.left.notified()).await;
    }

    /// Counts a client connection out.
    pub(crate) fn connection_ended(&self) {
        self.cells().connections.sub(1);
        self.live.connections.fetch_sub(1, Ordering::Relaxed);
        self.left.notify_waiters();
    }
}

async fn run(setup: Setup) {
    let Setup { index, socket, mut receiver, snapshot, live, peers, log } = setup;
    let mut rng = fastrand::Rng::new();
    let view = View::new(snapshot, None, &mut rng);
    let worker = Rc::new(Worker {
        index,
        clock: Clock::new(live.origin),
        live,
        table: Table::default(),
        blocks: Blocks::default(),
        pools: Pools::default(),
        scratch: Scratch::new(),
        peers,
        log: log.map(RefCell::new),
        notes: RefCell::default(),
        view: RefCell::new(Rc::new(view)),
        past: RefCell::default(),
        rng: RefCell::new(rng),
        serial: Cell::new(0),
        draining: Cell::new(false),
        drain: Notify::new(),
        left: Notify::new(),
    });
    let mut tide = Tide::default();
    let listening = tokio::task::spawn_local(accept::run(worker.clone(), socket));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut count = 0u32;
    loop {
        tokio::select! {
            biased;
            envelope = receiver.recv() => {
                let Some(Envelope { message, done }) = envelope else { return };
                let stop = matches!(message, Message::Stop);
                act(&worker, message).await;
                if let Some(done) = done {
                    let _ = done.send(());
                }
                if stop {
                    return;
                }
            }
            due = ticks.tick() => {
                let now = worker.clock.refresh();
                worker.cells().lag.set(due.elapsed().as_micros() as u64);
                worker.table.tick(now);
                count = count.wrapping_add(1);
                if count.is_multiple_of(SWEEP) {
                    sweep(&worker, now);
                    tide.look(worker.cells().connections.get());
                }
                if worker.is_draining() {
                    worker.table.evict_idle(now, SILENT);
                }
            }
        }
        if worker.is_draining() && listening.is_finished() && worker.cells().connections.get() == 0 {
            if let Some(log) = &worker.log {
                log.borrow_mut().tick();
            }
            return;
        }
    }
}

async fn act(worker: &Rc<Worker>, message: Message) {
    match message {
        Message::Publish(snapshot) => {
            let old = worker.view();
            let view = View::new(snapshot, Some(&old), &mut worker.rng.borrow_mut());
            *worker.view.borrow_mut() = Rc::new(view);
            worker.past.borrow_mut().retain(|past| past.strong_count() > 0);
            worker.past.borrow_mut().push(Rc::downgrade(&old));
            sweep(worker, worker.clock.refresh());
        }
        Message::Cut(backend, count) => {
            if let Some(state) = worker.live.backends().iter().find(|state| state.uid == backend) {
                worker.pools.clear(backend, &state.cells[worker.index]);
            }
            count.fetch_add(worker.table.cut(backend) as u64, Ordering::Relaxed);
            for _ in 0..CUT_TURNS {
                if worker.table.using(backend) == 0 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Message::Oldest(backend, age) => {
            if let Some(since) = worker.table.oldest(backend) {
                age.fetch_max(worker.clock.refresh().saturating_sub(since), Ordering::Relaxed);
            }
        }
        Message::Drain => {
            worker.draining.set(true);
            worker.drain.notify_waiters();
            worker.table.evict_idle(worker.clock.refresh(), SILENT);
        }
        Message::Stop => {
            if let Some(log) = &worker.log {
                log.borrow_mut().tick();
            }
        }
        Message::Adopt(stream, peer) => accept::adopt(worker, stream, peer),
        Message::Streams(query, reply) => {
            drop(tokio::task::spawn_local(streams::answer(worker.clone(), query, reply)));
        }
        Message::Explain(question, reply) => {
            // An error: whoever asked has left.
            let _ = reply.send(explain::explain(worker, &question));
        }
    }
}

fn sweep(worker: &Worker, now: u64) {
    let view = worker.view();
    worker.pools.sweep(&view.snapshot, worker.index, now);
    worker.blocks.trim();
    if let Some(log) = &worker.log {
        let mut log = log.borrow_mut();
        log.tick();
        worker.cells().log_dropped.set(log.dropped());
    }
}
