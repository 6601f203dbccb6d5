//! One batch, one transaction, one `fsync`.

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::super::batch::Step;
use super::super::{Batch, Bytes, Limits, length, size_of_answer};
use super::{Durability, tables};

/// Applies a batch, removes what is over the limits, and makes both durable. Returns how much is kept then, of how much
/// was before.
pub(super) fn commit(
    database: &Database,
    batch: &Batch,
    limits: Limits,
    mut bytes: Bytes,
) -> Result<Bytes, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // Each tree is opened once; what is in one has no part in the order of another.
    entries(&transaction, batch)?;
    if let Some((added, now)) = batch.remembered() {
        remember(&transaction, batch, &mut bytes.answers)?;
        forget(&transaction, limits, added, now, &mut bytes.answers)?;
    }
    if batch.recorded() > 0 {
        record(&transaction, batch, limits, &mut bytes.history)?;
    }
    transaction.commit()?;
    Ok(bytes)
}

/// How much a database keeps of what is bounded.
pub(super) fn weigh(database: &Database) -> Result<Bytes, redb::Error> {
    let transaction = database.begin_read()?;
    let mut bytes = Bytes::default();
    let answers = transaction.open_table(tables::ANSWERS)?;
    for entry in answers.iter()? {
        let (request_id, answer) = entry?;
        bytes.answers += size_of_answer(request_id.value(), answer.value().1);
    }
    let history = transaction.open_table(tables::HISTORY)?;
    for entry in history.iter()? {
        bytes.history += length(entry?.1.value().len());
    }
    Ok(bytes)
}

fn entries(transaction: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    if batch.steps.iter().all(|step| matches!(step, Step::Remember { .. } | Step::Record { .. })) {
        return Ok(());
    }
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    for step in &batch.steps {
        match step {
            Step::Put { table, key, value } => {
                entries.insert((tables::number(*table), key.as_str()), value.as_slice())?;
            }
            Step::Delete { table, key } => {
                entries.remove((tables::number(*table), key.as_str()))?;
            }
            Step::Clear { table } => entries.retain_in(tables::all(*table), |_, _| false)?,
            Step::Remember { .. } | Step::Record { .. } => {}
        }
    }
    Ok(())
}

fn remember(transaction: &WriteTransaction, batch: &Batch, bytes: &mut u64) -> Result<(), redb::Error> {
    let mut by_age = transaction.open_table(tables::BY_AGE)?;
    let mut answers = transaction.open_table(tables::ANSWERS)?;
    for step in &batch.steps {
        let Step::Remember { request_id, at, answer } = step else { continue };
        *bytes += size_of_answer(request_id, answer);
        if let Some(before) = answers.insert(request_id.as_str(), (*at, answer.as_slice()))? {
            let (at, old) = before.value();
            take(bytes, size_of_answer(request_id, old));
            by_age.remove((at, request_id.as_str()))?;
        }
        by_age.insert((*at, request_id.as_str()), ())?;
    }
    Ok(())
}

/// Removes answers that are too old at `now`, or too many, or too large together.
fn forget(
    transaction: &WriteTransaction,
    limits: Limits,
    added: usize,
    now: u64,
    bytes: &mut u64,
) -> Result<(), redb::Error> {
    let mut by_age = transaction.open_table(tables::BY_AGE)?;
    let mut answers = transaction.open_table(tables::ANSWERS)?;
    let forgotten = limits.forgotten(now);
    for removed in 0.. {
        let few = removed < Limits::removed_at_once(added);
        let over = few && by_age.len()? > limits.answers;
        let heavy = *bytes > limits.answer_bytes && by_age.len()? > 1;
        let old = |at| few && forgotten.is_some_and(|last| at <= last);
        let Some((at, request_id)) = by_age.first()?.map(|(key, _)| (key.value().0, key.value().1.to_owned())) else {
            break;
        };
        if !(over || heavy || old(at)) {
            break;
        }
        by_age.remove((at, request_id.as_str()))?;
        if let Some(answer) = answers.remove(request_id.as_str())? {
            take(bytes, size_of_answer(&request_id, answer.value().1));
        }
    }
    Ok(())
}

/// Adds to the history, and removes its oldest records while there are too many, or they are too large together.
fn record(transaction: &WriteTransaction, batch: &Batch, limits: Limits, bytes: &mut u64) -> Result<(), redb::Error> {
    let mut history = transaction.open_table(tables::HISTORY)?;
    for step in &batch.steps {
        let Step::Record { revision, record } = step else { continue };
        *bytes += length(record.len());
        if let Some(old) = history.insert(revision, record.as_slice())? {
            take(bytes, length(old.value().len()));
        }
    }
    for removed in 0.. {
        let many = removed < Limits::removed_at_once(batch.recorded()) && history.len()? > limits.history;
        let heavy = *bytes > limits.history_bytes && history.len()? > 1;
        if !(many || heavy) {
            break;
        }
        if let Some((_, record)) = history.pop_first()? {
            take(bytes, length(record.value().len()));
        }
    }
    Ok(())
}

fn take(bytes: &mut u64, less: u64) {
    *bytes = bytes.saturating_sub(less);
}
