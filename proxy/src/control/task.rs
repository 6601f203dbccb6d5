//! The task that owns the configuration. Operations take their turns, each either done whole or refused whole; what
//! waits together is made durable together.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use speedmimi_model::Config;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::drain;
use super::feed::{Feed, OBSERVE, Step};
use super::journal::{self, Journal};
use super::operation::Ask;
use super::persist::StoreError;
use super::publish::{self, Changes, Publisher};
use super::resolve::{self, Found, Name, Names, Resolver};
use super::store::Store;
use super::turns::Turns;
use super::view::View;
use super::{Control, Lifecycle, Look, QUEUE, Refused, Shared};
use crate::live::Live;
use crate::snapshot::Snapshot;
use crate::telemetry::windows;
use crate::worker::mailbox::Mailboxes;

#[cfg(test)]
mod tests;
mod turn;

/// Operations that share a commit at most; what they hold is in memory until it is on the disk.
const GROUP: usize = 64;

/// What the control thread starts from.
#[derive(Debug)]
pub struct Setup {
    /// The configuration of the file or the command line.
    pub config: Config,
    /// Where it came from, for reloads.
    pub file: Option<PathBuf>,
    /// Observed state.
    pub live: Arc<Live>,
    /// Phase and counters of the process.
    pub lifecycle: Arc<Lifecycle>,
    /// Descriptors the process may open.
    pub descriptors: u64,
}

/// The owner of the configuration.
#[derive(Debug)]
pub struct Controller {
    store: Store,
    names: Names,
    publisher: Publisher,
    shared: Arc<Shared>,
    view: watch::Sender<Arc<View>>,
    journal: Journal,
    asks: mpsc::Receiver<Ask>,
    looks: mpsc::Receiver<Look>,
    /// What waits for its turn.
    waiting: VecDeque<Ask>,
    resolver: Resolver,
    /// Answers of look-ups, whenever they come.
    found: mpsc::UnboundedReceiver<Found>,
    /// What waited for names to be looked up, with what is known of them.
    looked_up: mpsc::UnboundedReceiver<LookedUp>,
    ready: mpsc::UnboundedSender<LookedUp>,
    next_look_up: Instant,
    drains: drain::Running,
}

type LookedUp = (HashMap<Name, Arc<[SocketAddr]>>, Ask);

