//! One turn: everything that waits is planned one after the other, made durable together, published once, answered.
//!
//! Nothing is in force that is not durable. Where the store refuses, everybody is refused, and nothing has changed.

use std::collections::HashMap;
use std::sync::Arc;

use speedmimi_model::{Change, Object, ReloadSummary};

use super::super::audit;
use super::super::feed::{Step, event};
use super::super::journal::{self, Author, Earlier};
use super::super::operation::{Answer, Ask, Call, Done, Operation};
use super::super::persist::Batch;
use super::super::reload;
use super::super::store::{Busy, Guard, Store};
use super::{Controller, GROUP, Refused};

/// What a turn comes to, while it is planned.
struct Draft {
    store: Store,
    batch: Batch,
    /// Answers to calls of this turn, which the journal does not know yet.
    written: HashMap<String, (u64, Arc<[u8]>)>,
    /// Each operation's part of the way.
    steps: Vec<Step>,
    /// Backends whose exchanges are to be ended, each with its place in `planned`.
    cut: Vec<(u64, usize)>,
    planned: Vec<(Ask, Outcome)>,
}

/// How an operation is to be answered, once what it is about is durable.
enum Outcome {
    /// It was planned now, and its answer written if it has a name.
    New(Box<Result<Done, Refused>>, Option<Arc<[u8]>>),
    /// It was done before.
    Again(Result<Answer, Refused>),
}

/// What one operation comes to.
struct Planned {
    store: Store,
    object: Option<Object>,
    /// The backend whose exchanges are to be ended, and how many there are.
    cut: Option<(u64, u32)>,
    summary: Option<ReloadSummary>,
    attached: bool,
}

impl Planned {
    fn of(store: Store, object: Option<Object>) -> Self {
        Self { store, object, cut: None, summary: None, attached: false }
    }
}

impl Controller {
    /// Takes a group off what waits and does it.
    pub(super) async fn turn(&mut self) {
        let mut asks = Vec::new();
        while let Some(ask) = self.waiting.pop_front() {
            // Going back looks at what is durable, so that nothing that is not may come before it.
            let alone = matches!(ask.operation, Operation::Rollback(_));
            if alone && !asks.is_empty() {
                self.waiting.push_front(ask);
                break;
            }
            asks.push(ask);
            if alone || asks.len() >= GROUP {
                break;
            }
        }
        let again = self.take(asks).await;
        // One that the store does not take must not keep the others from being done.
        for ask in again {
            let _ = self.take(vec![ask]).await;
        }
    }

    /// Does a group, and gives it back where the store refuses more than one together.
    async fn take(&mut self, asks: Vec<Ask>) -> Vec<Ask> {
        let mut draft = Draft {
            store: self.store.clone(),
            batch: Batch::new(),
            written: HashMap::new(),
            steps: Vec::new(),
            cut: Vec::new(),
            planned: Vec::with_capacity(asks.len()),
        };
        for ask in asks {
            self.plan(ask, &mut draft).await;
        }
        let Draft { store, batch, steps, cut, mut planned, .. } = draft;
        if let Err(error) = self.journal.commit(batch).await {
            if planned.len() > 1 {
                return planned.into_iter().map(|(ask, _)| ask).collect();
            }
            for (ask, outcome) in planned {
                // Nothing of these was to be kept but, at most, the answer.
                let refused = matches!(&outcome, Outcome::New(result, _) if result.is_err());
                let plain = ask.guard.validate_only || refused || matches!(outcome, Outcome::Again(_));
                let refused = Outcome::New(Box::new(Err(Refused::State(error.clone()))), None);
                self.conclude(ask, if plain { outcome } else { refused });
            }
            return Vec::new();
        }
        let cut_off = self.put_down(&planned);
        if !store.is(&self.store) {
            self.install(store, &steps).await;
        }
        let snapshot = self.snapshot();
        for (upstream, id) in cut_off {
            self.shared.feed.see(&self.shared.known(&snapshot), &self.store, upstream, id);
        }
        for (backend, place) in cut {
            // The gate is closed by now: what is cut does not come back.
            let ended = self.publisher.cut(backend).await;
            if let Some((_, Outcome::New(result, _))) = planned.get_mut(place)
                && let Ok(done) = &mut **result
            {
                done.cut = ended;
            }
        }
        for (ask, outcome) in planned {
            self.conclude(ask, outcome);
        }
        Vec::new()
    }

