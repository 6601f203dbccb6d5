//! The task that owns the configuration. One command at a time, each either done whole or refused whole.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use speedmimi_model::{Change, Config, Object, diff};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::drain;
use super::feed::{Feed, OBSERVE, Step, event};
use super::publish::{self, Publisher};
use super::resolve::{self, Name, Names};
use super::store::{Busy, Store};
use super::view::View;
use super::{Command, Control, Disconnected, Done, Drained, Job, Lifecycle, QUEUE, Refused, Reloaded, Shared};
use crate::live::{BackendRef, Live};
use crate::snapshot::Snapshot;
use crate::telemetry::windows;
use crate::worker::mailbox::Mailboxes;

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
    commands: mpsc::Receiver<Command>,
    /// Answers of look-ups, with the command that waited for them.
    found: mpsc::UnboundedReceiver<Found>,
    finder: mpsc::UnboundedSender<Found>,
    next_look_up: Instant,
    drains: drain::Running,
}

type Found = (HashMap<Name, Arc<[SocketAddr]>>, Option<Command>);

impl Controller {
    /// Resolves the names of the configuration, as far as that goes in [`resolve::PATIENCE`], and compiles the first
    /// snapshot. Gates open here: workers may be started with it.
    pub async fn prepare(setup: Setup) -> (Self, Control) {
        let Setup { config, file, live, lifecycle, descriptors } = setup;
        let store = Store::new(config);
        let mut names = Names::default();
        let used = publish::names(store.config());
        names.retain(&used);
        let missing: BTreeSet<Name> = used.iter().filter(|name| !names.knows(name)).cloned().collect();
        if !missing.is_empty() {
            names.update(resolve::look_up(missing, resolve::PATIENCE).await, &used);
        }
        let mut publisher = Publisher::new(live.clone(), descriptors);
        let snapshot = publisher.begin(&store, &names);
        let feed = Feed::new(store.revision());
        let (view, seen) = watch::channel(Arc::new(View { store: store.clone(), snapshot }));
        let (sender, commands) = mpsc::channel(QUEUE);
        let (finder, found) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            live,
            lifecycle,
            windows: parking_lot::Mutex::default(),
            reports: parking_lot::Mutex::default(),
            findings: publisher.findings(),
            feed: feed.clone(),
            file,
            reloading: tokio::sync::Mutex::new(()),
        });
        let drains = drain::Running::new(sender.downgrade(), feed);
        let control = Control { commands: sender, view: seen, shared: shared.clone() };
        let next_look_up = Instant::now() + resolve::AGAIN_UNRESOLVED;
        (Self { store, names, publisher, shared, view, commands, found, finder, next_look_up, drains }, control)
    }

    /// The snapshot that workers start with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.borrow().snapshot.clone()
    }

    /// Serves commands until every [`Control`] is gone.
    pub async fn run(mut self, mailboxes: Mailboxes) {
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
                command = self.commands.recv() => match command {
                    Some(command) => self.act(command).await,
                    None => return,
                },
                Some((found, waiting)) = self.found.recv() => {
                    self.take_addresses(found).await;
                    if let Some(command) = waiting {
                        self.act(command).await;
                    }
                }
                _ = ticks.tick() => self.tick(),
                _ = glances.tick() => self.observe(),
                () = sleep_until(self.drains.next_look()) => self.drains.look(&self.store, &self.publisher).await,
                () = sleep_until(self.next_look_up) => self.look_up_again(),
            }
        }
    }

    async fn act(&mut self, command: Command) {
        match command {
            Command::Change(job) => self.change(job).await,
            Command::Reload { config, guard, looked_up, reply } => {
                let (next, summary) = match self.store.reload((*config).clone(), &guard) {
                    Ok(planned) => planned,
                    Err(refused) => return drop(reply.send(Err(refused))),
                };
                if !guard.validate_only
                    && !looked_up
                    && let Some(missing) = self.missing(next.config())
                {
                    let again = Command::Reload { config, guard, looked_up: true, reply };
                    return self.look_up(missing, Some(again));
                }
                let differences = diff(self.store.config(), next.config());
                if !guard.validate_only {
                    self.install(next).await;
                }
                drop(reply.send(Ok(Reloaded { revision: self.store.revision(), summary, differences })));
            }
            Command::Disconnect { upstream, id, keep_enabled, guard, reply } => {
                let answer = match self.store.disconnect(&upstream, &id, keep_enabled, &guard) {
                    Err(refused) => Err(refused),
                    Ok((next, revision)) => {
                        let state = self.shared.live.find_backend(&upstream, &id);
                        let cut = state.as_ref().map_or(0, |state| state.slots.in_flight());
                        if !guard.validate_only
                            && let Some(state) = state
                        {
                            // The gate first: what is cut must not come back at once.
                            self.install(next).await;
                            self.publisher.cut(state.uid).await;
                            let by = guard.by.who.clone();
                            self.shared.feed.happened(event::disconnect(&upstream, &id, &by, cut, revision));
                            tracing::info!(upstream, backend = id, keep_enabled, cut, "disconnected through the API");
                        }
                        Ok(Disconnected { revision, cut })
                    }
                };
                drop(reply.send(answer));
            }
            Command::Drain { upstream, id, plan, guard, reply } => {
                let answer = match self.store.drain(&upstream, &id, &plan, &guard, now()) {
                    Err(refused) => Err(refused),
                    Ok((next, attached)) => {
                        if !guard.validate_only && !attached {
                            self.install(next).await;
                            tracing::info!(upstream, backend = id, ?plan, "drain began through the API");
                        }
                        let progress = if guard.validate_only { None } else { self.drains.watch(&upstream, &id) };
                        let revision = self.revision_of(Some(&Object::backend(&upstream, &id)));
                        Ok(Drained { revision, attached, progress })
                    }
                };
                drop(reply.send(answer));
            }
        }
    }

    async fn change(&mut self, job: Job) {
        let (next, object) = match self.store.change(&job.change, &job.guard, now()) {
            Ok(planned) => planned,
            Err(refused) => return drop(job.reply.send(Err(refused))),
        };
        let removed = self.removed_backend(&job.change);
        let in_flight = removed.as_ref().map_or(0, |state| state.slots.in_flight());
        if let Some(object) = object.clone().filter(|_| in_flight > 0 && job.guard.busy == Busy::Refuse) {
            return drop(job.reply.send(Err(Refused::Busy { object, in_flight })));
        }
        let before = self.store.clone();
        if job.guard.validate_only {
            let done = Done { revision: self.revision_of(object.as_ref()), object, before, store: next };
            return drop(job.reply.send(Ok(done)));
        }
        if !job.looked_up
            && let Some(missing) = self.missing(next.config())
        {
            return self.look_up(missing, Some(Command::Change(Job { looked_up: true, ..job })));
        }
        if next.revision() != self.store.revision() {
            self.install(next).await;
            if let Some(state) = removed.filter(|_| job.guard.busy == Busy::Cut) {
                // The gate is closed by now: what is cut does not come back.
                self.publisher.cut(state.uid).await;
            }
            let what = object.as_ref().map_or_else(|| "configuration".to_owned(), ToString::to_string);
            tracing::info!(object = what, revision = self.store.revision(), "changed through the API");
        }
        let done = Done { revision: self.revision_of(object.as_ref()), object, before, store: self.store.clone() };
        drop(job.reply.send(Ok(done)));
    }

    /// The revision of an object, or of everything where it is not there.
    fn revision_of(&self, object: Option<&Object>) -> u64 {
        let own = object.map(|object| self.store.revision_of(object)).filter(|&revision| revision > 0);
        own.unwrap_or(self.store.revision())
    }

    /// The backend that a change removes by its name.
    fn removed_backend(&self, change: &Change) -> Option<BackendRef> {
        match change {
            Change::Remove { object: Object::Backend { upstream, id }, .. } => {
                self.shared.live.find_backend(upstream, id)
            }
            _ => None,
        }
    }

    /// Makes the next state the current one: everything new is built before anything old is touched.
    async fn install(&mut self, next: Store) {
        let used = publish::names(next.config());
        self.names.retain(&used);
        let before = std::mem::replace(&mut self.store, next);
        let snapshot = self.publisher.publish(&before, &self.store, &self.names).await;
        self.publisher.watch_health(&self.store, &self.names);
        self.view.send_replace(Arc::new(View { store: self.store.clone(), snapshot }));
        self.shared.feed.push(&self.shared.live, &[Step { before, after: self.store.clone() }]);
        self.drains.follow(&self.store, &self.shared.live);
    }

    /// New addresses make a new snapshot, but no revision: nobody changed the configuration.
    async fn take_addresses(&mut self, found: HashMap<Name, Arc<[SocketAddr]>>) {
        let used = publish::names(self.store.config());
        if self.names.update(found, &used) {
            self.install(self.store.clone()).await;
        }
    }

    fn missing(&self, config: &Config) -> Option<BTreeSet<Name>> {
        let missing: BTreeSet<Name> = publish::names(config)
            .into_iter()
            .filter(|name| !self.names.knows(name) && resolve::literal(&name.0, name.1).is_none())
            .collect();
        (!missing.is_empty()).then_some(missing)
    }

    fn look_up(&self, names: BTreeSet<Name>, then: Option<Command>) {
        let finder = self.finder.clone();
        tokio::spawn(async move {
            let found = resolve::look_up(names, resolve::PATIENCE).await;
            // An error means that the task has ended; nobody is left to answer.
            let _ = finder.send((found, then));
        });
    }

    fn look_up_again(&mut self) {
        let names = publish::names(self.store.config());
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
        let Shared { feed, live, findings, lifecycle, .. } = &*self.shared;
        feed.observe(&self.store, live, findings, lifecycle.phase());
    }

    fn tick(&mut self) {
        self.shared.windows.lock().sample(&self.shared.live);
        self.publisher.sweep(&self.store);
        let known: BTreeSet<u64> = self.shared.live.backends().iter().map(|backend| backend.uid).collect();
        self.shared.reports.lock().retain(|uid| known.contains(&uid));
    }
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
