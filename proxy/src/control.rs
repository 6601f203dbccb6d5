//! The control thread: the single writer of what the proxy is told to do.
//!
//! Every change, whoever asks for it, goes through one queue into one task. It is applied to the configuration
//! (pure), compiled into a snapshot, published to every worker, and answered once all of them act on it. Reads never
//! wait in that queue: they look at the latest [`View`].

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use speedmimi_model::{Change, Difference, ReloadSummary, diff};
use tokio::sync::{mpsc, oneshot, watch};

use crate::health::{Finding, Findings};
use crate::live::Live;
use crate::telemetry::windows::Windows;

mod caller;
pub mod drain;
mod error;
pub mod feed;
mod lifecycle;
mod publish;
mod reload;
pub mod reports;
pub mod resolve;
mod store;
mod task;
mod view;

pub use caller::Caller;
pub use error::{LoadError, Refused};
pub use lifecycle::{Lifecycle, Phase};
pub use reload::load;
pub use speedmimi_model::Object;
pub use store::{Admin, Busy, Guard, Made, Store};
pub use task::{Controller, Setup};
pub use view::View;

use drain::{Plan, Progress};
use feed::Feed;
use reports::Reports;

/// Changes that may wait; more wait at their senders.
const QUEUE: usize = 64;

/// What everybody else holds of the control thread.
#[derive(Debug, Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
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
    file: Option<PathBuf>,
    reloading: tokio::sync::Mutex<()>,
}

/// What a change did.
#[derive(Debug, Clone)]
pub struct Done {
    /// Revision of the object that was changed, or of the whole where there is none, or none any more. With
    /// `validate_only`, the one it has.
    pub revision: u64,
    /// What was changed; an added backend has its id here. None: a change of everything.
    pub object: Option<Object>,
    /// The state that the change was made to.
    pub before: Store,
    /// The state that shows the change; with `validate_only`, what it would be.
    pub store: Store,
}

impl Done {
    /// What the change made of the configuration, key by key.
    pub fn differences(&self) -> Vec<Difference> {
        diff(self.before.config(), self.store.config())
    }
}

/// What a reload did.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// The global revision afterwards.
    pub revision: u64,
    /// What differs from before, for people.
    pub summary: ReloadSummary,
    /// The same, key by key.
    pub differences: Vec<Difference>,
}

/// What a disconnect did.
#[derive(Debug, Clone)]
pub struct Disconnected {
    /// Revision of the backend, which a disconnect does not change.
    pub revision: u64,
    /// Exchanges that were in flight and were ended.
    pub cut: u32,
}

/// A drain that was begun, or that was going on.
#[derive(Debug)]
pub struct Drained {
    /// Revision of the backend.
    pub revision: u64,
    /// It had begun before.
    pub attached: bool,
    /// How far it is, until it is over; none where it was only to be validated.
    pub progress: Option<watch::Receiver<Progress>>,
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

    /// The configuration file; `None` when the process was started without one.
    pub fn file(&self) -> Option<&PathBuf> {
        self.shared.file.as_ref()
    }

    /// What happens, for those who watch.
    pub fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// Applies a change. Resolves when every worker acts on it.
    pub async fn change(&self, change: Change, guard: Guard) -> Result<Done, Refused> {
        self.ask(|reply| Command::Change(Job { change: Box::new(change), guard, looked_up: false, reply })).await
    }

    /// Ends the exchanges on a backend, and keeps it out until it is enabled unless `keep_enabled`.
    pub async fn disconnect(
        &self,
        upstream: &str,
        id: &str,
        keep_enabled: bool,
        guard: Guard,
    ) -> Result<Disconnected, Refused> {
        let (upstream, id) = (upstream.to_owned(), id.to_owned());
        self.ask(|reply| Command::Disconnect { upstream, id, keep_enabled, guard, reply }).await
    }

    /// Keeps new exchanges from a backend until those in flight have ended, or looks on while that is done. Resolves when
    /// no new one can begin.
    pub async fn drain(&self, upstream: &str, id: &str, plan: Plan, guard: Guard) -> Result<Drained, Refused> {
        let (upstream, id) = (upstream.to_owned(), id.to_owned());
        self.ask(|reply| Command::Drain { upstream, id, plan, guard, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Refused>>) -> Command) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Refused::Stopping)?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }
}

/// What the task is asked.
#[derive(Debug)]
enum Command {
    Change(Job),
    Disconnect {
        upstream: String,
        id: String,
        keep_enabled: bool,
        guard: Guard,
        reply: oneshot::Sender<Result<Disconnected, Refused>>,
    },
    Drain {
        upstream: String,
        id: String,
        plan: Plan,
        guard: Guard,
        reply: oneshot::Sender<Result<Drained, Refused>>,
    },
    Reload {
        config: Box<speedmimi_model::Config>,
        guard: Guard,
        looked_up: bool,
        reply: oneshot::Sender<Result<Reloaded, Refused>>,
    },
}

/// A change on its way.
#[derive(Debug)]
struct Job {
    change: Box<Change>,
    guard: Guard,
    /// Whether its new names were looked up, found or not.
    looked_up: bool,
    reply: oneshot::Sender<Result<Done, Refused>>,
}
