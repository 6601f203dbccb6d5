//! What was changed through the API and lies over the file: for each object at most one entry, with who set each
//! field, when, and at which revision. An entry holds only what differs from the file; what the file comes to say itself
//! leaves the overlay at the reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Config;
use crate::fields;
use crate::object::Object;
use crate::write::blank;

mod form;

pub use form::Row;

/// Who made a change, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Who, as the access rules name callers.
    pub who: String,
    /// When, in microseconds since 1970.
    pub at: u64,
    /// The revision that the change made.
    pub revision: u64,
}

/// What the API laid over the file. Cheap to clone.
///
/// Serialised as `{"version": 1, "entries": [ROW…]}`, see [`Row`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "form::Document", try_from = "form::Document")]
pub struct Overlay {
    entries: BTreeMap<Object, Arc<Entry>>,
}

/// What the overlay says of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What happened to the object.
    pub presence: Presence,
    /// Its fields that differ: from the file's, or from the defaults of an added one.
    pub fields: BTreeMap<String, Held>,
    /// Why it is not in force: the file has nothing that it fits. Kept until it is cleared or fits again.
    pub parked: Option<String>,
    /// The file was changed beneath it since and says something else of the object: an added one is another there, or
    /// gone from it; a removed one is another there. What it says of fields is marked with these.
    pub contradicted: bool,
}

/// What the API did to an object as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Added: what the file may say of it does not count.
    Added {
        /// Later ones are greater.
        order: u64,
        /// By whom.
        origin: Origin,
    },
    /// The file's, with other fields.
    Patched,
    /// Removed: what the file says of it does not count.
    Removed(Origin),
}

/// A value that the overlay holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// As in the file; nothing is the default.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
    /// The file was changed here since, and says neither this nor what it said then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
}

impl Overlay {
    /// Whether nothing was changed through the API.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every entry, those that are not in force included.
    pub fn entries(&self) -> impl Iterator<Item = (&Object, &Entry)> {
        self.entries.iter().map(|(object, entry)| (object, &**entry))
    }

    /// What is said of an object, in force or not.
    pub fn entry(&self, object: &Object) -> Option<&Entry> {
        self.entries.get(object).map(|entry| &**entry)
    }

    /// What is said of an object and is in force.
    pub(crate) fn live(&self, object: &Object) -> Option<&Entry> {
        self.entry(object).filter(|entry| entry.parked.is_none())
    }

    /// What is in force.
    pub(crate) fn all_live(&self) -> impl Iterator<Item = (&Object, &Entry)> {
        self.entries().filter(|(_, entry)| entry.parked.is_none())
    }

    /// What waits, and why.
    pub(crate) fn parked(&self) -> impl Iterator<Item = (&Object, &str)> {
        self.entries().filter_map(|(object, entry)| Some((object, entry.parked.as_deref()?)))
    }

    /// Marks what the file was changed beneath: these fields, or without any the object as a whole.
    pub(crate) fn contradict(&mut self, object: &Object, fields: &[String]) {
        let Some(entry) = self.entries.get_mut(object).map(Arc::make_mut) else { return };
        entry.contradicted |= fields.is_empty();
        for field in fields {
            if let Some(held) = entry.fields.get_mut(field) {
                held.contradicted = true;
            }
        }
    }

    pub(crate) fn insert(&mut self, object: Object, entry: Option<Entry>) {
        match entry {
            Some(entry) => drop(self.entries.insert(object, Arc::new(entry))),
            None => drop(self.entries.remove(&object)),
        }
    }

    pub(crate) fn remove(&mut self, object: &Object) {
        self.entries.remove(object);
    }

    /// Keeps an entry without letting it count.
    pub(crate) fn park(&mut self, object: &Object, told: &str) {
        if let Some(entry) = self.entries.get_mut(object) {
            Arc::make_mut(entry).parked = Some(told.to_owned());
        }
    }

