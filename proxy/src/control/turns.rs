//! Calls of one name take turns: a repeat that comes while the first is at work waits for its answer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// The names of calls at work.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

/// Held while a call is at work.
#[derive(Debug)]
pub struct Turn {
    name: String,
    turns: Turns,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody of that name is at work.
    pub(super) async fn take(&self, name: &str) -> Turn {
        let place = self.0.lock().entry(name.to_owned()).or_default().clone();
        Turn { name: name.to_owned(), turns: self.clone(), held: Some(place.lock_owned().await) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut places = self.turns.0.lock();
        // Whoever waits holds the place, too; the last one clears it away.
        if places.get(&self.name).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn those_of_one_name_wait_for_each_other_and_leave_nothing() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        let mut second = Box::pin(turns.take("a"));
        assert!((&mut second).now_or_never().is_none(), "the first is at work");
        drop(turns.take("b").now_or_never().expect("another name waits for nobody"));
        drop(first);
        drop(second.now_or_never().expect("its turn has come"));
        assert!(turns.0.lock().is_empty());
    }
}
