//! The configuration in its layers, with the revision that last changed each object. Pure: a change makes a new
//! store, and the old one stays what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use speedmimi_model::{Backend, Change, Config, Layers, Patch, ReloadSummary, Touched, Upstream};

use super::error::Refused;

/// The revision of everything that the process started with.
pub const FIRST_REVISION: u64 = 1;

/// Something that has a revision of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A backend.
    Backend {
        /// Its upstream.
        upstream: String,
        /// Its id.
        id: String,
    },
    /// An upstream, its policy; not its backends.
    Upstream(String),
    /// A route.
    Route(String),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend { upstream, id } => write!(f, "backend {upstream}/{id}"),
            Self::Upstream(name) => write!(f, "upstream {name}"),
            Self::Route(name) => write!(f, "route {name}"),
        }
    }
}

/// Conditions of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// Do everything but publish.
    pub validate_only: bool,
    /// Refuse unless the object is at this revision; an object that does not exist is at 0.
    pub expected_revision: Option<u64>,
}

/// Desired state, whole. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    layers: Layers,
    revision: u64,
    /// Objects changed since the start; the others are at [`FIRST_REVISION`].
    revisions: Arc<BTreeMap<Object, u64>>,
    /// Backends cut off by an operator until they are enabled. No part of the configuration: makes no revision.
    disconnected: Arc<BTreeSet<(String, String)>>,
}

