//! Places for the connections of a face: a bounded number, and no machine but this one has all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may stay without a caller who is known, where places are scarce: who asks for health again and again.
const STRANGERS: usize = 16;

/// The places of a face.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    free: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    by: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
    stays: Option<OwnedSemaphorePermit>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many.
    pub(super) fn new(all: usize) -> Arc<Self> {
        let by = Mutex::default();
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Arc::new(Self { all, free: semaphore(all), strangers: semaphore(STRANGERS), by })
    }

    /// Waits for a free one.
    pub(super) async fn free(&self) -> OwnedSemaphorePermit {
        self.free.clone().acquire_owned().await.expect("it is never closed")
    }

    /// Gives it to a connection from there; none where that machine has its share, a quarter. This machine has no share:
    /// everybody on it has the same address.
    pub(super) fn give(self: &Arc<Self>, permit: OwnedSemaphorePermit, from: Option<IpAddr>) -> Option<Place> {
        let address = from.filter(|address| !address.is_loopback());
        if let Some(address) = address {
            let mut by = self.by.lock();
            let taken = by.entry(address).or_default();
            if *taken >= self.all / 4 {
                return None;
            }
            *taken += 1;
        }
        Some(Place { places: self.clone(), address, stays: None, _permit: permit })
    }

    /// Whether so few are left, less than a quarter, that whoever needs none has to go.
    pub(super) fn are_scarce(&self) -> bool {
        self.free.available_permits() < self.all / 4
    }
}

impl Place {
    /// Whether places are scarce.
    pub(super) fn is_scarce(&self) -> bool {
        self.places.are_scarce()
    }

    /// Whether it may stay though nobody who is known has called.
    pub(super) fn stays(&mut self) -> bool {
        if self.stays.is_none() {
            self.stays = self.places.strangers.clone().try_acquire_owned().ok();
        }
        self.stays.is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut by = self.places.by.lock();
        if let Some(taken) = by.get_mut(&address) {
            *taken -= 1;
            if *taken == 0 {
                by.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_machine_has_a_quarter_and_this_one_everything() {
        let places = Places::new(8);
        let (there, here) = (Some([192, 0, 2, 1].into()), Some([127, 0, 0, 1].into()));
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(places.give(places.free().await, there).expect("its share"));
        }
        assert!(places.give(places.free().await, there).is_none());
        assert!(!places.are_scarce());
        while places.free.available_permits() > 0 {
            taken.push(places.give(places.free().await, here).expect("no share"));
        }
        assert_eq!(taken.len(), 8);
        assert!(places.are_scarce() && taken[0].is_scarce());
        drop(taken);
        assert!(!places.are_scarce() && places.by.lock().is_empty());
    }

    #[tokio::test]
    async fn a_few_strangers_stay() {
        let places = Places::new(100);
        let mut taken = Vec::new();
        for _ in 0..STRANGERS + 1 {
            taken.push(places.give(places.free().await, None).expect("it is free"));
        }
        assert_eq!(taken.iter_mut().filter_map(|place| place.stays().then_some(())).count(), STRANGERS);
        assert!(taken[0].stays(), "it goes on to");
    }
}
