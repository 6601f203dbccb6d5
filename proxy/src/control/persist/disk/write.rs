//! One batch, one transaction, one `fsync`.

use redb::{Database, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::super::batch::Step;
use super::super::{Batch, Limits};
use super::{Durability, tables};

/// Applies a batch, removes what is over the limits, and makes both durable.
pub(super) fn commit(database: &Database, batch: &Batch, limits: Limits) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    for step in &batch.steps {
        apply(&transaction, step)?;
    }
    if let Some((added, now)) = batch.remembered() {
        forget(&transaction, limits, added, now)?;
    }
    if batch.recorded() > 0 {
        shorten(&transaction, limits, batch.recorded())?;
    }
    Ok(transaction.commit()?)
}

fn apply(transaction: &WriteTransaction, step: &Step) -> Result<(), redb::Error> {
    match step {
        Step::Put { table, key, value } => {
            transaction.open_table(tables::entries(*table))?.insert(key.as_str(), value.as_slice())?;
        }
        Step::Delete { table, key } => {
            transaction.open_table(tables::entries(*table))?.remove(key.as_str())?;
        }
        Step::Clear { table } => transaction.open_table(tables::entries(*table))?.retain(|_, _| false)?,
        Step::Remember { request_id, at, answer } => {
            let mut by_age = transaction.open_table(tables::BY_AGE)?;
            let mut answers = transaction.open_table(tables::ANSWERS)?;
            if let Some(before) = answers.insert(request_id.as_str(), (*at, answer.as_slice()))? {
                by_age.remove((before.value().0, request_id.as_str()))?;
            }
            by_age.insert((*at, request_id.as_str()), ())?;
        }
        Step::Record { revision, record } => {
            transaction.open_table(tables::HISTORY)?.insert(revision, record.as_slice())?;
        }
    }
    Ok(())
}

/// Removes answers that are too old at `now`, or too many.
fn forget(transaction: &WriteTransaction, limits: Limits, added: usize, now: u64) -> Result<(), redb::Error> {
    let mut by_age = transaction.open_table(tables::BY_AGE)?;
    let mut answers = transaction.open_table(tables::ANSWERS)?;
    let forgotten = limits.forgotten(now);
    for _ in 0..Limits::removed_at_once(added) {
        let over = by_age.len()? > limits.answers;
        let old = |at| forgotten.is_some_and(|last| at <= last);
        let Some((at, request_id)) = by_age.first()?.map(|(key, _)| (key.value().0, key.value().1.to_owned())) else {
            break;
        };
        if !over && !old(at) {
            break;
        }
        by_age.remove((at, request_id.as_str()))?;
        answers.remove(request_id.as_str())?;
    }
    Ok(())
}

/// Removes the oldest records of the history while there are too many.
fn shorten(transaction: &WriteTransaction, limits: Limits, added: usize) -> Result<(), redb::Error> {
    let mut history = transaction.open_table(tables::HISTORY)?;
    for _ in 0..Limits::removed_at_once(added) {
        if history.len()? <= limits.history {
            break;
        }
        history.pop_first()?;
    }
    Ok(())
}
