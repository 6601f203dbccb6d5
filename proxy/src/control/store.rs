//! The configuration in its layers, with the revision that last changed each object. Pure: a change makes a new
//! store, and the old one stays what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use speedmimi_model::{
    Backend, Change, ChangeError, Config, Difference, Edit, Layers, Object, Origin, ReloadSummary, Selector, diff_of,
};

use super::caller::Caller;
use super::drain::Drains;
use super::error::Refused;

mod draining;

pub use draining::Admin;

/// The revision of everything that the process started with.
const FIRST_REVISION: u64 = 1;

/// Conditions of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Who asks.
    pub by: Caller,
    /// The name of the call, for people: `UpdateBackend`.
    pub verb: &'static str,
    /// Do everything but publish.
    pub validate_only: bool,
    /// Refuse unless the object is at this revision; an object that does not exist is at 0.
    pub expected_revision: Option<u64>,
    /// What to do where a backend that is to be removed has exchanges in flight.
    pub busy: Busy,
}

/// What becomes of the exchanges on a backend that is removed by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Busy {
    /// They are what others wait for: the backend stays. One that begins while this is being looked at goes on to its
    /// end.
    #[default]
    Refuse,
    /// They are ended, once no new one can begin.
    Cut,
}

/// Desired state, whole. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    layers: Layers,
    revision: u64,
    /// Objects changed since the first start; the others are at [`FIRST_REVISION`].
    revisions: Arc<BTreeMap<Object, u64>>,
    /// Backends cut off by an operator until they are enabled. No part of the configuration: makes no revision.
    disconnected: Arc<BTreeSet<(String, String)>>,
    /// Backends that an operator drains, until they are enabled, disabled or gone.
    draining: Arc<Drains>,
    /// What made the revision.
    made: Arc<Made>,
}

/// Who made a revision, and what it touched.
#[derive(Debug, Default)]
pub struct Made {
    /// Who asked for it; the process itself for what it started with.
    pub by: Caller,
    /// The objects, removed ones included; none for what the process started with.
    pub touched: Vec<Object>,
}

/// What a process leaves behind beside its configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    /// The global revision; 0 where there was no process.
    pub(super) revision: u64,
    pub(super) revisions: BTreeMap<Object, u64>,
    pub(super) disconnected: BTreeSet<(String, String)>,
    pub(super) draining: Drains,
}

impl Store {
    /// The configuration of the start, with nothing over it.
    pub fn new(config: Config) -> Self {
        Self {
            layers: Layers::new(config),
            revision: FIRST_REVISION,
            revisions: Arc::default(),
            disconnected: Arc::default(),
            draining: Arc::default(),
            made: Arc::default(),
        }
    }

    /// The store of a process that goes on from where another ended; what changed since then makes a revision, with no
    /// object where only the overlay did.
    pub(super) fn resumed(layers: Layers, past: Past, changed: Option<Vec<Object>>, by: &Caller) -> Self {
        let Past { revision, revisions, disconnected, draining } = past;
        let mut store = Self {
            layers,
            revision,
            revisions: Arc::new(revisions),
            disconnected: Arc::new(disconnected),
            draining: Arc::new(draining),
            made: Arc::default(),
        };
        store.forget_disconnected();
        if changed.is_some() || revision < FIRST_REVISION {
            store.touch(changed.unwrap_or_default(), by);
        }
        store
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        self.layers.effective()
    }

    /// File and overlay.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The global revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What made the global revision.
    pub fn made(&self) -> &Made {
        &self.made
    }

    /// The revision that last changed an object; 0 when it does not exist.
    pub fn revision_of(&self, object: &Object) -> u64 {
        let exists = self.config().contains(object);
        if exists { self.revisions.get(object).copied().unwrap_or(FIRST_REVISION) } else { 0 }
    }

    /// This store as a try of it is shown, that was made from the other: nothing has another revision than it has
    /// there, for the next one is not this change's before it is made; what is not there yet is at 0.
    pub(super) fn tried(&self, before: &Self) -> Self {
        let mut revisions = before.revisions.clone();
        for object in self.touched().iter().filter(|object| before.revision_of(object) == 0) {
            Arc::make_mut(&mut revisions).insert(object.clone(), 0);
        }
        Self { revision: before.revision, revisions, made: before.made.clone(), ..self.clone() }
    }