    /// Lets every entry count again.
    pub(crate) fn unpark(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.parked.is_some()) {
            Arc::make_mut(entry).parked = None;
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Object) -> bool) {
        self.entries.retain(|object, _| keep(object));
    }

    pub(crate) fn next_order(&self) -> u64 {
        let orders = self.entries.values().filter_map(|entry| entry.order());
        orders.max().map_or(0, |last| last.saturating_add(1))
    }

    /// Forgets what does not count.
    pub(crate) fn drop_parked(&mut self) {
        self.entries.retain(|_, entry| entry.parked.is_none());
    }

    /// This overlay as a change lays it over the place of another: what that one has too, in force or not, keeps its
    /// origin.
    pub(crate) fn signed(&self, current: &Self, origin: &Origin) -> Self {
        let mut signed = self.clone();
        for (object, entry) in &mut signed.entries {
            let known = current.entry(object);
            let entry = Arc::make_mut(entry);
            for (field, held) in &mut entry.fields {
                let same = known.and_then(|known| known.fields.get(field)).filter(|known| known.value == held.value);
                held.origin = same.map_or(origin, |same| &same.origin).clone();
                held.contradicted = same.is_some_and(|same| same.contradicted);
            }
            // Whoever lays something else over the file knows what that says.
            entry.contradicted = false;
            match (&mut entry.presence, known.map(|known| (&known.presence, known.contradicted))) {
                (Presence::Added { origin, .. }, Some((Presence::Added { origin: known, .. }, contradicted)))
                | (Presence::Removed(origin), Some((Presence::Removed(known), contradicted))) => {
                    origin.clone_from(known);
                    entry.contradicted = contradicted;
                }
                (Presence::Added { origin: of, .. } | Presence::Removed(of), _) => of.clone_from(origin),
                (Presence::Patched, _) => {}
            }
        }
        signed
    }

    /// Whether an object was removed through the API.
    pub(crate) fn removes(&self, object: &Object) -> bool {
        self.live(object).is_some_and(|entry| matches!(entry.presence, Presence::Removed(_)))
    }

    /// Sets the entry of an object so that over this file it is what it is in this configuration. Values that were held
    /// already keep their origins.
    pub(crate) fn settle(&mut self, object: &Object, file: &Config, wanted: &Config, by: &By<'_>) {
        let old = self.live(object);
        let beneath_removed = match object {
            Object::Backend { upstream, .. } => self.removes(&Object::Upstream(upstream.clone())),
            _ => false,
        };
        let entry = match (wanted.part(object), file.part(object)) {
            (None, None) => None,
            (None, Some(_)) if beneath_removed => None,
            (None, Some(_)) => {
                let (origin, contradicted) = match old.map(|entry| (&entry.presence, entry.contradicted)) {
                    Some((Presence::Removed(origin), contradicted)) => (origin, contradicted),
                    _ => (by.origin, false),
                };
                Some(Entry { contradicted, ..Entry::new(Presence::Removed(origin.clone())) })
            }
            (Some(wanted), in_file) => {
                let added = match old.map(|entry| &entry.presence) {
                    Some(added @ Presence::Added { .. }) => Some(added.clone()),
                    _ if in_file.is_none() || by.adds => {
                        Some(Presence::Added { order: self.next_order(), origin: by.origin.clone() })
                    }
                    _ => None,
                };
                let differs = |base: &Value| difference(object, base, &wanted, old, by.origin);
                match (added, in_file) {
                    (Some(_), Some(file)) if differs_nowhere(object, &file, &wanted) => None,
                    (Some(presence), _) => {
                        let base = blank(object);
                        let again = old.filter(|entry| entry.order().is_some());
                        let contradicted = again.is_some_and(|entry| entry.contradicted);
                        Some(Entry { fields: differs(&base), contradicted, ..Entry::new(presence) })
                    }
                    (None, Some(file)) => {
                        let fields = differs(&file);
                        (!fields.is_empty()).then(|| Entry { fields, ..Entry::new(Presence::Patched) })
                    }
                    (None, None) => None,
                }
            }
        };
        self.insert(object.clone(), entry);
    }
}

/// How a change is entered.
pub(crate) struct By<'a> {
    pub(crate) origin: &'a Origin,
    /// The change adds the object, even where the file has one of that name.
    pub(crate) adds: bool,
}

impl Entry {
    pub(crate) fn new(presence: Presence) -> Self {
        Self { presence, fields: BTreeMap::new(), parked: None, contradicted: false }
    }

    pub(crate) fn order(&self) -> Option<u64> {
        match &self.presence {
            Presence::Added { order, .. } => Some(*order),
            Presence::Patched | Presence::Removed(_) => None,
        }
    }

    /// Who added or removed the object.
    pub fn origin(&self) -> Option<&Origin> {
        match &self.presence {
            Presence::Added { origin, .. } | Presence::Removed(origin) => Some(origin),
            Presence::Patched => None,
        }
    }

    /// Who made the entry, or something in it.
    pub(crate) fn any_origin(&self) -> Option<&Origin> {
        self.origin().or_else(|| self.fields.values().map(|held| &held.origin).next())
    }

    /// The object with these fields over what lies below.
    pub(crate) fn over(&self, object: &Object, file: Option<Value>) -> Value {
        let mut document = match &self.presence {
            Presence::Added { .. } => blank(object),
            Presence::Patched | Presence::Removed(_) => file.unwrap_or_else(|| blank(object)),
        };
        for (path, held) in &self.fields {
            if let Some(rival) = fields::rival(object, path).filter(|_| !held.value.is_null()) {
                fields::put(&mut document, rival, Value::Null);
            }
            fields::put(&mut document, path, held.value.clone());
        }
        document
    }
}

fn differs_nowhere(object: &Object, one: &Value, two: &Value) -> bool {
    fields::of(object).iter().all(|field| fields::get(one, &field.path) == fields::get(two, &field.path))
}

/// The fields that are not what lies below.
fn difference(
    object: &Object,
    below: &Value,
    wanted: &Value,
    old: Option<&Entry>,
    origin: &Origin,
) -> BTreeMap<String, Held> {
    let differs = |field: &&fields::Field| fields::get(wanted, &field.path) != fields::get(below, &field.path);
    let held = |field: &fields::Field| {
        let value = fields::get(wanted, &field.path);
        let known = old.and_then(|entry| entry.fields.get(&field.path)).filter(|held| held.value == *value);
        let held = known.cloned().unwrap_or_else(|| Held {
            value: value.clone(),
            origin: origin.clone(),
            contradicted: false,
        });
        (field.path.clone(), held)
    };
    fields::of(object).iter().filter(differs).map(held).collect()
}
