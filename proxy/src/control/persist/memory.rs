//! A store that ends with the process: for `state.persist: false`, and the model that the one on the disk is tested
//! against.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Step;
use super::disk::MOST;
use super::{Batch, Bytes, Limits, Storage, StoreError, Table, length, size_of_answer};

/// Keeps everything in memory. A commit never waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    limits: Limits,
    entries: BTreeMap<(Table, String), Vec<u8>>,
    answers: BTreeMap<String, (u64, Vec<u8>)>,
    by_age: BTreeSet<(u64, String)>,
    history: BTreeMap<u64, Vec<u8>>,
    bytes: Bytes,
}

impl Memory {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    fn apply(&mut self, step: &Step) {
        match step.clone() {
            Step::Put { table, key, value } => {
                self.entries.insert((table, key), value);
            }
            Step::Delete { table, key } => {
                self.entries.remove(&(table, key));
            }
            Step::Clear { table } => self.entries.retain(|(of, _), _| *of != table),
            Step::Remember { request_id, at, answer } => {
                self.bytes.answers += size_of_answer(&request_id, &answer);
                if let Some((before, old)) = self.answers.insert(request_id.clone(), (at, answer)) {
                    self.bytes.answers -= size_of_answer(&request_id, &old);
                    self.by_age.remove(&(before, request_id.clone()));
                }
                self.by_age.insert((at, request_id));
            }
            Step::Record { revision, record } => {
                self.bytes.history += length(record.len());
                let old = self.history.insert(revision, record);
                self.bytes.history -= old.map_or(0, |old| length(old.len()));
            }
        }
    }

    fn prune(&mut self, batch: &Batch) {
        if let Some((added, now)) = batch.remembered() {
            for removed in 0.. {
                let few = removed < Limits::removed_at_once(added);
                let over = few && length(self.by_age.len()) > self.limits.answers;
                let heavy = self.bytes.answers > self.limits.answer_bytes && self.by_age.len() > 1;
                let old = |at| few && self.limits.forgotten(now).is_some_and(|last| at <= last);
                let goes = self.by_age.first().filter(|(at, _)| over || heavy || old(*at)).cloned();
                let Some((_, request_id)) = goes else { break };
                self.by_age.pop_first();
                let answer = self.answers.remove(&request_id);
                self.bytes.answers -= answer.map_or(0, |(_, answer)| size_of_answer(&request_id, &answer));
            }
        }
        for removed in 0.. {
            let many =
                removed < Limits::removed_at_once(batch.recorded()) && length(self.history.len()) > self.limits.history;
            let heavy = self.bytes.history > self.limits.history_bytes && self.history.len() > 1;
            if batch.recorded() == 0 || !(many || heavy) {
                break;
            }
            let record = self.history.pop_first();
            self.bytes.history -= record.map_or(0, |(_, record)| length(record.len()));
        }
    }
}

impl Storage for Memory {
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let of_table = self.entries.iter().filter(|((of, _), _)| *of == table);
        Ok(of_table.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.get(&(table, key.to_owned())).cloned())
    }

    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let forgotten = self.limits.forgotten(now);
        let fresh = |at: u64| forgotten.is_none_or(|last| at > last);
        Ok(self.answers.get(request_id).filter(|(at, _)| fresh(*at)).map(|(_, answer)| answer.clone()))
    }

    fn answers(&self) -> Result<u64, StoreError> {
        Ok(length(self.answers.len()))
    }

    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.history.get(&revision).cloned())
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let below = self.history.iter().rev().filter(|(revision, _)| before.is_none_or(|before| **revision < before));
        Ok(below.take(limit).map(|(revision, record)| (*revision, record.clone())).collect())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.longest() > MOST {
            return Err(StoreError::TooLarge { size: batch.longest(), most: MOST });
        }
        for step in &batch.steps {
            self.apply(step);
        }
        self.prune(batch);
        Ok(())
    }
}
