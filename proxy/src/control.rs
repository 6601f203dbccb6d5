//! The control thread: the single writer of what the proxy is told to do.
//!
//! Every change, whoever asks for it, goes through one queue into one task. It is applied to the configuration
//! (pure), made durable, compiled into a snapshot, published to every worker, and answered once all of them act on it.
//! Reads never wait in that queue: they look at the latest [`View`]. What only the task can look up has a queue of its
//! own, so that however many look, a change waits for one of them at most now and then.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::access::Access;
use crate::health::{Finding, Findings};
use crate::live::Live;
use crate::snapshot::Snapshot;
use crate::telemetry::windows::Windows;
use crate::worker::mailbox::Mailboxes;

pub mod audit;
mod caller;
mod code;
pub mod drain;
mod error;
pub mod feed;
mod journal;
mod lifecycle;
mod log_level;
mod operation;
pub mod persist;
mod publish;
mod reload;
pub mod reports;
pub mod resolve;
mod store;
pub mod streams;
mod task;
mod turns;
mod view;

pub use caller::{Caller, Scope};
pub use code::Code;
pub use error::{LoadError, Refused};
pub use journal::{Home, Revision};
pub use lifecycle::{Lifecycle, Phase, Stopping};
pub use log_level::LogLevel;
pub use operation::{Answer, Call, Done, Operation, Plan};
pub use persist::StoreError;
pub use reload::load;
pub use speedmimi_model::Object;
pub use store::{Admin, Busy, Guard, Made, Store};
pub use task::{Controller, Setup};
pub use turns::Turn;
pub use view::View;

use drain::Progress;
use feed::{Feed, Known};
use operation::Ask;
use reports::Reports;
use turns::Turns;

/// Changes that may wait, and looks; more wait at their senders.
const QUEUE: usize = 64;

/// What everybody else holds of the control thread.
#[derive(Debug, Clone)]
pub struct Control {
    asks: mpsc::Sender<Ask>,
    looks: mpsc::Sender<Look>,
    view: watch::Receiver<Arc<View>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    live: Arc<Live>,
    lifecycle: Arc<Lifecycle>,
    windows: Mutex<Windows>,
    reports: Mutex<Reports>,
    findings: Findings,
    feed: Feed,
    kept_out: Arc<drain::Board>,
    file: Option<PathBuf>,
    home: Arc<Home>,
    /// Where workers are asked; set once they run.
    mailboxes: OnceLock<Mailboxes>,
    log_level: Arc<LogLevel>,
    reloading: tokio::sync::Mutex<()>,
    /// Who may ask workers about exchanges now.
    askers: streams::Askers,
    /// Calls that are done beside the task.
    turns: Turns,
    /// Identity, whose files a reload reads again.
    access: OnceLock<Arc<Access>>,
}

impl Shared {
    fn known<'a>(&'a self, snapshot: &'a Snapshot) -> Known<'a> {
        Known { live: &self.live, snapshot, findings: &self.findings, kept_out: &self.kept_out }
    }
}

impl Control {
    /// The configuration as every worker knows it.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Phase and counters of the process.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.shared.lifecycle
    }

    /// Observed state.
    pub fn live(&self) -> &Live {
        &self.shared.live
    }

    /// Rates and quantiles.
    pub fn windows(&self) -> &Mutex<Windows> {
        &self.shared.windows
    }

    /// Pushed performance data.
    pub fn reports(&self) -> &Mutex<Reports> {
        &self.shared.reports
    }

    /// What the last check of a backend found; `None` before the first, or without one.
    pub fn finding(&self, uid: u64) -> Option<Finding> {
        self.shared.findings.lock().get(&uid).cloned()
    }

    /// What is known of backends beside the configuration of a view.
    pub fn known<'a>(&'a self, view: &'a View) -> Known<'a> {
        self.shared.known(&view.snapshot)
    }

    /// How much the error log says.
    pub fn log_level(&self) -> &Arc<LogLevel> {
        &self.shared.log_level
    }

    /// The configuration file; `None` when the process was started without one.
    pub fn file(&self) -> Option<&PathBuf> {
        self.shared.file.as_ref()
    }

    /// Where changes are kept.
    pub fn home(&self) -> &Home {
        &self.shared.home
    }

    /// What happens, for those who watch.
    pub fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// From now on a reload reads the files of tokens and certificates again. The first call counts.
    pub fn guarded_by(&self, access: Arc<Access>) {
        // A second one is none of ours: there is one start.
        let _ = self.shared.access.set(access);
    }

    /// Does something. Resolves when it is durable and every worker acts on it. A call that was made before is not done
    /// again, but answered as it was.
    pub async fn perform(&self, operation: Operation, guard: Guard, call: Option<Call>) -> Result<Answer, Refused> {
        ask(&self.asks, |reply| Ask { operation, guard, call, looked_up: false, reply }).await
    }

    /// Waits until no other call of that name is done beside the control task.
    pub async fn turn(&self, request_id: &str) -> Turn {
        self.shared.turns.take(request_id).await
    }

    /// The answer to a call that was made before.
    pub async fn recall(&self, call: Call) -> Result<Option<Answer>, Refused> {
        ask(&self.looks, |reply| Look::Recall { call, reply }).await
    }

    /// Remembers what was answered to a call, as well as that can be done: what it did is done.
    pub async fn remember(&self, call: Call, answer: Vec<u8>) {
        let _ = ask(&self.looks, |reply| Look::Remember { call, answer, reply }).await;
    }

    /// How far the drain of a backend is; none where there is none.
    pub async fn drained(&self, upstream: &str, id: &str) -> Result<Option<watch::Receiver<Progress>>, Refused> {
        let (upstream, id) = (upstream.to_owned(), id.to_owned());
        ask(&self.looks, |reply| Look::Drained { upstream, id, reply }).await
    }

    /// How far the drain of a backend is, as the control task saw it last.
    pub fn drain_of(&self, upstream: &str, id: &str) -> Option<Progress> {
        self.shared.kept_out.drain(upstream, id)
    }

    /// Who cut a backend off last, if this process saw it.
    pub fn cut_of(&self, upstream: &str, id: &str) -> Option<drain::Cut> {
        self.shared.kept_out.cut_of(upstream, id)
    }

    /// What is known of the revisions below `before` (all, if none), the newest first.
    pub async fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Revision>, Refused> {
        ask(&self.looks, |reply| Look::History { before, limit, reply }).await
    }
}

/// Puts a question into a queue of the task, and waits for the answer.
async fn ask<C, T>(
    queue: &mpsc::Sender<C>,
    question: impl FnOnce(oneshot::Sender<Result<T, Refused>>) -> C,
) -> Result<T, Refused> {
    let (reply, answer) = oneshot::channel();
    queue.send(question(reply)).await.map_err(|_| Refused::Stopping)?;
    answer.await.unwrap_or(Err(Refused::Stopping))
}

/// What the task is asked that makes no turn.
#[derive(Debug)]
enum Look {
    Recall { call: Call, reply: oneshot::Sender<Result<Option<Answer>, Refused>> },
    Remember { call: Call, answer: Vec<u8>, reply: oneshot::Sender<Result<(), Refused>> },
    History { before: Option<u64>, limit: usize, reply: oneshot::Sender<Result<Vec<Revision>, Refused>> },
    Drained { upstream: String, id: String, reply: oneshot::Sender<Result<Option<watch::Receiver<Progress>>, Refused>> },
}
