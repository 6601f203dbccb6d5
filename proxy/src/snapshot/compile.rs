//! From a valid configuration to the view that workers use.

use std::net::SocketAddr;
use std::sync::Arc;

use speedmimi_model::{Algorithm, Config, HalfClose, Protocols, Route, Timeouts, TimeoutsPatch, Upstream};
use speedmimi_policy::hash_key;

use super::{
    Addresses, BackendView, ByProtocol, HeaderEdits, PoolRules, RouteTable, RouteView, ServerRules, Snapshot,
    UpstreamView,
};
use crate::live::{Health, Live};

impl Snapshot {
    /// Compiles a configuration. Backends and routes that `live` does not know yet are entered there: gates closed,
    /// and taken to be up. `max_conn` is what descriptors can carry of `server.max_conn`.
    pub fn compile(config: &Config, revision: u64, live: &Live, addresses: &Addresses, max_conn: u32) -> Self {
        let mut upstreams: Vec<UpstreamView> =
            config.upstreams.iter().map(|(name, upstream)| compile_upstream(name, upstream, live, addresses)).collect();
        let mut routes = Vec::with_capacity(config.routes.len().max(1));
        let table = if config.routes.is_empty() {
            config
                .implicit_upstream()
                .and_then(|name| compile_route("", name, None, config, &mut upstreams, live))
                .map_or_else(RouteTable::default, |route| {
                    routes.push(route);
                    RouteTable::everything(0)
                })
        } else {
            let mut indexed = Vec::with_capacity(config.routes.len());
            for (name, route) in &config.routes {
                // A valid configuration has no route to an upstream that does not exist.
                if let Some(view) = compile_route(name, &route.upstream, Some(route), config, &mut upstreams, live) {
                    indexed.push((routes.len(), route));
                    routes.push(view);
                }
            }
            RouteTable::new(indexed.into_iter())
        };
        let access_log = config.access_log.as_ref().map(|log| log.sample);
        Self { revision, server: server_rules(config, max_conn), table, routes, upstreams, access_log }
    }
}

fn compile_route(
    name: &str,
    upstream: &str,
    route: Option<&Route>,
    config: &Config,
    views: &mut [UpstreamView],
    live: &Live,
) -> Option<RouteView> {
    let policy = config.upstreams.get(upstream)?;
    let index = views.iter().position(|view| &*view.name == upstream)?;
    let mut picker = |protocol: fn(&Protocols) -> Option<Algorithm>| {
        let (algorithm, source) = Config::algorithm_from(protocol, route, policy);
        (use_algorithm(&mut views[index], algorithm), source)
    };
    let http = picker(|_| None);
    let websocket = picker(|protocols| protocols.websocket);
    let sse = picker(|protocols| protocols.sse);
    let no_clocks = TimeoutsPatch::default();
    Some(RouteView {
        state: live.route(name),
        upstream: index,
        pickers: ByProtocol { http: http.0, websocket: websocket.0, sse: sse.0 },
        sources: ByProtocol { http: http.1, websocket: websocket.1, sse: sse.1 },
        timeouts: Timeouts::resolve(&policy.timeouts, route.map_or(&no_clocks, |route| &route.timeouts)),
        edits: route.map(|route| HeaderEdits::new(&route.headers)).unwrap_or_default(),
    })
}

/// The index of an algorithm in an upstream; each stands there once, so that routes share its state.
fn use_algorithm(view: &mut UpstreamView, algorithm: Algorithm) -> usize {
    view.algorithms.iter().position(|&known| known == algorithm).unwrap_or_else(|| {
        view.algorithms.push(algorithm);
        view.algorithms.len() - 1
    })
}

fn compile_upstream(name: &str, upstream: &Upstream, live: &Live, addresses: &Addresses) -> UpstreamView {
    let nowhere: Arc<[SocketAddr]> = [].into();
    let backends = upstream.backends.iter().map(|backend| BackendView {
        state: live.backend(name, &backend.id, Health::Up),
        weight: backend.weight,
        key: hash_key(backend.id.as_bytes()),
        addresses: addresses.get(&backend.host, backend.port).unwrap_or(&nowhere).clone(),
    });
    let pool = PoolRules {
        max_idle: upstream.pool.max_idle,
        idle_timeout: upstream.pool.idle_timeout,
        max_requests: upstream.pool.max_requests,
    };
    let own = Config::algorithm_from(|_| None, None, upstream);
    UpstreamView { name: name.into(), backends: backends.collect(), algorithms: Vec::new(), own, pool }
}

