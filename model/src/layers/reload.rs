//! Another file below the overlay.

use std::sync::Arc;

use super::{Layers, build, waiting};
use crate::config::{Config, Conflict};
use crate::diff::{diff, differ, plain};
use crate::object::Object;
use crate::overlay::{Entry, Overlay, Presence};
use crate::secret::hide;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReloadSummary {
    /// Keys that are new in the effective configuration.
    pub added: Vec<String>,
    /// Keys that are gone.
    pub removed: Vec<String>,
    /// Keys with another value, as `key: old → new`.
    pub changed: Vec<String>,
    /// Where the overlay contradicts what the new file changed, and which of them holds.
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
    /// The file is valid, but not with what was changed through the API over it.
    #[error("with what was changed through the API over it, the file is not valid: {told}; clear the overlay of {}", objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Unfit {
        /// What is wrong.
        told: String,
        /// What was changed through the API and may be the cause.
        objects: Vec<Object>,
    },
}

impl Layers {
    /// The layers over a new file. What needs a restart refuses it. Where the file was changed at a place that the
    /// overlay holds at another value, the rule decides, and the summary says so. What the file now says itself leaves
    /// the overlay. What has nothing to lie on any more is kept without effect where the overlay holds, and tried again
    /// at the next reload or start; where the file holds, it is forgotten. The summary says that too.
    pub fn reload(&self, file: Config, rule: Conflict) -> Result<(Self, ReloadSummary), ReloadError> {
        let fields = self.file.restart_differences(&file);
        if !fields.is_empty() {
            return Err(ReloadError::RestartNeeded { fields });
        }
        self.over_file(file, rule, Conflict::File)
    }

    /// The layers of a process that starts with another file than that of the one before, by the same rule. Nothing
    /// refuses it: what does not fit has no effect.
    pub fn resume(&self, file: Config, rule: Conflict) -> (Self, ReloadSummary) {
        let tried = self.over_file(file.clone(), rule, Conflict::Overlay);
        tried.unwrap_or_else(|_| (Self::load(file, self.overlay.clone()).0, ReloadSummary::default()))
    }

    /// `shared`: who holds where all entries together may be the cause that nothing is valid. The file: it is refused.
    fn over_file(&self, file: Config, rule: Conflict, shared: Conflict) -> Result<(Self, ReloadSummary), ReloadError> {
        let mut overlay = self.overlay.clone();
        let mut summary = ReloadSummary::default();
        for (object, entry) in self.overlay.all_live() {
            let Some(found) = self.contradiction(object, entry, &file) else { continue };
            summary.conflicts.push(format!("{object}: {}", found.told(rule)));
            match rule {
                Conflict::Overlay => overlay.contradict(object, found.fields()),
                Conflict::File => found.yield_to_file(object, entry, &mut overlay),
            }
        }
        let mut parked = Vec::new();
        let config = loop {
            let (config, problems) = build::build(&file, &overlay);
            if problems.is_empty() {
                break config;
            }
            if let Some(problem) = problems.iter().find(|problem| problem.shared && shared == Conflict::File) {
                let told = problem.told();
                return Err(ReloadError::Unfit { told, objects: problems.into_iter().map(|p| p.object).collect() });
            }
            for problem in problems {
                waiting::park(&mut overlay, &problem.object, &problem);
                parked.push(problem.object);
            }
        };
        let effective = waiting::retry(&file, &mut overlay, config);
        for (object, told) in overlay.parked() {
            if rule == Conflict::File {
                let why = waiting::why(told);
                summary.conflicts.push(format!("{object}: {why}; what was changed through the API is forgotten"));
            } else if parked.contains(object) {
                let what = "what was changed through the API has no effect now";
                summary.conflicts.push(format!("{object}: {what}: {told}"));
            }
        }
        if rule == Conflict::File {
            overlay.drop_parked();
        }
        for mut difference in diff(&self.effective, &effective) {
            // This goes into logs.
            [&mut difference.old, &mut difference.new]
                .into_iter()
                .flatten()
                .for_each(|one| hide(&difference.path, one));
            match (difference.old.as_ref().map(plain), difference.new.as_ref().map(plain)) {
                (None, Some(new)) => summary.added.push(format!("{}: {new}", difference.path)),
                (Some(_), None) => summary.removed.push(difference.path),
                (old, new) => {
                    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
                    summary.changed.push(format!("{}: {old} → {new}", difference.path));
                }
            }
        }
        let overlay = build::tidy(&overlay, &file, &effective);
        Ok((Self { file: Arc::new(file), overlay, effective: Arc::new(effective) }, summary))
    }

    /// What the new file changes at a place that the overlay holds at another value.
    fn contradiction(&self, object: &Object, entry: &Entry, file: &Config) -> Option<Contradiction> {
        let (old, new) = (self.file.part(object), file.part(object));
        let changed = match object {
            // An upstream was removed with its backends.
            Object::Upstream(name) if self.overlay.removes(object) => {
                self.file.upstreams.get(name) != file.upstreams.get(name)
            }
            _ => old != new,
        };
        match (&entry.presence, old, new) {
            _ if !changed => None,
            (Presence::Patched, Some(old), Some(new)) => {
                let held = |field: &&String| *crate::fields::get(&new, field) != entry.fields[*field].value;
                let fields = entry.fields.keys().filter(|field| differ(&old, &new, field)).filter(held);
                let fields: Vec<String> = fields.cloned().collect();
                (!fields.is_empty()).then_some(Contradiction::Fields(fields))
            }
            (Presence::Added { .. }, _, Some(new)) => {
                (self.effective.part(object).as_ref() != Some(&new)).then_some(Contradiction::AddedIsOther)
            }
            (Presence::Added { .. }, Some(_), None) => Some(Contradiction::AddedIsGone),
            (Presence::Removed(_), _, Some(_)) => Some(Contradiction::RemovedIsOther),
            // Gone is what both want; and what has nothing to lie on is told when it is laid.
            (Presence::Removed(_) | Presence::Added { .. } | Presence::Patched, ..) => None,
        }
    }
}

enum Contradiction {
    Fields(Vec<String>),
    AddedIsOther,
    AddedIsGone,
    RemovedIsOther,
}

impl Contradiction {
    fn told(&self, rule: Conflict) -> String {
        let overlay = rule == Conflict::Overlay;
        match self {
            Self::Fields(fields) => {
                let end = if overlay { "holds" } else { "is forgotten" };
                format!("the file changed {}; what was set through the API {end}", fields.join(", "))
            }
            Self::AddedIsOther => {
                let end = if overlay { "holds" } else { "is forgotten" };
                format!("the file now says something else of it; the one added through the API {end}")
            }
            Self::AddedIsGone => {
                let end = if overlay { "holds" } else { "is forgotten" };
                format!("the file no longer has it; the one added through the API {end}")
            }
            Self::RemovedIsOther if overlay => {
                "the file changed it; it was removed through the API and stays away".into()
            }
            Self::RemovedIsOther => "the file changed it; it is back, though removed through the API".into(),
        }
    }

    /// The fields that are contradicted; none where the object as a whole is.
    fn fields(&self) -> &[String] {
        if let Self::Fields(fields) = self { fields } else { &[] }
    }

    fn yield_to_file(&self, object: &Object, entry: &Entry, overlay: &mut Overlay) {
        let Self::Fields(fields) = self else { return overlay.remove(object) };
        let mut entry = entry.clone();
        entry.fields.retain(|field, _| !fields.contains(field));
        overlay.insert(object.clone(), (!entry.fields.is_empty()).then_some(entry));
    }
}
