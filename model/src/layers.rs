//! The configuration in force: the file and, over it, what was changed through the API.
//!
//! A value of this type never changes: a change makes a new one, or is refused and leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::{BackendPatch, Change, ChangeError, Kind, Patch, Violation};
use crate::config::{Backend, Config, default_id};
use crate::diff::diff;
use crate::rules;

/// File and overlay, with the effective configuration that they make.
#[derive(Debug, Clone)]
pub struct Layers {
    file: Arc<Config>,
    overlay: Overlay,
    effective: Arc<Config>,
}

/// What the API laid over the file, by upstream and id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overlay {
    backends: BTreeMap<(String, String), Entry>,
}

/// What the overlay says of one backend.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Added(Box<Backend>),
    Patched(Box<BackendPatch>),
    Removed,
}

impl Overlay {
    /// Whether nothing was changed through the API.
    pub fn is_empty(&self) -> bool {
        self.backends.is_empty()
    }
}

/// An object that a change touched: its revision moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A backend.
    Backend {
        /// Its upstream.
        upstream: String,
        /// Its id.
        id: String,
    },
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReloadSummary {
    /// Keys that are new in the effective configuration.
    pub added: Vec<String>,
    /// Keys that are gone.
    pub removed: Vec<String>,
    /// Keys with another value, as `key: old → new`.
    pub changed: Vec<String>,
    /// Where the overlay contradicts what the new file changed; the overlay holds.
    pub conflicts: Vec<String>,
}

/// Why a reload is refused. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// Only a restart can change these, named key by key: `grpc.port`.
    #[error("a restart is needed to change {}", fields.join(", "))]
    RestartNeeded {
        /// The keys.
        fields: Vec<String>,
    },
}

impl Layers {
    /// The file with nothing over it.
    pub fn new(file: Config) -> Self {
        let file = Arc::new(file);
        Self { effective: file.clone(), file, overlay: Overlay::default() }
    }

    /// The configuration in force.
    pub fn effective(&self) -> &Arc<Config> {
        &self.effective
    }

    /// The configuration of the file alone.
    pub fn file(&self) -> &Config {
        &self.file
    }

    /// What lies over it.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The layers after a change, and what it touched; nothing when everything was so already.
    pub fn apply(&self, change: &Change) -> Result<(Self, Vec<Touched>), ChangeError> {
        let mut overlay = self.overlay.clone();
        let (upstream, id) = match change {
            Change::AddBackend { upstream, id, patch } => {
                let backend = self.new_backend(upstream, id.as_deref(), patch)?;
                let key = (upstream.clone(), backend.id.clone());
                overlay.backends.insert(key.clone(), Entry::Added(Box::new(backend)));
                key
            }
            Change::UpdateBackend { upstream, id, patch } => {
                self.existing(upstream, id)?;
                let mut violations = patch.violations();
                violations.extend(self.without_default(upstream, id, patch));
                if !violations.is_empty() {
                    return Err(ChangeError::Invalid(violations));
                }
                overlay.patch(upstream, id, patch, self.file.backend(upstream, id));
                (upstream.clone(), id.clone())
            }
            Change::SetActive { upstream, id, active } => {
                self.existing(upstream, id)?;
                let patch = BackendPatch { active: Patch::Set(*active), ..BackendPatch::default() };
                overlay.patch(upstream, id, &patch, self.file.backend(upstream, id));
                (upstream.clone(), id.clone())
            }
            Change::RemoveBackend { upstream, id } => {
                self.existing(upstream, id)?;
                let key = (upstream.clone(), id.clone());
                if self.file.backend(upstream, id).is_some() {
                    overlay.backends.insert(key.clone(), Entry::Removed);
                } else {
                    overlay.backends.remove(&key);
                }
                key
            }
        };
        let before = self.effective.backend(&upstream, &id);
        let (effective, _) = overlay.over(&self.file);
        let touched = if before == effective.backend(&upstream, &id) {
            Vec::new()
        } else {
            vec![Touched::Backend { upstream: upstream.clone(), id: id.clone() }]
        };
        Ok((Self { file: self.file.clone(), overlay, effective: Arc::new(effective) }, touched))
    }

    /// The layers over a new file. What needs a restart refuses it.
    pub fn reload(&self, file: Config) -> Result<(Self, ReloadSummary), ReloadError> {
        let fields = self.file.restart_differences(&file);
        if !fields.is_empty() {
            return Err(ReloadError::RestartNeeded { fields });
        }
        let mut overlay = self.overlay.clone();
        let (effective, orphans) = overlay.over(&file);
        let mut summary = ReloadSummary::default();
        for difference in diff(&self.effective, &effective) {
            match (difference.old, difference.new) {
                (None, Some(new)) => summary.added.push(format!("{}: {new}", difference.path)),
                (Some(_), None) => summary.removed.push(difference.path),
                (old, new) => {
                    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
                    summary.changed.push(format!("{}: {old} → {new}", difference.path));
                }
            }
        }
        summary.conflicts = self.conflicts(&file, &orphans);
        for orphan in orphans {
            overlay.backends.remove(&orphan);
        }
        Ok((Self { file: Arc::new(file), overlay, effective: Arc::new(effective) }, summary))
    }

