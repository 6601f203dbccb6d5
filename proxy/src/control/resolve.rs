//! Names of backends to addresses. Names are looked up on the control thread's blocking pool, never by a worker.
//!
//! The system resolver does not tell how long an answer holds, so names are asked again every [`AGAIN`]. A name that
//! stops resolving keeps its last addresses; one that never did has none, and its backends are not usable until it
//! does. IP literals need no look-up.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::Addresses;

mod resolver;

pub use resolver::{Found, Resolver};

/// Time between two look-ups of a name.
pub const AGAIN: Duration = Duration::from_secs(30);
/// Time between two look-ups while a name has no address.
pub const AGAIN_UNRESOLVED: Duration = Duration::from_secs(5);
/// Longest that a start or a change waits for the first look-up of its names.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Host and port, as configured.
pub type Name = (String, u16);

/// The address of an IP literal, with or without brackets.
pub fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

/// The addresses known of the names that are in use.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: Addresses,
}

impl Names {
    /// What is known, for compiling a snapshot.
    pub fn addresses(&self) -> &Addresses {
        &self.known
    }

    /// The addresses of a host and port; none while they are not known.
    pub fn of(&self, host: &str, port: u16) -> Arc<[SocketAddr]> {
        self.known.get(host, port).cloned().unwrap_or_else(|| [].into())
    }

    /// Whether the name has addresses.
    pub fn knows(&self, name: &Name) -> bool {
        self.known.get(&name.0, name.1).is_some()
    }

    /// Those of `wanted` that are not in `used`, and have no address yet. One that is in use and does not resolve is no
    /// reason to keep a change of something else waiting.
    pub fn missing(&self, mut wanted: BTreeSet<Name>, used: &BTreeSet<Name>) -> BTreeSet<Name> {
        wanted.retain(|name| !self.knows(name) && !used.contains(name) && literal(&name.0, name.1).is_none());
        wanted
    }

    /// Forgets names that are not in use, and enters the addresses of literals.
    pub fn retain(&mut self, used: &BTreeSet<Name>) {
        self.known.retain(|host, port| used.contains(&(host.to_owned(), port)));
        for name in used {
            if !self.knows(name)
                && let Some(address) = literal(&name.0, name.1)
            {
                self.known.insert(name.0.clone(), name.1, [address].into());
            }
        }
    }

    /// Takes answers; tells whether that changed anything for names in use. Others are kept for the change that is
    /// about to use them.
    pub fn update(&mut self, found: HashMap<Name, Arc<[SocketAddr]>>, used: &BTreeSet<Name>) -> bool {
        let mut changed = false;
        for (name, addresses) in found {
            if self.known.get(&name.0, name.1).is_none_or(|known| **known != *addresses) {
                changed |= used.contains(&name);
                self.known.insert(name.0, name.1, addresses);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str) -> Name {
        (host.into(), 80)
    }

    #[test]
    fn literals_need_no_resolver() {
        assert_eq!(literal("127.0.0.1", 80), Some("127.0.0.1:80".parse().expect("an address")));
        assert_eq!(literal("::1", 80), literal("[::1]", 80));
        assert_eq!(literal("example.com", 80), None);
        let mut names = Names::default();
        names.retain(&BTreeSet::from([name("127.0.0.1"), name("example.com")]));
        assert!(names.knows(&name("127.0.0.1")) && !names.knows(&name("example.com")));
    }

    #[test]
    fn a_name_that_stops_resolving_keeps_its_addresses() {
        let used = BTreeSet::from([name("a"), name("b")]);
        let mut names = Names::default();
        let addresses: Arc<[SocketAddr]> = ["10.0.0.1:80".parse().expect("an address")].into();
        assert!(names.update(HashMap::from([(name("a"), addresses.clone())]), &used));
        assert!(!names.update(HashMap::new(), &used));
        assert!(!names.update(HashMap::from([(name("a"), addresses.clone())]), &used), "nothing new");
        assert!(!names.update(HashMap::from([(name("c"), addresses.clone())]), &used), "not in use yet");
        assert!(names.knows(&name("c")));
        assert_eq!(names.addresses().get("a", 80), Some(&addresses));
        names.retain(&BTreeSet::from([name("b")]));
        assert!(!names.knows(&name("a")));
    }

    #[test]
    fn only_names_that_come_with_a_change_are_waited_for() {
        let used = BTreeSet::from([name("silent"), name("a")]);
        let mut names = Names::default();
        names.update(HashMap::from([(name("a"), ["10.0.0.1:80".parse().expect("an address")].into())]), &used);
        let wanted = BTreeSet::from([name("silent"), name("a"), name("127.0.0.1"), name("new")]);
        assert_eq!(names.missing(wanted, &used), BTreeSet::from([name("new")]));
    }
}
