//! From a valid configuration to the view that workers use.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use speedmimi_model::{Config, Route, Upstream};
use speedmimi_policy::{Algorithm, hash_key};

use super::{
    BackendView, ByProtocol, HeaderEdits, PoolRules, RouteTable, RouteView, ServerRules, Snapshot, UpstreamView,
};
use crate::live::{Health, Live};

/// Addresses of hosts and ports, as far as they are known.
pub type Addresses = HashMap<(String, u16), Arc<[SocketAddr]>>;

impl Snapshot {
    /// Compiles a configuration. Backends and routes that `live` does not know yet are entered there: gates closed,
    /// and taken to be up. `max_conn` is what descriptors can carry of `server.max_conn`.
    pub fn compile(config: &Config, revision: u64, live: &Live, addresses: &Addresses, max_conn: u32) -> Self {
        let names: Vec<&str> = config.upstreams.keys().map(String::as_str).collect();
        let mut upstreams: Vec<UpstreamView> = config
            .upstreams
            .iter()
            .map(|(name, upstream)| compile_upstream(name, upstream, live, addresses))
            .collect();
        let position = |name: &str| names.iter().position(|&known| known == name);
        let mut routes = Vec::new();
        let table = if config.routes.is_empty() {
            match implicit_upstream(config).and_then(|name| Some((position(name)?, &config.upstreams[name]))) {
                Some((index, upstream)) => {
                    let pickers = algorithms(None, upstream).map(|algorithm| upstreams[index].use_algorithm(algorithm));
                    routes.push(RouteView {
                        state: live.route(""),
                        upstream: index,
                        pickers,
                        timeouts: upstream.timeouts.clone(),
                        edits: HeaderEdits::default(),
                    });
                    RouteTable::everything(0)
                }
                None => RouteTable::default(),
            }
        } else {
            let mut indexed = Vec::with_capacity(config.routes.len());
            for (name, route) in &config.routes {
                // The model accepts no route to an upstream that does not exist.
                let Some(index) = position(&route.upstream) else { continue };
                let upstream = &config.upstreams[&route.upstream];
                let pickers =
                    algorithms(Some(route), upstream).map(|algorithm| upstreams[index].use_algorithm(algorithm));
                indexed.push((routes.len(), route));
                routes.push(RouteView {
                    state: live.route(name),
                    upstream: index,
                    pickers,
                    timeouts: route.timeouts.clone(),
                    edits: HeaderEdits::new(&route.headers),
                });
            }
            RouteTable::new(indexed.into_iter())
        };
        Self { revision, server: server_rules(config, max_conn), table, routes, upstreams, access_log: None }
    }
}
