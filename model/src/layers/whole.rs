//! Changes to everything: a whole document, an earlier overlay, none.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::no_restart;
use super::{Layers, build, waiting};
use crate::change::{ChangeError, Violation};
use crate::config::Config;
use crate::object::Object;
use crate::overlay::{By, Origin, Overlay, Presence};

impl Layers {
    /// The configuration becomes this document.
    pub(super) fn become_document(
        &self,
        document: &Config,
        origin: &Origin,
    ) -> Result<(Self, Vec<Object>), ChangeError> {
        let mut overlay = self.overlay.clone();
        overlay.drop_parked();
        let by = By { origin, adds: false };
        let known = overlay.entries().map(|(object, _)| object.clone());
        let objects: BTreeSet<Object> = self.file.objects().chain(document.objects()).chain(known).collect();
        // Upstreams first: what a removed one had needs no entries.
        for object in objects.iter().filter(|object| matches!(object, Object::Upstream(_))) {
            overlay.settle(object, &self.file, document, &by);
        }
        // Those that were added stand in the order of the document.
        for (name, group) in &document.upstreams {
            let mut last = None;
            for backend in &group.backends {
                let object = Object::backend(name, &backend.id);
                let order = |overlay: &Overlay| overlay.live(&object).and_then(|entry| entry.order());
                if order(&overlay).is_some_and(|order| last.is_some_and(|last| order < last)) {
                    reorder(&mut overlay, &object);
                }
                overlay.settle(&object, &self.file, document, &by);
                last = order(&overlay).or(last);
            }
        }
        let settled = |object: &Object| match object {
            Object::Upstream(_) => true,
            Object::Backend { .. } => document.contains(object),
            Object::Route(_) | Object::Section(_) => false,
        };
        for object in objects.iter().filter(|object| !settled(object)) {
            overlay.settle(object, &self.file, document, &by);
        }
        self.over(overlay)
    }

    /// Everything goes back to the file.
    pub(super) fn clear_all(&self) -> Result<(Self, Vec<Object>), ChangeError> {
        self.over(Overlay::default())
    }

    /// One object goes back to the file.
    pub(super) fn clear(&self, object: &Object) -> Result<(Self, Vec<Object>), ChangeError> {
        let Some(entry) = self.overlay.entry(object) else {
            self.existing(object)?;
            return Ok((self.clone(), Vec::new()));
        };
        if let (Object::Upstream(name), None, None) = (object, &entry.parked, self.file.part(object)) {
            self.removable(name, false)?;
        }
        let mut overlay = self.overlay.clone();
        overlay.remove(object);
        self.over(overlay)
    }

    /// Goes back to an earlier overlay. What is in force already keeps its origin. The file may be another one since
    /// then: an entry that fits nothing in it is kept without effect, and what waited then is tried again, as at a
    /// reload. Refused is what would leave all together not valid.
    pub(super) fn restore(&self, earlier: &Overlay, origin: &Origin) -> Result<(Self, Vec<Object>), ChangeError> {
        let mut overlay = earlier.signed(&self.overlay, origin);
        let config = loop {
            let (config, problems) = build::build(&self.file, &overlay);
            if problems.is_empty() {
                break config;
            }
            if let Some(problem) = problems.iter().find(|problem| problem.shared) {
                return Err(ChangeError::Unroutable(problem.told()));
            }
            for problem in &problems {
                waiting::park(&mut overlay, &problem.object, problem);
            }
        };
        let effective = waiting::retry(&self.file, &mut overlay, config);
        no_restart(&self.effective, &effective)?;
        let overlay = build::tidy(&overlay, &self.file, &effective);
        let touched = self.effective.changed_objects(&effective);
        Ok((Self { file: self.file.clone(), overlay, effective: Arc::new(effective) }, touched))
    }

    /// The layers with another overlay; it fits whole or not at all.
    fn over(&self, overlay: Overlay) -> Result<(Self, Vec<Object>), ChangeError> {
        let (effective, problems) = build::build(&self.file, &overlay);
        if let Some(problem) = problems.iter().find(|problem| problem.shared) {
            return Err(ChangeError::Unroutable(problem.told()));
        }
        if !problems.is_empty() {
            let violations = problems.into_iter().flat_map(|problem| {
                let Object::Section(_) = problem.object else {
                    let object = problem.object.to_string();
                    let told = move |fault: Violation| Violation {
                        description: format!("{object}: {}", fault.description),
                        ..fault
                    };
                    return problem.faults.into_iter().map(told).collect::<Vec<_>>();
                };
                problem.faults
            });
            return Err(ChangeError::Invalid(violations.collect()));
        }
        no_restart(&self.effective, &effective)?;
        let touched = self.effective.changed_objects(&effective);
        Ok((Self { file: self.file.clone(), overlay, effective: Arc::new(effective) }, touched))
    }
}

/// Moves an added object behind all others.
fn reorder(overlay: &mut Overlay, object: &Object) {
    let order = overlay.next_order();
    if let Some(mut entry) = overlay.entry(object).cloned() {
        if let Presence::Added { order: old, .. } = &mut entry.presence {
            *old = order;
        }
        overlay.insert(object.clone(), Some(entry));
    }
}
