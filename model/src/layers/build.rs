//! The effective configuration, made from the file and every entry of an overlay.

use std::collections::{BTreeSet, HashMap};

use crate::across;
use crate::change::Violation;
use crate::config::Config;
use crate::object::Object;
use crate::overlay::{By, Entry, Overlay, Presence};
use crate::parse;

/// An entry of the overlay that does not fit the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whose entry it is.
    pub object: Object,
    /// What is wrong, field by field; without a field where the object as a whole does not fit.
    pub faults: Vec<Violation>,
    /// All objects are at fault together, and this is one of those that may be the cause.
    pub(crate) shared: bool,
    /// The entry that it excludes, or that excludes it.
    pub(crate) other: Option<Object>,
}

impl Problem {
    pub(super) fn new(object: &Object, description: impl Into<String>) -> Self {
        let faults = vec![Violation { field: object.prefix().to_owned(), description: description.into() }];
        Self { object: object.clone(), faults, shared: false, other: None }
    }

    /// What is wrong, for people.
    pub fn told(&self) -> String {
        let told = |fault: &Violation| match fault.field == self.object.prefix() {
            true => fault.description.clone(),
            false => format!("{}: {}", fault.field, fault.description),
        };
        self.faults.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

/// The file with every entry over it that counts, and the entries that do not fit; with any of these, the
/// configuration is not to be used. Entries are blamed, never the file: that is valid by itself.
pub(crate) fn build(file: &Config, overlay: &Overlay) -> (Config, Vec<Problem>) {
    let mut config = file.clone();
    let mut problems = Vec::new();
    let by_kind = |wanted: fn(&Object) -> bool| overlay.all_live().filter(move |(object, _)| wanted(object));
    for (object, _) in overlay.all_live().filter(|(object, _)| overlay.removes(object)) {
        remove(&mut config, object);
    }
    for (object, entry) in by_kind(|object| !matches!(object, Object::Backend { .. } | Object::Route(_))) {
        problems.extend(enter(&mut config, file, object, entry));
    }
    for (object, entry) in by_kind(|object| matches!(object, Object::Backend { .. })) {
        problems.extend(enter(&mut config, file, object, entry));
    }
    for (object, entry) in by_kind(|object| matches!(object, Object::Route(_))) {
        problems.extend(enter(&mut config, file, object, entry));
    }
    let upstreams: BTreeSet<&String> = overlay
        .all_live()
        .filter_map(|(object, _)| match object {
            Object::Backend { upstream, .. } => Some(upstream),
            _ => None,
        })
        .collect();
    for upstream in upstreams {
        arrange(&mut config, file, overlay, upstream);
    }
    if problems.is_empty() {
        problems = blame(&config, overlay);
    }
    (config, problems)
}

fn enter(config: &mut Config, file: &Config, object: &Object, entry: &Entry) -> Option<Problem> {
    if let Object::Backend { upstream, .. } = object
        && !config.upstreams.contains_key(upstream)
    {
        let told = match &entry.presence {
            Presence::Added { .. } => format!("there is no upstream {upstream:?} any more"),
            // Gone is what both want.
            Presence::Removed(_) => return None,
            Presence::Patched => GONE.to_owned(),
        };
        return Some(Problem::new(object, told));
    }
    match &entry.presence {
        Presence::Removed(_) => return None,
        Presence::Patched if !config.contains(object) => return Some(Problem::new(object, GONE)),
        Presence::Patched | Presence::Added { .. } => {}
    }
    let document = entry.over(object, file.part(object));
    let faults = parse::object(object, &document, config).err()?;
    let faults = faults.into_iter().map(|fault| Violation { field: fault.path, description: fault.message });
    Some(Problem { object: object.clone(), faults: faults.collect(), shared: false, other: None })
}

/// What is told where there is nothing below an entry.
const GONE: &str = "the file no longer has it";

pub(crate) fn remove(config: &mut Config, object: &Object) {
    match object {
        Object::Backend { upstream, id } => {
            if let Some(group) = config.upstreams.get_mut(upstream) {
                group.backends.retain(|backend| backend.id != *id);
            }
        }
        Object::Upstream(name) => drop(config.upstreams.remove(name)),
        Object::Route(name) => drop(config.routes.remove(name)),
        Object::Section(_) => {}
    }
}

/// Backends stand in the order of the file; those added through the API come last, in the order of adding.
pub(crate) fn arrange(config: &mut Config, file: &Config, overlay: &Overlay, upstream: &str) {
    let Some(group) = config.upstreams.get_mut(upstream) else { return };
    let in_file = file.upstreams.get(upstream).map(|group| group.backends.as_slice()).unwrap_or_default();
    let in_file: HashMap<&str, u64> = in_file.iter().map(|backend| backend.id.as_str()).zip(0..).collect();
    let added: HashMap<&str, u64> = overlay
        .all_live()
        .filter_map(|(object, entry)| match object {
            Object::Backend { upstream: of, id } if of == upstream => Some((id.as_str(), entry.order()?)),
            _ => None,
        })
        .collect();
    group.backends.sort_by_key(|backend| match added.get(backend.id.as_str()) {
        Some(order) => (true, *order),
        None => (false, in_file.get(backend.id.as_str()).copied().unwrap_or(u64::MAX)),
    });
}

/// The entries that make objects exclude each other.
fn blame(config: &Config, overlay: &Overlay) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for clash in across::clashes(config) {
        let involved = clash.object.iter().chain(&clash.other);
        let cause = involved.into_iter().find(|object| overlay.live(object).is_some());
        let causes: Vec<Object> = match cause {
            Some(object) => vec![object.clone()],
            None => overlay
                .all_live()
                .map(|(object, _)| object)
                .filter(|object| matches!(object, Object::Upstream(_) | Object::Route(_)))
                .cloned()
                .collect(),
        };
        for object in causes {
            if problems.iter().any(|problem| problem.object == object) {
                continue;
            }
            let (field, description) = match &clash.object {
                Some(named) if *named == object => (format!("{}.{}", object.prefix(), clash.field), clash.told.clone()),
                Some(named) => (object.prefix().to_owned(), format!("{named}: {}", clash.told)),
                None => (object.prefix().to_owned(), clash.told.clone()),
            };
            let faults = vec![Violation { field, description }];
            let other = clash.object.iter().chain(&clash.other).find(|other| **other != object).cloned();
            problems.push(Problem { object, faults, shared: clash.object.is_none(), other });
        }
    }
    problems
}

/// The overlay without what the file says itself.
pub(crate) fn tidy(overlay: &Overlay, file: &Config, effective: &Config) -> Overlay {
    let mut tidied = overlay.clone();
    // Upstreams first: what a removed one had needs no entries.
    let mut objects: Vec<&Object> = overlay.all_live().map(|(object, _)| object).collect();
    objects.sort_by_key(|object| !matches!(object, Object::Upstream(_)));
    for object in objects {
        let Some(origin) = overlay.live(object).and_then(Entry::any_origin).cloned() else { continue };
        tidied.settle(object, file, effective, &By { origin: &origin, adds: false });
    }
    tidied
}
