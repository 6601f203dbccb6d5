//! From two states to the record of what lies between them.

use std::sync::Arc;
use std::time::SystemTime;

use speedmimi_model::{Difference, Object};

use super::{Became, Known, Record, Seen, Touched};
use crate::control::store::Store;

/// Objects in a record, at most; above it, watchers have to look at everything anew.
const OBJECTS: usize = 64;
/// Bytes of a record, at most; the same above it.
const BYTES: usize = 64 << 10;
/// What an object, a backend or a difference costs besides its texts.
const EACH: usize = 256;

/// The record of one revision.
pub(super) fn of(before: &Store, after: &Store, differences: &Arc<[Difference]>, known: &Known<'_>) -> Record {
    let made = after.made();
    let record =
        |what| Record::Revision { revision: after.revision(), by: made.by.clone(), at: SystemTime::now(), what };
    if made.touched.len() > OBJECTS {
        return record(None);
    }
    let objects: Vec<_> =
        made.touched.iter().filter_map(|object| Some((object.clone(), became(before, after, object)?))).collect();
    let backends = objects.iter().filter_map(|(object, became)| match object {
        Object::Backend { upstream, id } => {
            let backend = after.config().backend(upstream, id)?;
            Some((*became, Seen::of(known, after, upstream, backend, 0)))
        }
        _ => None,
    });
    let backends = backends.collect();
    let touched = Touched { objects, backends, differences: differences.clone() };
    let fits = touched.bytes() <= BYTES;
    record(fits.then_some(touched))
}

fn became(before: &Store, after: &Store, object: &Object) -> Option<Became> {
    match (before.config().contains(object), after.config().contains(object)) {
        (false, true) => Some(Became::Added),
        (true, true) => Some(Became::Updated),
        (true, false) => Some(Became::Removed),
        (false, false) => None,
    }
}

impl Record {
    /// The revision in force when it was made.
    pub fn revision(&self) -> u64 {
        match self {
            Self::Revision { revision, .. } | Self::Observed { revision, .. } => *revision,
        }
    }

    /// The first revision that only those have who saw it. What is observed comes after its revision, so that whoever has
    /// that one alone may not have seen it.
    pub(super) fn missed_before(&self) -> u64 {
        match self {
            Self::Revision { revision, .. } => *revision,
            Self::Observed { revision, .. } => revision + 1,
        }
    }

    /// What it costs to keep, near enough.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Revision { by, what, .. } => {
                EACH + by.who.len() + by.from.len() + what.as_ref().map_or(0, Touched::bytes)
            }
            Self::Observed { seen, .. } => EACH + seen.bytes(),
        }
    }
}

impl Touched {
    fn bytes(&self) -> usize {
        let objects: usize = self.objects.iter().map(|(object, _)| EACH / 2 + object.name().len()).sum();
        let backends: usize = self.backends.iter().map(|(_, seen)| seen.bytes()).sum();
        let value = |value: &Option<serde_json::Value>| value.as_ref().map_or(0, |value| value.to_string().len());
        let differences = self
            .differences
            .iter()
            .map(|difference| EACH + 2 * difference.path.len() + value(&difference.old) + value(&difference.new));
        objects + backends + differences.sum::<usize>()
    }
}