fn server_rules(config: &Config, max_conn: u32) -> ServerRules {
    let server = &config.server;
    ServerRules {
        max_conn,
        read_timeout: server.read_timeout,
        write_timeout: server.write_timeout,
        idle_timeout: server.idle_timeout,
        limits: speedmimi_http1::Limits {
            request_line: server.limits.request_line,
            header_field: server.limits.header_field,
            header_count: server.limits.header_count,
        },
        body_limit: server.limits.body,
        real_ip_header: server.real_ip_header.as_deref().map(Into::into),
        trusted: server.trusted_proxies.clone(),
        keep_half_closed: server.half_close == HalfClose::Keep,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use speedmimi_model::{Backend, HostPattern, PathMatch};

    use super::*;

    fn upstream(ids: &[&str]) -> Upstream {
        let backends =
            ids.iter().map(|id| Backend { id: (*id).into(), ..Backend::new("10.0.0.1", 80) }).map(Arc::new).collect();
        Upstream { backends, ..Upstream::default() }
    }

    fn config(upstreams: &[&str]) -> Config {
        let upstreams = upstreams.iter().map(|name| ((*name).into(), upstream(&["a", "b"]))).collect();
        Config { upstreams, ..Config::default() }
    }

    fn compile(config: &Config, live: &Live) -> Snapshot {
        let address: Arc<[SocketAddr]> = ["10.0.0.1:80".parse().expect("an address")].into();
        Snapshot::compile(config, 7, live, &[(("10.0.0.1".into(), 80), address)].into_iter().collect(), 99)
    }

    #[test]
    fn without_routes_everything_goes_to_default_or_the_only_upstream() {
        let live = Live::new(1);
        for (upstreams, expected) in
            [(vec!["web"], Some("web")), (vec!["a", "default"], Some("default")), (vec!["a", "b"], None)]
        {
            let snapshot = compile(&config(&upstreams), &live);
            let found = snapshot.table.find(b"any.host", b"/any").map(|index| snapshot.routes[index].upstream);
            assert_eq!(found.map(|index| &*snapshot.upstreams[index].name), expected, "{upstreams:?}");
        }
    }

    #[test]
    fn state_outlives_the_snapshot() {
        let live = Live::new(1);
        let config = config(&["default"]);
        let (one, two) = (compile(&config, &live), compile(&config, &live));
        let uid = |snapshot: &Snapshot| snapshot.upstreams[0].backends[1].state.uid;
        assert_eq!(uid(&one), uid(&two));
        assert!(Arc::ptr_eq(&one.routes[0].state, &two.routes[0].state));
        assert_eq!((one.revision, one.server.max_conn), (7, 99));
    }

    #[test]
    fn a_backend_whose_name_is_not_resolved_has_no_address() {
        let mut config = config(&["default"]);
        let group = config.upstreams.get_mut("default").expect("there");
        Arc::make_mut(&mut group.backends[1]).host = "unknown.example".into();
        let snapshot = compile(&config, &Live::new(1));
        let counts: Vec<_> = snapshot.upstreams[0].backends.iter().map(|backend| backend.addresses.len()).collect();
        assert_eq!(counts, [1, 0]);
    }

    #[test]
    fn each_algorithm_stands_once_and_protocols_choose_theirs() {
        let mut config = config(&["default"]);
        let route = |path: &str, websocket| Route {
            hosts: vec![HostPattern::Exact("h".into())],
            path: PathMatch::Prefix(path.into()),
            upstream: "default".into(),
            load_balancer: Some(Algorithm::RoundRobin),
            protocols: Protocols { websocket, sse: None },
            timeouts: TimeoutsPatch::default(),
            headers: speedmimi_model::HeaderEdits::default(),
        };
        config.routes = BTreeMap::from([
            ("one".into(), route("/", Some(Algorithm::LeastConnections))),
            ("two".into(), route("/two", None)),
        ]);
        let snapshot = compile(&config, &Live::new(1));
        assert_eq!(snapshot.upstreams[0].algorithms, [Algorithm::RoundRobin, Algorithm::LeastConnections]);
        assert_eq!(snapshot.routes[0].pickers, ByProtocol { http: 0, websocket: 1, sse: 0 });
        assert_eq!(snapshot.routes[1].pickers, ByProtocol { http: 0, websocket: 0, sse: 0 });
    }
}
