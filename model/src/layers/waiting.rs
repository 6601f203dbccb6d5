//! Entries of the overlay that do not fit. They are kept without effect, and tried again when something has changed that
//! they may fit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Layers, Problem, build};
use crate::config::Config;
use crate::object::Object;
use crate::overlay::Overlay;

/// What becomes of an entry that does not fit.
const KEPT: &str = "it is kept, and tried again at the next reload or start";

/// Keeps an entry without letting it count, for this problem.
pub(super) fn park(overlay: &mut Overlay, object: &Object, problem: &Problem) {
    let told = match problem.object == *object {
        true => format!("{}; {KEPT}", problem.told()),
        false => format!("{}: {}; {KEPT}", problem.object, problem.told()),
    };
    overlay.park(object, &told);
}

/// Why an entry waits, of what [`park`] said.
pub(super) fn why(told: &str) -> &str {
    told.strip_suffix(KEPT).map_or(told, |told| told.trim_end_matches("; "))
}

/// Lets entries that wait count again, as far as they fit beside those that count already, which never yield to them.
/// `config` is what the latter make of the file.
pub(super) fn retry(file: &Config, overlay: &mut Overlay, config: Config) -> Config {
    let waiting: BTreeSet<Object> = overlay.parked().map(|(object, _)| object.clone()).collect();
    if waiting.is_empty() {
        return config;
    }
    let mut tried = overlay.clone();
    tried.unpark();
    loop {
        let (next, problems) = build::build(file, &tried);
        if problems.is_empty() {
            *overlay = tried;
            return next;
        }
        let mut yielded = false;
        for problem in &problems {
            let involved = [Some(&problem.object), problem.other.as_ref()].into_iter().flatten();
            let mut waits = involved.filter(|object| waiting.contains(*object) && tried.live(object).is_some());
            if let Some(object) = waits.next().cloned() {
                park(&mut tried, &object, problem);
                yielded = true;
            }
        }
        if !yielded {
            return config;
        }
    }
}

impl Layers {
    /// The layers with what waits tried again, where a change made upstreams or routes other than before.
    pub(super) fn with_waiting(self, before: &Self, touched: Vec<Object>) -> (Self, Vec<Object>) {
        let room = touched.iter().any(|object| matches!(object, Object::Upstream(_) | Object::Route(_)));
        if !room || self.overlay.parked().next().is_none() {
            return (self, touched);
        }
        let mut overlay = self.overlay.clone();
        let effective = retry(&self.file, &mut overlay, (*self.effective).clone());
        let overlay = build::tidy(&overlay, &self.file, &effective);
        let touched = before.effective.changed_objects(&effective);
        (Self { overlay, effective: Arc::new(effective), ..self }, touched)
    }
}