impl Controller {
    /// Resolves the names of the configuration, as far as that goes in [`resolve::PATIENCE`], and compiles the first
    /// snapshot. Gates open here: workers may be started with it. What was changed through the API before, and kept,
    /// lies over the configuration.
    pub async fn prepare(setup: Setup) -> Result<(Self, Control), StoreError> {
        let Setup { config, file, live, lifecycle, descriptors } = setup;
        let (store, journal) = journal::open(config, file.as_deref()).await?;
        let mut names = Names::default();
        let (finder, found) = mpsc::unbounded_channel();
        let resolver = Resolver::new(finder);
        let used = publish::names(store.config());
        names.retain(&used);
        let missing: BTreeSet<Name> = used.iter().filter(|name| !names.knows(name)).cloned().collect();
        if !missing.is_empty() {
            names.update(resolver.look_up(missing, resolve::PATIENCE).await, &used);
        }
        let mut publisher = Publisher::new(live.clone(), descriptors);
        let snapshot = publisher.begin(&store, &names);
        let feed = Feed::new(store.revision());
        let (view, seen) = watch::channel(Arc::new(View { store: store.clone(), snapshot }));
        let (asking, asks) = mpsc::channel(QUEUE);
        let (looking, looks) = mpsc::channel(QUEUE);
        let (ready, looked_up) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            live,
            lifecycle,
            windows: parking_lot::Mutex::default(),
            reports: parking_lot::Mutex::default(),
            findings: publisher.findings(),
            feed: feed.clone(),
            kept_out: Arc::default(),
            file,
            home: journal.home(),
            mailboxes: OnceLock::new(),
            log_level: Arc::default(),
            reloading: tokio::sync::Mutex::new(()),
            askers: super::streams::Askers::default(),
            turns: Turns::default(),
            access: OnceLock::new(),
        });
        let drains = drain::Running::new(asking.downgrade(), feed, shared.kept_out.clone());
        let control = Control { asks: asking, looks: looking, view: seen, shared: shared.clone() };
        let next_look_up = Instant::now() + resolve::AGAIN_UNRESOLVED;
        let waiting = VecDeque::new();
        let controller = Self {
            store,
            names,
            publisher,
            shared,
            view,
            journal,
            asks,
            looks,
            waiting,
            resolver,
            found,
            looked_up,
            ready,
            next_look_up,
            drains,
        };
        Ok((controller, control))
    }

    /// The snapshot that workers start with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.borrow().snapshot.clone()
    }

    /// Serves everybody until every [`Control`] is gone.
    pub async fn run(mut self, mailboxes: Mailboxes) {
        // Workers are started once.
        let _ = self.shared.mailboxes.set(mailboxes.clone());
        self.publisher.attach(mailboxes);
        self.publisher.watch_health(&self.store, &self.names);
        self.drains.follow(&self.store, &self.shared.live);
        // What is so at the start is no change of it.
        self.observe();
        let mut glances = interval(OBSERVE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = interval(windows::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => {
                        self.waiting.push_back(ask);
                        self.catch_up().await;
                    }
                    None => return,
                },
                // One at a time: between two of them everything else has its chance.
                Some(look) = self.looks.recv() => self.look(look).await,
                Some(found) = self.found.recv() => {
                    let mut all = HashMap::from([found]);
                    while let Ok((name, addresses)) = self.found.try_recv() {
                        all.insert(name, addresses);
                    }
                    self.take_addresses(all).await;
                }
                Some((found, ask)) = self.looked_up.recv() => {
                    self.take_addresses(found).await;
                    self.waiting.push_back(ask);
                    self.catch_up().await;
                }
                _ = ticks.tick() => self.tick(),
                _ = glances.tick() => self.observe(),
                () = sleep_until(self.drains.next_look()) => self.drains.look(&self.store, &self.publisher).await,
                () = sleep_until(self.next_look_up) => self.look_up_again(),
            }
        }
    }

    async fn look(&mut self, look: Look) {
        match look {
            Look::Recall { call, reply } => drop(reply.send(self.recalled(&call).await)),
            Look::Remember { call, answer, reply } => {
                let done = self.journal.commit(journal::remember(&call, &answer)).await;
                drop(reply.send(done.map_err(Refused::State)));
            }
            Look::Drained { upstream, id, reply } => drop(reply.send(Ok(self.drains.watch(&upstream, &id)))),
            Look::History { before, limit, reply } => {
                let found = self.journal.history(before, limit).await;
                drop(reply.send(found.map_err(Refused::State)));
            }
        }
    }

    /// Does what waits, as much of it together as fits.
    async fn catch_up(&mut self) {
        while self.waiting.len() < GROUP
            && let Ok(ask) = self.asks.try_recv()
        {
            self.waiting.push_back(ask);
        }
        while !self.waiting.is_empty() {
            self.turn().await;
        }
    }

    /// Makes the next state the current one, which these steps led to: everything new is built before anything old is
    /// touched.
    async fn install(&mut self, next: Store, steps: &[Step]) {
        let before = std::mem::replace(&mut self.store, next);
        let changes = Changes::between(before.config(), self.store.config());
        if changes.move_something() {
            self.names.retain(&publish::names(self.store.config()));
        }
        let snapshot = self.publisher.publish(&before, &self.store, &changes, &self.names).await;
        if changes.change_checks() {
            self.publisher.watch_health(&self.store, &self.names);
        }
        self.view.send_replace(Arc::new(View { store: self.store.clone(), snapshot: snapshot.clone() }));
        self.shared.feed.push(&self.shared.known(&snapshot), steps);
        self.drains.follow(&self.store, &self.shared.live);
    }

    /// New addresses make a new snapshot, but no revision: nobody changed the configuration.
    async fn take_addresses(&mut self, found: HashMap<Name, Arc<[SocketAddr]>>) {
        let used = publish::names(self.store.config());
        if self.names.update(found, &used) {
            let before = self.snapshot();
            self.install(self.store.clone(), &[]).await;
            self.publisher.watch_health(&self.store, &self.names);
            self.shared.feed.moved(&self.shared.known(&self.snapshot()), &self.store, &before);
        }
    }

    fn missing(&self, config: &Config) -> Option<BTreeSet<Name>> {
        let changes = Changes::between(self.store.config(), config);
        let wanted: BTreeSet<Name> = changes.moved().map(|backend| (backend.host.clone(), backend.port)).collect();
        if wanted.is_empty() {
            return None;
        }
        let used = publish::names(self.store.config());
        Some(self.names.missing(wanted, &used)).filter(|missing| !missing.is_empty())
    }

    /// Looks names up. What is found comes by itself; `then` waits for it as long as that is bearable.
    fn look_up(&self, names: BTreeSet<Name>, then: Option<Ask>) {
        let (resolver, ready) = (self.resolver.clone(), self.ready.clone());
        tokio::spawn(async move {
            let found = resolver.look_up(names, resolve::PATIENCE).await;
            if let Some(ask) = then {
                // An error means that the task has ended; nobody is left to answer.
                let _ = ready.send((found, ask));
            }
        });
    }

    fn look_up_again(&mut self) {
        let names = publish::names(self.store.config());
        // What was looked up for a change that was refused then is of no use to anybody.
        self.names.retain(&names);
        let names: BTreeSet<Name> =
            names.into_iter().filter(|name| resolve::literal(&name.0, name.1).is_none()).collect();
        let unresolved = names.iter().any(|name| !self.names.knows(name));
        self.next_look_up = Instant::now() + if unresolved { resolve::AGAIN_UNRESOLVED } else { resolve::AGAIN };
        if !names.is_empty() {
            self.look_up(names, None);
        }
    }

    /// Tells watchers of what changes without a command.
    fn observe(&self) {
        let Shared { feed, lifecycle, .. } = &*self.shared;
        feed.observe(&self.shared.known(&self.snapshot()), &self.store, lifecycle.phase());
    }

    fn tick(&mut self) {
        self.shared.windows.lock().sample(&self.shared.live);
        self.publisher.sweep(&self.store);
        let known: BTreeSet<u64> = self.shared.live.backends().iter().map(|backend| backend.uid).collect();
        self.shared.reports.lock().retain(|uid| known.contains(&uid));
    }
}