    /// Whether nothing at all was changed between the two.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_file = std::ptr::eq(self.layers.file(), other.layers.file());
        same_file
            && self.revision == other.revision
            && self.disconnected == other.disconnected
            && self.draining == other.draining
    }

    /// What the last revision changed: objects that are not what they were before it, or not there any more.
    pub(super) fn touched(&self) -> &[Object] {
        &self.made.touched
    }

    /// What it makes of the configuration of the store that it was made from, key by key.
    pub(super) fn differences(&self, before: &Self) -> Arc<[Difference]> {
        match self.revision == before.revision {
            true => Arc::default(),
            false => diff_of(before.config(), self.config(), self.touched()).into(),
        }
    }

    /// Backends that an operator cut off.
    pub(super) fn disconnected(&self) -> &BTreeSet<(String, String)> {
        &self.disconnected
    }

    /// Whether a backend takes exchanges, as far as operators are concerned.
    pub fn admits(&self, upstream: &str, backend: &Backend) -> bool {
        backend.active && !self.is_disconnected(upstream, &backend.id) && self.drain_of(upstream, &backend.id).is_none()
    }

    /// Upstream and id of every backend that operators keep out beside the configuration: cut off, or draining.
    pub(super) fn kept_out(&self) -> impl Iterator<Item = &(String, String)> {
        self.disconnected.iter().chain(self.draining.keys())
    }

    /// Whether operators keep the same backends out, beside those that the configuration says are not active.
    pub(super) fn keeps_out_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.disconnected, &other.disconnected) && Arc::ptr_eq(&self.draining, &other.draining)
    }

    /// Whether an operator cut a backend off and did not enable it since.
    pub fn is_disconnected(&self, upstream: &str, id: &str) -> bool {
        !self.disconnected.is_empty() && self.disconnected.contains(&(upstream.to_owned(), id.to_owned()))
    }

    /// The store after a change, and the object that it names or adds; none where it is about everything. The revision
    /// stays where everything was so already. `at`: when, in microseconds since 1970.
    pub fn change(&self, change: &Change, guard: &Guard, at: u64) -> Result<(Self, Option<Object>), Refused> {
        let named = named(change);
        // One that gets its name later is compared once it has it.
        if named.is_some() || !matches!(change, Change::Add { .. }) {
            self.check(named.as_ref(), guard)?;
        }
        let origin = Origin { who: guard.by.who.to_string(), at, revision: self.revision + 1 };
        let (layers, touched) =
            self.layers.apply(change, &origin).map_err(|error| self.conflict_or(error.into(), guard))?;
        let added = matches!(change, Change::Add { .. }).then(|| touched.first().cloned()).flatten();
        let object = named.or(added);
        self.check(object.as_ref(), guard)?;
        let mut next = Self { layers, ..self.clone() };
        let reopened = reopens(change).filter(|backend| next.reconnect(backend));
        let undrained = sets_active(change).filter(|backend| next.end_drain(backend));
        let reopened = reopened.or(undrained);
        if reopened.is_some() || !touched.is_empty() || next.layers.overlay() != self.layers.overlay() {
            next.touch(touched.into_iter().chain(reopened), &guard.by);
            next.forget_disconnected();
        }
        Ok((next, object))
    }

    /// The store after a backend was cut off, which makes no revision.
    pub fn disconnect(&self, upstream: &str, id: &str, keep_enabled: bool, guard: &Guard) -> Result<Self, Refused> {
        let object = Object::backend(upstream, id);
        self.check(Some(&object), guard)?;
        // The same words as for any other change to a backend that is not there.
        self.layers.existing(&object)?;
        let mut next = self.clone();
        if !keep_enabled {
            Arc::make_mut(&mut next.disconnected).insert((upstream.to_owned(), id.to_owned()));
        }
        Ok(next)
    }

    /// The store over a new file, and what that changes.
    pub fn reload(&self, file: Config, guard: &Guard) -> Result<(Self, ReloadSummary), Refused> {
        self.check(None, guard)?;
        let rule = file.state.conflict;
        let (layers, summary) = self.layers.reload(file, rule)?;
        let mut next = Self { layers, ..self.clone() };
        let changed = self.config().changed_objects(next.config());
        // Entries that the file has caught up with, or that wait, are a step that can be gone back on.
        if !changed.is_empty() || next.layers.overlay() != self.layers.overlay() {
            next.touch(changed, &guard.by);
            next.forget_disconnected();
        }
        Ok((next, summary))
    }

    /// Refuses unless an object, or everything, is at the revision that is expected.
    pub(super) fn check(&self, object: Option<&Object>, guard: &Guard) -> Result<(), Refused> {
        let current = object.map_or(self.revision, |object| self.revision_of(object));
        match guard.expected_revision {
            Some(expected) if expected != current => {
                Err(Refused::Conflict { object: object.cloned(), expected, current })
            }
            _ => Ok(()),
        }
    }

    /// A refusal of something by its name; where that is at another revision than expected, that goes before.
    pub(super) fn conflict_or(&self, refused: Refused, guard: &Guard) -> Refused {
        let object = match &refused {
            Refused::Change(ChangeError::AlreadyExists { kind, id } | ChangeError::NotFound { kind, id, .. }) => {
                Object::named(*kind, id)
            }
            _ => return refused,
        };
        self.check(Some(&object), guard).err().unwrap_or(refused)
    }

    /// A backend that is gone is not cut off when it comes back.
    fn forget_disconnected(&mut self) {
        let config = self.layers.effective().clone();
        if self.disconnected.iter().any(|(upstream, id)| config.backend(upstream, id).is_none()) {
            Arc::make_mut(&mut self.disconnected).retain(|(upstream, id)| config.backend(upstream, id).is_some());
        }
        self.forget_drains(&config);
    }

    fn reconnect(&mut self, object: &Object) -> bool {
        let Object::Backend { upstream, id } = object else { return false };
        let key = (upstream.clone(), id.clone());
        self.disconnected.contains(&key) && Arc::make_mut(&mut self.disconnected).remove(&key)
    }

    /// Moves to the next revision, which is that of these objects from now on.
    fn touch(&mut self, objects: impl IntoIterator<Item = Object>, by: &Caller) {
        let mut touched: Vec<Object> = objects.into_iter().collect();
        touched.sort();
        touched.dedup();
        self.revision += 1;
        let revision = self.revision;
        let config = self.layers.effective().clone();
        let revisions = Arc::make_mut(&mut self.revisions);
        for object in &touched {
            if config.contains(object) {
                revisions.insert(object.clone(), revision);
            } else {
                revisions.remove(object);
            }
        }
        self.made = Arc::new(Made { by: by.clone(), touched });
    }
}

/// The object that a change names; one that is added may get its name later, and some changes are about everything.
fn named(change: &Change) -> Option<Object> {
    match change {
        Change::Add { object: Object::Backend { id, .. }, .. } if id.is_empty() => None,
        Change::Add { object, .. } | Change::Update { object, .. } | Change::Remove { object, .. } => {
            Some(object.clone())
        }
        Change::Clear(Selector::Object(object) | Selector::Field(object, _)) => Some(object.clone()),
        Change::Clear(Selector::All) | Change::Apply(_) | Change::Restore(_) => None,
    }
}

/// The backend that a change enables or disables, which ends a drain either way.
fn sets_active(change: &Change) -> Option<Object> {
    match change {
        Change::Update { object, fields } => matches!(fields.get("active"), Some(Edit::Set(_))).then(|| object.clone()),
        _ => None,
    }
}

/// The backend whose disconnect a change ends: it is enabled.
fn reopens(change: &Change) -> Option<Object> {
    match change {
        Change::Update { object, fields } => {
            (fields.get("active") == Some(&Edit::Set(true.into()))).then(|| object.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
