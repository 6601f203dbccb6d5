//! What watches of desired state have in common: begin with everything or where the watcher left off, then revision by
//! revision; begin anew where a revision is too large to be told.

use std::sync::Arc;
use std::time::Duration;

use speedmimi_proto::v1;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{Outlet, Over, Stream, heartbeat, place};
use crate::admin::status::{self, Violations};
use crate::control::feed::{Feed, Record};
use crate::control::{Caller, Control, View};

/// How one kind of watch speaks.
pub(super) trait Teller: Send + Sync + 'static {
    /// Its messages.
    type Message: Send + 'static;

    /// A part of everything there is, the first from 0, and where the next one begins; `None`: it was the last. A reader
    /// that takes nothing holds up one part and the view, not all that the view would become.
    fn part(&self, control: &Control, view: &View, from: usize) -> (Self::Message, Option<usize>);

    /// A record; `None` where it says nothing to this watcher.
    fn tell(&self, instance: &str, record: &Record) -> Told<Self::Message>;

    /// Nothing new.
    fn heartbeat(&self, instance: &str, revision: u64) -> Self::Message;
}

/// What a record says to a watcher.
pub(super) enum Told<T> {
    /// This.
    Message(T),
    /// Nothing.
    Nothing,
    /// So much that it has to begin anew.
    TooMuch,
}

/// How a watch begins.
pub(super) struct Begin {
    resume: Option<(u64, String)>,
    heartbeat: Duration,
}

impl Begin {
    /// Reads the options of a request.
    pub(super) fn new(options: Option<v1::WatchOptions>, violations: &mut Violations) -> Self {
        let v1::WatchOptions { resume_revision, resume_instance, heartbeat: given } = options.unwrap_or_default();
        if resume_revision.is_some() && resume_instance.is_empty() {
            violations.push("watch.resume_instance", "is needed with resume_revision");
        }
        let resume = resume_revision.map(|revision| (revision, resume_instance));
        Self { resume, heartbeat: heartbeat("watch.heartbeat", given, violations) }
    }

    /// Whether it goes on from a revision, if that can be.
    pub(super) fn goes_on(&self) -> bool {
        self.resume.is_some()
    }
}

/// Runs a watch.
pub(super) fn run<T: Teller>(
    control: &Control,
    by: &Caller,
    begin: Begin,
    teller: T,
) -> Result<Stream<T::Message>, Status> {
    let place = place(control, by)?;
    let control = control.clone();
    Ok(Stream::run(place, |outlet| async move {
        let mut watch = Watch {
            next: 0,
            revision: 0,
            records: control.feed().records(),
            outlet,
            teller,
            control,
            silence: begin.heartbeat,
        };
        match watch.run(begin.resume).await {
            Over::Left => None,
            Over::Slow => Some(status::slow_watcher("resume_revision", watch.revision)),
            Over::Gone(status) => Some(status),
        }
    }))
}

struct Watch<T: Teller> {
    /// Number of the record that comes next.
    next: u64,
    /// The revision that the watcher has.
    revision: u64,
    records: watch::Receiver<u64>,
    outlet: Outlet<T::Message>,
    teller: T,
    control: Control,
    silence: Duration,
}

impl<T: Teller> Watch<T> {
    async fn run(&mut self, resume: Option<(u64, String)>) -> Over {
        match self.follow(resume).await {
            Ok(never) => match never {},
            Err(over) => over,
        }
    }

    async fn follow(&mut self, resume: Option<(u64, String)>) -> Result<std::convert::Infallible, Over> {
        // What was observed at the revision itself may be new to the watcher, and is told again.
        let mut known = None;
        match self.resumable(resume) {
            Some((revision, next)) => {
                (self.revision, self.next) = (revision, next);
                known = Some(revision);
            }
            None => self.resync().await?,
        }
        let mut quiet = Instant::now() + self.silence;
        // A watcher that goes on learns at once where it stands.
        let mut greet = known.is_some();
        loop {
            let record = match self.feed().record(self.next) {
                Err(_) => return Err(Over::Slow),
                Ok(Some(record)) => record,
                Ok(None) => {
                    if greet || quiet <= Instant::now() {
                        greet = false;
                        let message = self.teller.heartbeat(self.feed().instance(), self.revision);
                        self.send(message).await?;
                        quiet = Instant::now() + self.silence;
                    }
                    self.wait(quiet).await?;
                    continue;
                }
            };
            self.next += 1;
            if self.tell(&record).await? {
                greet = false;
                quiet = Instant::now() + self.silence;
            }
        }
    }

    fn feed(&self) -> &Feed {
        self.control.feed()
    }

    fn resumable(&self, resume: Option<(u64, String)>) -> Option<(u64, u64)> {
        let (revision, instance) = resume?;
        let mine = instance == self.feed().instance() && revision <= self.control.view().store.revision();
        let next = self.feed().since(revision).filter(|_| mine)?;
        Some((revision, next))
    }

    /// Says whether there was anything to tell.
    async fn tell(&mut self, record: &Arc<Record>) -> Result<bool, Over> {
        let revision = record.revision();
        match **record {
            Record::Revision { .. } if revision <= self.revision => return Ok(false),
            Record::Observed { .. } if revision < self.revision => return Ok(false),
            _ => {}
        }
        match self.teller.tell(self.control.feed().instance(), record) {
            Told::Message(message) => self.send(message).await?,
            Told::Nothing => {
                self.revision = revision;
                return Ok(false);
            }
            Told::TooMuch => {
                self.resync().await?;
                return Ok(true);
            }
        }
        self.revision = revision;
        Ok(true)
    }

    /// Tells everything there is, and goes on behind it.
    async fn resync(&mut self) -> Result<(), Over> {
        // In this order: what is appended between the two is told twice rather than never, and known by its revision.
        self.next = *self.records.borrow_and_update();
        let view = self.control.view();
        let mut from = Some(0);
        while let Some(at) = from {
            // Made when there is room for it.
            self.room().await?;
            let part;
            (part, from) = self.teller.part(&self.control, &view, at);
            self.outlet.offer(part)?;
            // Others have their turns between the parts of a large configuration.
            tokio::task::yield_now().await;
        }
        self.revision = view.store.revision();
        Ok(())
    }

    /// Hands a message over, unless the feed runs away from the watcher meanwhile.
    async fn send(&mut self, message: T::Message) -> Result<(), Over> {
        self.room().await?;
        // There is room, and nobody else fills it.
        self.outlet.offer(message).map(drop)
    }

    /// Waits until a message can be handed over, unless the feed runs away from the watcher meanwhile.
    async fn room(&mut self) -> Result<(), Over> {
        let (feed, next) = (self.control.feed(), self.next);
        let lost = async {
            // An error means that the process ends.
            while feed.record(next).is_ok() && self.records.changed().await.is_ok() {}
        };
        tokio::select! {
            biased;
            there = self.outlet.room() => there,
            () = lost => Err(Over::Slow),
        }
    }

    /// Waits for a record, until then at most.
    async fn wait(&mut self, until: Instant) -> Result<(), Over> {
        tokio::select! {
            () = self.outlet.left() => Err(Over::Left),
            changed = timeout_at(until, self.records.changed()) => match changed {
                Ok(Err(_)) => Err(Over::Left),
                Ok(Ok(())) | Err(_) => Ok(()),
            }
        }
    }
}