    /// Puts down who cuts backends off, before watchers are told of it. Gives back those that were cut off before, of
    /// which no step tells.
    fn put_down<'a>(&self, planned: &'a [(Ask, Outcome)]) -> Vec<(&'a str, &'a str)> {
        let mut before = Vec::new();
        for (Ask { operation, guard, .. }, outcome) in planned {
            let Operation::Disconnect { upstream, id, .. } = operation else { continue };
            let Outcome::New(result, _) = outcome else { continue };
            let Some(done) = result.as_ref().as_ref().ok().filter(|_| !guard.validate_only) else { continue };
            let holds = |upstream: &str, id: &str| done.store.is_disconnected(upstream, id);
            self.shared.kept_out.cut(upstream, id, &guard.by.who, holds);
            if done.before.is_disconnected(upstream, id) {
                before.push((&**upstream, &**id));
            }
        }
        before
    }

    /// Says what became of an operation: to the log, and to whoever asked.
    fn conclude(&mut self, ask: Ask, outcome: Outcome) {
        let Ask { operation, guard, call, reply, .. } = ask;
        let answer = match outcome {
            Outcome::Again(answer) => {
                if let Err(refused) = &answer {
                    let request_id = call.as_ref().map_or("", |call| &call.request_id);
                    audit::operation(&guard, &operation, &Err(refused.clone()), request_id);
                }
                answer
            }
            Outcome::New(mut result, written) => {
                if let (Operation::Drain { upstream, id, .. }, Ok(done), false) =
                    (&operation, &mut *result, guard.validate_only)
                {
                    done.progress = self.drains.attend(upstream, id);
                }
                if !guard.validate_only {
                    self.report(&operation, &guard, &result);
                }
                audit::operation(&guard, &operation, &result, call.as_ref().map_or("", |call| &call.request_id));
                match written {
                    Some(written) => Ok(Answer::Written(written)),
                    None => result.map(|done| Answer::Done(Box::new(done))),
                }
            }
        };
        // Nobody waits any more: the connection ended, and what was done stays done.
        let _ = reply.send(answer);
    }

    /// Tells those who watch. A reload is told in full, and takes what it read of tokens and certificates into use.
    fn report(&self, operation: &Operation, guard: &Guard, result: &Result<Done, Refused>) {
        let (feed, by) = (&self.shared.feed, &guard.by.who);
        if let (Operation::Disconnect { upstream, id, .. }, Ok(done)) = (operation, result) {
            feed.happened(event::disconnect(upstream, id, by, done.cut, done.revision));
        }
        if let (Operation::Rollback(_), Ok(done)) = (operation, result) {
            reload::tell_waiting(&done.store);
        }
        let Operation::Reload { secrets, .. } = operation else { return };
        self.shared.lifecycle.count_reload(result.is_ok());
        feed.happened(event::reload(result, by, self.store.revision()));
        match result {
            Ok(Done { store, summary, .. }) => {
                if let Some(secrets) = secrets {
                    secrets.install();
                }
                let ReloadSummary { added, removed, changed, conflicts } = summary.clone().unwrap_or_default();
                let (revision, told) = (store.revision(), conflicts.len());
                tracing::info!(revision, ?added, ?removed, ?changed, conflicts = told, "configuration reloaded");
                reload::tell(revision, &conflicts);
            }
            Err(error) => tracing::error!(%error, "reload refused, nothing was changed"),
        }
    }

    /// Plans one operation on what the ones before it come to.
    async fn plan(&mut self, ask: Ask, draft: &mut Draft) {
        let call = ask.call.clone().filter(|_| !ask.guard.validate_only);
        if let Some(call) = &call
            && let Some(known) = self.known(call, draft).await
        {
            return draft.planned.push((ask, Outcome::Again(known)));
        }
        let planned = self.decide(&ask, &draft.store).await;
        if let Ok(planned) = &planned
            && !ask.looked_up
            && !ask.guard.validate_only
            && let Some(missing) = self.missing(planned.store.config())
        {
            return self.look_up(missing, Some(Ask { looked_up: true, ..ask }));
        }
        let before = draft.store.clone();
        let outcome = planned.map(|planned| {
            let Planned { store, object, cut, summary, attached } = planned;
            let step = Step::new(before.clone(), store.clone());
            let differences = step.differences.clone();
            if !ask.guard.validate_only {
                let what = match &ask.operation {
                    Operation::Rollback(revision) => format!(" to revision {revision}"),
                    _ => object.as_ref().map_or_else(String::new, |object| format!(" {object}")),
                };
                let what = format!("{}{what}", ask.guard.verb);
                let author = Author { by: &ask.guard.by, at: journal::now(), what };
                draft.batch.append(journal::step((&before).into(), &store, &differences, &author));
                draft.cut.extend(cut.map(|(backend, _)| (backend, draft.planned.len())));
                draft.steps.push(step);
                draft.store = store.clone();
            }
            let store = if ask.guard.validate_only { store.tried(&before) } else { store };
            let revision = match (&ask.operation, &object) {
                (Operation::Disconnect { .. }, _) | (_, None) => store.revision(),
                // What would be added is nowhere yet.
                (_, Some(object)) if ask.guard.validate_only => before.revision_of(object),
                (_, Some(object)) => revision(&store, object),
            };
            let cut = cut.map_or(0, |(_, count)| count);
            let renewed = match &ask.operation {
                Operation::Reload { secrets, .. } => secrets.clone(),
                _ => None,
            };
            Done { revision, object, before, store, differences, cut, summary, renewed, attached, progress: None }
        });
        let written = call.filter(|_| outcome.as_ref().err().is_none_or(Refused::is_final)).map(|call| {
            let answer: Arc<[u8]> = (call.encode)(outcome.as_ref()).into();
            draft.batch.append(journal::remember(&call, &answer));
            draft.written.insert(call.request_id, (call.fingerprint, answer.clone()));
            answer
        });
        draft.planned.push((ask, Outcome::New(Box::new(outcome), written)));
    }

    /// The answer to a call that was made before, in this turn or an earlier one.
    async fn known(&mut self, call: &Call, draft: &Draft) -> Option<Result<Answer, Refused>> {
        match draft.written.get(&call.request_id) {
            Some((fingerprint, answer)) => Some(repeat(call, *fingerprint, answer.clone())),
            None => self.recall(call).await,
        }
    }

    /// The answer to a call that was made in an earlier turn.
    pub(super) async fn recall(&mut self, call: &Call) -> Option<Result<Answer, Refused>> {
        match self.journal.recall(&call.request_id).await {
            Ok(known) => known.map(|(fingerprint, answer)| repeat(call, fingerprint, answer)),
            Err(error) => Some(Err(Refused::State(error))),
        }
    }

    /// The same, for what is done though nobody can be told later what was answered: it must not wait for the disk.
    pub(super) async fn recalled(&mut self, call: &Call) -> Result<Option<Answer>, Refused> {
        match self.recall(call).await.transpose() {
            Err(Refused::State(error)) => {
                tracing::warn!(%error, request_id = call.request_id, "it is not known whether this was done before");
                Ok(None)
            }
            known => known,
        }
    }

    async fn decide(&mut self, ask: &Ask, store: &Store) -> Result<Planned, Refused> {
        let guard = &ask.guard;
        match &ask.operation {
            Operation::Change(change) => self.change(change, ask, store),
            Operation::Plan(plan) => {
                let decided = plan.decide(store.layers()).map_err(|refused| store.conflict_or(refused, guard))?;
                self.change(&decided, ask, store)
            }
            Operation::Rollback(revision) => {
                store.check(None, guard)?;
                let Earlier { overlay, draining } = self.earlier(store, *revision).await?;
                Ok(Planned::of(store.restore(overlay, draining, guard, journal::now())?, None))
            }
            Operation::Reload { config, .. } => {
                let (store, summary) = store.reload((**config).clone(), guard)?;
                Ok(Planned { summary: Some(summary), ..Planned::of(store, None) })
            }
            Operation::Disconnect { upstream, id, keep_enabled } => {
                let store = store.disconnect(upstream, id, *keep_enabled, guard)?;
                let state = self.shared.live.find_backend(upstream, id);
                let cut = state.map(|state| (state.uid, state.slots.in_flight()));
                Ok(Planned { cut, ..Planned::of(store, Some(Object::backend(upstream, id))) })
            }
            Operation::Drain { upstream, id, plan } => {
                let (store, attached) = store.drain(upstream, id, plan, guard, journal::now())?;
                Ok(Planned { attached, ..Planned::of(store, Some(Object::backend(upstream, id))) })
            }
        }
    }

    fn change(&self, change: &Change, ask: &Ask, store: &Store) -> Result<Planned, Refused> {
        let (next, object) = store.change(change, &ask.guard, journal::now())?;
        let removed = match change {
            Change::Remove { object: Object::Backend { upstream, id }, .. } => {
                self.shared.live.find_backend(upstream, id)
            }
            _ => None,
        };
        let busy = removed.map(|state| (state.uid, state.slots.in_flight()));
        match (busy, &object, ask.guard.busy) {
            (Some((_, in_flight @ 1..)), Some(object), Busy::Refuse) => {
                Err(Refused::Busy { object: object.clone(), in_flight })
            }
            (cut, _, Busy::Cut) => Ok(Planned { cut, ..Planned::of(next, object) }),
            _ => Ok(Planned::of(next, object)),
        }
    }

    /// The overlay and the drains as they were at a revision.
    async fn earlier(&mut self, store: &Store, revision: u64) -> Result<Earlier, Refused> {
        let current = store.revision();
        let unknown = |oldest| Refused::NoSuchRevision { revision, oldest, current };
        if revision == 0 || revision > current {
            return Err(unknown(1));
        }
        let found = self.journal.earlier(store, revision).await.map_err(Refused::State)?;
        found.map_err(unknown)
    }
}

fn repeat(call: &Call, fingerprint: u64, answer: Arc<[u8]>) -> Result<Answer, Refused> {
    match fingerprint == call.fingerprint {
        true => Ok(Answer::Written(answer)),
        false => Err(Refused::RequestIdTaken(call.request_id.clone())),
    }
}

/// The revision of an object, or of everything where it is not there.
fn revision(store: &Store, object: &Object) -> u64 {
    match store.revision_of(object) {
        0 => store.revision(),
        own => own,
    }
}