impl Store {
    /// The configuration of the start, with nothing over it.
    pub fn new(config: Config) -> Self {
        Self {
            layers: Layers::new(config),
            revision: FIRST_REVISION,
            revisions: Arc::default(),
            disconnected: Arc::default(),
        }
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

    /// The revision that last changed an object; 0 when it does not exist.
    pub fn revision_of(&self, object: &Object) -> u64 {
        let config = self.config();
        let exists = match object {
            Object::Backend { upstream, id } => config.backend(upstream, id).is_some(),
            Object::Upstream(name) => config.upstreams.contains_key(name),
            Object::Route(name) => config.routes.contains_key(name),
        };
        if exists { self.revisions.get(object).copied().unwrap_or(FIRST_REVISION) } else { 0 }
    }

    /// Whether a backend takes exchanges, as far as operators are concerned.
    pub fn admits(&self, upstream: &str, backend: &Backend) -> bool {
        backend.active && !self.is_disconnected(upstream, &backend.id)
    }

    /// Whether an operator cut a backend off and did not enable it since.
    pub fn is_disconnected(&self, upstream: &str, id: &str) -> bool {
        !self.disconnected.is_empty() && self.disconnected.contains(&(upstream.to_owned(), id.to_owned()))
    }

    /// The store after a change, and what was changed. The revision stays where everything was so already.
    pub fn change(&self, change: &Change, guard: &Guard) -> Result<(Self, Object), Refused> {
        let named = named(change);
        if let Some(object) = named.as_ref().filter(|object| self.revision_of(object) > 0) {
            self.check(object, guard)?;
        }
        let (layers, touched) = self.layers.apply(change)?;
        let added = touched.iter().map(|Touched::Backend { upstream, id }| backend(upstream, id)).next();
        // A change either names its object or adds it.
        let object = named.or(added).unwrap_or_else(|| Object::Upstream(String::new()));
        self.check(&object, guard)?;
        let mut next = Self { layers, ..self.clone() };
        let reopened = reopens(change) && next.reconnect(&object);
        if reopened || !touched.is_empty() {
            next.touch([object.clone()]);
        }
        Ok((next, object))
    }

    /// The store after a backend was cut off, and its revision, which that does not change.
    pub fn disconnect(
        &self,
        upstream: &str,
        id: &str,
        keep_enabled: bool,
        guard: &Guard,
    ) -> Result<(Self, u64), Refused> {
        let object = backend(upstream, id);
        let revision = self.revision_of(&object);
        if revision == 0 {
            // The same words as for any other change to a backend that is not there.
            let change = Change::SetActive { upstream: upstream.to_owned(), id: id.to_owned(), active: false };
            self.layers.apply(&change)?;
        }
        self.check(&object, guard)?;
        let mut next = self.clone();
        if !keep_enabled {
            Arc::make_mut(&mut next.disconnected).insert((upstream.to_owned(), id.to_owned()));
        }
        Ok((next, revision))
    }

    /// The store over a new file, and what that changes.
    pub fn reload(&self, file: Config) -> Result<(Self, ReloadSummary), Refused> {
        let (layers, summary) = self.layers.reload(file)?;
        let mut next = Self { layers, ..self.clone() };
        if **next.layers.effective() != **self.layers.effective() {
            let changed = changed(self.config(), next.config());
            next.touch(changed);
            let config = next.layers.effective().clone();
            Arc::make_mut(&mut next.disconnected).retain(|(upstream, id)| config.backend(upstream, id).is_some());
        }
        Ok((next, summary))
    }

    fn check(&self, object: &Object, guard: &Guard) -> Result<(), Refused> {
        let current = self.revision_of(object);
        match guard.expected_revision {
            Some(expected) if expected != current => {
                Err(Refused::Conflict { object: object.clone(), expected, current })
            }
            _ => Ok(()),
        }
    }

    fn reconnect(&mut self, object: &Object) -> bool {
        let Object::Backend { upstream, id } = object else { return false };
        let key = (upstream.clone(), id.clone());
        self.disconnected.contains(&key) && Arc::make_mut(&mut self.disconnected).remove(&key)
    }

    /// Moves to the next revision, which is that of these objects from now on.
    fn touch(&mut self, objects: impl IntoIterator<Item = Object>) {
        self.revision += 1;
        let revision = self.revision;
        let revisions = Arc::make_mut(&mut self.revisions);
        revisions.extend(objects.into_iter().map(|object| (object, revision)));
    }
}

/// The object that a change names; one that is added may get its name later.
fn named(change: &Change) -> Option<Object> {
    match change {
        Change::AddBackend { upstream, id, .. } => id.as_ref().map(|id| backend(upstream, id)),
        Change::UpdateBackend { upstream, id, .. }
        | Change::RemoveBackend { upstream, id }
        | Change::SetActive { upstream, id, .. } => Some(backend(upstream, id)),
    }
}

/// Whether a change ends a disconnect: it enables the backend, or the backend goes.
fn reopens(change: &Change) -> bool {
    match change {
        Change::SetActive { active, .. } => *active,
        Change::UpdateBackend { patch, .. } => patch.active == Patch::Set(true),
        Change::AddBackend { .. } | Change::RemoveBackend { .. } => true,
    }
}

fn backend(upstream: &str, id: &str) -> Object {
    Object::Backend { upstream: upstream.to_owned(), id: id.to_owned() }
}

/// Every object that differs.
fn changed(old: &Config, new: &Config) -> Vec<Object> {
    let mut objects = Vec::new();
    let names: BTreeSet<&String> = old.upstreams.keys().chain(new.upstreams.keys()).collect();
    for name in names {
        let (old, new) = (old.upstreams.get(name), new.upstreams.get(name));
        if old.map(policy) != new.map(policy) {
            objects.push(Object::Upstream(name.clone()));
        }
        let old: BTreeMap<&str, &Backend> = by_id(old);
        let new: BTreeMap<&str, &Backend> = by_id(new);
        let ids: BTreeSet<&&str> = old.keys().chain(new.keys()).collect();
        objects.extend(ids.into_iter().filter(|id| old.get(*id) != new.get(*id)).map(|id| backend(name, id)));
    }
    let names: BTreeSet<&String> = old.routes.keys().chain(new.routes.keys()).collect();
    let routes = names.into_iter().filter(|name| old.routes.get(*name) != new.routes.get(*name));
    objects.extend(routes.map(|name| Object::Route(name.clone())));
    objects
}

fn by_id(upstream: Option<&Upstream>) -> BTreeMap<&str, &Backend> {
    let backends = upstream.map(|upstream| upstream.backends.as_slice()).unwrap_or_default();
    backends.iter().map(|backend| (backend.id.as_str(), backend)).collect()
}

/// An upstream without its backends, which are objects of their own.
fn policy(upstream: &Upstream) -> Upstream {
    Upstream { backends: Vec::new(), ..upstream.clone() }
}

#[cfg(test)]
mod tests;
