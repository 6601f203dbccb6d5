//! How an overlay is stored: a version and one row an object. Stable: a later version reads what this one wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Held, Origin, Overlay, Presence};
use crate::object::Object;

/// The version that is written.
const VERSION: u32 = 1;

/// An overlay as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: u32,
    entries: Vec<Row>,
}

/// What is stored of one object:
/// `{"object": {"kind": "backend", "upstream": U, "id": I}, "change": "patched", "fields": {"max_conn": {"value": 9,
/// "origin": {"who": W, "at": MICROSECONDS, "revision": R}}}}`. Other kinds of objects have a `name`. An added one has
/// its `order` and its `origin`, a removed one its `origin`; `parked` says why an entry is not in force;
/// `"contradicted": true`, here or beside a value, that the file was changed beneath it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    object: Object,
    change: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    contradicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Added,
    Patched,
    Removed,
}

impl Overlay {
    /// One row an object, for a store that keeps them apart.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.entries().map(|(object, entry)| Row::of(object, entry))
    }

    /// The objects of which two overlays say different things, each with what this one says.
    pub fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (Object, Option<Row>)> + 'a {
        let objects: BTreeSet<&Object> = self.entries.keys().chain(other.entries.keys()).collect();
        let differ = |object: &&Object| match (self.entries.get(object), other.entries.get(object)) {
            (Some(one), Some(two)) => !Arc::ptr_eq(one, two) && one != two,
            (one, two) => one.is_some() != two.is_some(),
        };
        let with_row = |object: &Object| (object.clone(), self.entry(object).map(|entry| Row::of(object, entry)));
        objects.into_iter().filter(differ).map(with_row)
    }

    /// The overlay of these rows, or what is wrong with them.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Result<Self, String> {
        let mut overlay = Self::default();
        for Row { object, change, order, origin, fields, parked, contradicted } in rows {
            let presence = match (change, order, origin) {
                (Word::Added, Some(order), Some(origin)) => Presence::Added { order, origin },
                (Word::Patched, None, None) => Presence::Patched,
                (Word::Removed, None, Some(origin)) => Presence::Removed(origin),
                _ => return Err(format!("the entry of {object} is not whole")),
            };
            if overlay.entry(&object).is_some() {
                return Err(format!("{object} has two entries"));
            }
            overlay.insert(object, Some(Entry { presence, fields, parked, contradicted }));
        }
        Ok(overlay)
    }
}

impl Row {
    fn of(object: &Object, entry: &Entry) -> Self {
        let (change, order, origin) = match &entry.presence {
            Presence::Added { order, origin } => (Word::Added, Some(*order), Some(origin.clone())),
            Presence::Patched => (Word::Patched, None, None),
            Presence::Removed(origin) => (Word::Removed, None, Some(origin.clone())),
        };
        let Entry { fields, parked, contradicted, .. } = entry.clone();
        Self { object: object.clone(), change, order, origin, fields, parked, contradicted }
    }

    /// Whose row it is.
    pub fn object(&self) -> &Object {
        &self.object
    }
}

impl From<Overlay> for Document {
    fn from(overlay: Overlay) -> Self {
        Self { version: VERSION, entries: overlay.rows().collect() }
    }
}

impl TryFrom<Document> for Overlay {
    type Error = String;

    fn try_from(document: Document) -> Result<Self, String> {
        if document.version != VERSION {
            return Err(format!("an overlay of version {}; this program reads version {VERSION}", document.version));
        }
        Self::from_rows(document.entries)
    }
}
