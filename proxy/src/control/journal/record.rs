//! What is recorded of a revision: who made it, what it changed, and what the overlay said before.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use speedmimi_model::{Difference, Object, Overlay, Row};

use super::super::caller::Caller;
use super::super::drain::Drain;
use super::super::store::Store;
use super::{Before, Earlier};

/// Keys that a record tells of; a whole document may change thousands.
const TOLD: usize = 100;

/// A revision, as the history tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// Who made it.
    pub who: String,
    /// From where.
    pub from: String,
    /// When, in microseconds since 1970.
    pub at: u64,
    /// What was asked for, and of what.
    pub what: String,
    /// Keys with their values before and after; the first hundred.
    pub differences: Vec<(String, Option<Value>, Option<Value>)>,
    /// There were more.
    pub truncated: bool,
}

/// Who makes a step, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Author<'a> {
    pub(crate) by: &'a Caller,
    /// Microseconds since 1970.
    pub(crate) at: u64,
    /// The verb, and the object where there is one.
    pub(crate) what: String,
}

/// A record as it is stored. Later versions add fields, and leave these what they are.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    who: String,
    from: String,
    at: u64,
    what: String,
    differences: Vec<(String, Option<Value>, Option<Value>)>,
    truncated: bool,
    /// Entries of the overlay as they were before; none where there was none.
    undo: Vec<(Object, Option<Row>)>,
    /// Drains as they were before, of those that are others now; none where there was none. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    undrain: Vec<((String, String), Option<Drain>)>,
}

/// What is told of a record. Entries as they were before may be most of it, and are passed over.
#[derive(Debug, Deserialize)]
struct Told {
    who: String,
    from: String,
    at: u64,
    what: String,
    differences: Vec<(String, Option<Value>, Option<Value>)>,
    truncated: bool,
}

/// The record of the step from one store to the next.
pub(super) fn of(before: Before<'_>, after: &Store, differences: &[Difference], author: &Author<'_>) -> Vec<u8> {
    let truncated = differences.len() > TOLD;
    let told = differences.iter().take(TOLD).cloned();
    let differences = told.map(|found| (found.path, found.old, found.new)).collect();
    let (drained, draining) = (before.draining, after.draining());
    let names: BTreeSet<&(String, String)> = drained.keys().chain(draining.keys()).collect();
    let other = names.into_iter().filter(|name| drained.get(*name) != draining.get(*name));
    super::bytes(&Stored {
        who: author.by.who.to_string(),
        from: author.by.from.to_string(),
        at: author.at,
        what: author.what.clone(),
        differences,
        truncated,
        undo: before.overlay.changed(after.layers().overlay()).collect(),
        undrain: other.map(|name| (name.clone(), drained.get(name).cloned())).collect(),
    })
}

/// A record as it is told. None for one that a later version wrote in another shape.
pub(super) fn told(revision: u64, bytes: &[u8]) -> Option<Revision> {
    let Told { who, from, at, what, differences, truncated } = serde_json::from_slice(bytes).ok()?;
    Some(Revision { revision, who, from, at, what, differences, truncated })
}

/// What was before the step that is recorded here, if this is what was after it.
pub(super) fn undo(bytes: &[u8], after: &Earlier) -> Option<Earlier> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let changed = |row: &Row| stored.undo.iter().any(|(object, _)| object == row.object());
    let kept = after.overlay.rows().filter(|row| !changed(row));
    let overlay = Overlay::from_rows(kept.chain(stored.undo.iter().filter_map(|(_, row)| row.clone()))).ok()?;
    let mut draining = after.draining.clone();
    for (name, drain) in stored.undrain {
        match drain {
            Some(drain) => drop(draining.insert(name, drain)),
            None => drop(draining.remove(&name)),
        }
    }
    Some(Earlier { overlay, draining })
}
