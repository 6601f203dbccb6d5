//! Places of watchers: a bounded number in all, and so shared out that no reader takes those of others.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use speedmimi_model::Role;

use super::WATCHERS;
use crate::control::Caller;

/// Places of one caller below `operate`, from one address.
pub const EACH: usize = 32;
/// Places that are kept for `operate` and above: a drain, or a look at what goes wrong, finds one.
pub const KEPT: usize = 32;

/// A place is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// All are taken, or all but those that are kept for others.
    #[error(
        "{WATCHERS} watchers at once, {KEPT} of them of operate and above, are all there may be: end one of them first"
    )]
    All,
    /// The caller has its own.
    #[error("this caller watches {EACH} times already, which is all it may: end one of them first")]
    Own,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Key, usize>,
}

/// A name, and the address that it calls from.
type Key = (Arc<str>, Box<str>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    key: Key,
}

impl Places {
    /// Takes a place for a caller.
    pub fn enter(self: &Arc<Self>, by: &Caller) -> Result<Place, Crowded> {
        // Without its port: a caller has as many of them as it likes.
        let from = by.from.rsplit_once(':').map_or(&*by.from, |(address, _)| address);
        let key: Key = (by.who.clone(), from.into());
        let above = by.role.includes(Role::Operate);
        let mut taken = self.0.lock();
        if taken.all >= if above { WATCHERS } else { WATCHERS - KEPT } {
            return Err(Crowded::All);
        }
        let own = taken.by.entry(key.clone()).or_default();
        if !above && *own >= EACH {
            return Err(Crowded::Own);
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { places: self.clone(), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(who: &str, from: &str, role: Role) -> Caller {
        Caller { who: who.into(), role, ..Caller::api(from) }
    }

    #[test]
    fn a_reader_has_its_own_places_and_not_those_of_others() {
        let places = Arc::new(Places::default());
        let enter = |who: &str, port: usize, role| places.enter(&caller(who, &format!("[::1]:{port}"), role));
        let own: Vec<_> = (0..EACH).map(|port| enter("r", port, Role::Read).expect("it is free")).collect();
        assert_eq!(enter("r", 99, Role::Read).expect_err("it has its own"), Crowded::Own);
        assert!(places.enter(&caller("r", "[::2]:1", Role::Read)).is_ok(), "another address is another caller");
        let others: Vec<_> = (EACH..WATCHERS - KEPT)
            .map(|n| enter(&format!("r{}", n / EACH), n, Role::Read).expect("it is free"))
            .collect();
        assert_eq!(enter("late", 1, Role::Read).expect_err("the rest is kept"), Crowded::All);
        let kept: Vec<_> = (0..KEPT).map(|n| enter("o", n, Role::Operate).expect("it is kept")).collect();
        assert_eq!(enter("a", 1, Role::Admin).expect_err("all are taken"), Crowded::All);
        drop((own, others, kept));
        assert!(enter("r", 1, Role::Read).is_ok());
        assert!(places.0.lock().by.is_empty(), "nobody is remembered");
    }
}