    fn conflicts(&self, file: &Config, orphans: &[(String, String)]) -> Vec<String> {
        let mut conflicts = Vec::new();
        for ((upstream, id), entry) in &self.overlay.backends {
            let (old, new) = (self.file.backend(upstream, id), file.backend(upstream, id));
            let orphaned = orphans.contains(&(upstream.clone(), id.clone()));
            let told = match (entry, old, new) {
                // Gone is what both want.
                (Entry::Removed, _, None) => None,
                (Entry::Added(_), ..) if orphaned => {
                    Some(format!("the file no longer has upstream {upstream:?}; it goes, though added through the API"))
                }
                (Entry::Patched(_), ..) if orphaned => {
                    Some("the file no longer has it; what was changed through the API is forgotten".to_owned())
                }
                (Entry::Added(added), old, Some(new)) if old != Some(new) && **added != *new => {
                    Some("the file now says something else of it; the one added through the API holds".to_owned())
                }
                (Entry::Added(_), Some(_), None) => {
                    Some("the file no longer has it; the one added through the API holds".to_owned())
                }
                (Entry::Removed, old, Some(new)) if old != Some(new) => {
                    Some("the file changed it; it was removed through the API and stays away".to_owned())
                }
                (Entry::Patched(patch), Some(old), Some(new)) => {
                    let fields = patch.contradicts(old, new);
                    (!fields.is_empty())
                        .then(|| format!("the file changed {}; what was set through the API holds", fields.join(", ")))
                }
                _ => None,
            };
            conflicts.extend(told.map(|told| format!("backend {upstream}/{id}: {told}")));
        }
        conflicts
    }

    fn new_backend(&self, upstream: &str, id: Option<&str>, patch: &BackendPatch) -> Result<Backend, ChangeError> {
        let Some(group) = self.effective.upstreams.get(upstream) else {
            let known = self.effective.upstreams.keys().cloned().collect();
            return Err(ChangeError::NotFound { kind: Kind::Upstream, id: upstream.to_owned(), known });
        };
        let mut violations = patch.violations();
        for (field, missing) in
            [("host", !matches!(patch.host, Patch::Set(_))), ("port", !matches!(patch.port, Patch::Set(_)))]
        {
            if missing {
                let description = format!("a backend needs a {field}");
                violations.push(Violation { field: format!("backend.{field}"), description });
            }
        }
        if let Some(Err(description)) = id.map(rules::name) {
            violations.push(Violation { field: "backend.id".into(), description });
        }
        if !violations.is_empty() {
            return Err(ChangeError::Invalid(violations));
        }
        let base = Backend::new("", 0);
        let mut backend = base.clone();
        patch.apply(&mut backend, &base);
        backend.id = id.map_or_else(|| default_id(&backend.host, backend.port), str::to_owned);
        if group.backends.iter().any(|known| known.id == backend.id) {
            let id = format!("{upstream}/{}", backend.id);
            return Err(ChangeError::AlreadyExists { kind: Kind::Backend, id });
        }
        Ok(backend)
    }

    /// Host and port of a backend that the file does not have go back to nothing.
    fn without_default(&self, upstream: &str, id: &str, patch: &BackendPatch) -> Vec<Violation> {
        if self.file.backend(upstream, id).is_some() {
            return Vec::new();
        }
        let resets = [("host", patch.host == Patch::Reset), ("port", patch.port == Patch::Reset)];
        let none = |(field, _)| Violation {
            field: format!("backend.{field}"),
            description: "has no value to go back to: the file does not have this backend; set it".into(),
        };
        resets.into_iter().filter(|(_, reset)| *reset).map(none).collect()
    }

    fn existing(&self, upstream: &str, id: &str) -> Result<&Backend, ChangeError> {
        let Some(group) = self.effective.upstreams.get(upstream) else {
            let known = self.effective.upstreams.keys().cloned().collect();
            return Err(ChangeError::NotFound { kind: Kind::Upstream, id: upstream.to_owned(), known });
        };
        group.backends.iter().find(|backend| backend.id == id).ok_or_else(|| ChangeError::NotFound {
            kind: Kind::Backend,
            id: format!("{upstream}/{id}"),
            known: group.backends.iter().map(|backend| format!("{upstream}/{}", backend.id)).collect(),
        })
    }
}

impl Overlay {
    fn patch(&mut self, upstream: &str, id: &str, patch: &BackendPatch, file: Option<&Backend>) {
        let key = (upstream.to_owned(), id.to_owned());
        match self.backends.get_mut(&key) {
            Some(Entry::Added(backend)) => {
                let default = Backend::new(&backend.host, backend.port);
                patch.apply(backend, file.unwrap_or(&default));
            }
            Some(Entry::Patched(known)) => {
                known.merge(patch);
                if **known == BackendPatch::default() {
                    self.backends.remove(&key);
                }
            }
            Some(Entry::Removed) | None => {
                let mut entry = BackendPatch::default();
                entry.merge(patch);
                if entry != BackendPatch::default() {
                    self.backends.insert(key, Entry::Patched(Box::new(entry)));
                }
            }
        }
    }

    /// The file with this over it, and the entries that have nothing to lie on.
    fn over(&self, file: &Config) -> (Config, Vec<(String, String)>) {
        let mut config = file.clone();
        let mut orphans = Vec::new();
        for ((upstream, id), entry) in &self.backends {
            let Some(group) = config.upstreams.get_mut(upstream) else {
                orphans.push((upstream.clone(), id.clone()));
                continue;
            };
            let position = group.backends.iter().position(|backend| backend.id == *id);
            match (entry, position) {
                (Entry::Added(backend), Some(at)) => group.backends[at] = (**backend).clone(),
                (Entry::Added(backend), None) => group.backends.push((**backend).clone()),
                (Entry::Removed, Some(at)) => drop(group.backends.remove(at)),
                (Entry::Patched(patch), Some(at)) => {
                    let base = group.backends[at].clone();
                    patch.apply(&mut group.backends[at], &base);
                }
                (Entry::Removed | Entry::Patched(_), None) => orphans.push((upstream.clone(), id.clone())),
            }
        }
        (config, orphans)
    }
}
