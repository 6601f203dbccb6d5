//! No directory for the state: no home, as of a service without a user. Traffic must go on, so it starts; but a change
//! that would end with the process unnoticed is refused, with what to set.

use super::{Batch, Storage, StoreError, Table};

/// Has nothing, takes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Storage for Nowhere {
    fn entries(&self, _: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(Vec::new())
    }

    fn get(&self, _: Table, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn answer(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn answers(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn record(&self, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn history(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Err(StoreError::Nowhere)
    }
}
