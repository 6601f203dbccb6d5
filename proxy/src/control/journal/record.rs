//! What is recorded of a revision: who made it, what it changed, and what the overlay said before.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use speedmimi_model::{Object, Overlay, Row, diff_of};

use super::super::caller::Caller;
use super::super::store::Store;
use super::Before;

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
}

/// The record of the step from one store to the next.
pub(super) fn of(before: Before<'_>, after: &Store, author: &Author<'_>) -> Vec<u8> {
    let found = diff_of(before.effective, after.config(), after.touched());
    let mut differences: Vec<_> = found.into_iter().map(|found| (found.path, found.old, found.new)).collect();
    let truncated = differences.len() > TOLD;
    differences.truncate(TOLD);
    super::bytes(&Stored {
        who: author.by.who.to_string(),
        from: author.by.from.to_string(),
        at: author.at,
        what: author.what.clone(),
        differences,
        truncated,
        undo: before.overlay.changed(after.layers().overlay()).collect(),
    })
}

/// A record as it is told. None for one that a later version wrote in another shape.
pub(super) fn told(revision: u64, bytes: &[u8]) -> Option<Revision> {
    let Stored { who, from, at, what, differences, truncated, undo: _ } = serde_json::from_slice(bytes).ok()?;
    Some(Revision { revision, who, from, at, what, differences, truncated })
}

/// The overlay before the step that is recorded here, if this is the one after it.
pub(super) fn undo(bytes: &[u8], after: &Overlay) -> Option<Overlay> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let changed = |row: &Row| stored.undo.iter().any(|(object, _)| object == row.object());
    let kept = after.rows().filter(|row| !changed(row));
    Overlay::from_rows(kept.chain(stored.undo.iter().filter_map(|(_, row)| row.clone()))).ok()
}
