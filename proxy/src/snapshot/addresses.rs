//! Addresses of hosts and ports, as far as they are known.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// By host and port. To look one up makes no key: a snapshot asks for hundreds.
#[derive(Debug, Clone, Default)]
pub struct Addresses(HashMap<String, BTreeMap<u16, Arc<[SocketAddr]>>>);

impl Addresses {
    /// The addresses of a host and port; `None` while none is known.
    pub fn get(&self, host: &str, port: u16) -> Option<&Arc<[SocketAddr]>> {
        self.0.get(host)?.get(&port)
    }

    /// Enters or replaces them.
    pub fn insert(&mut self, host: String, port: u16, addresses: Arc<[SocketAddr]>) {
        self.0.entry(host).or_default().insert(port, addresses);
    }

    /// Forgets those that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&str, u16) -> bool) {
        self.0.retain(|host, ports| {
            ports.retain(|port, _| keep(host, *port));
            !ports.is_empty()
        });
    }
}

impl FromIterator<((String, u16), Arc<[SocketAddr]>)> for Addresses {
    fn from_iter<I: IntoIterator<Item = ((String, u16), Arc<[SocketAddr]>)>>(entries: I) -> Self {
        let mut all = Self::default();
        for ((host, port), addresses) in entries {
            all.insert(host, port, addresses);
        }
        all
    }
}
