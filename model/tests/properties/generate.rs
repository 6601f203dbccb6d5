//! Configurations and changes, all valid but for those that say otherwise.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use speedmimi_model::{
    AccessFormat, AccessLog, Algorithm, Auth, AuthClient, Backend, Config, Conflict, HalfClose, HeaderEdits, HeaderOps,
    HealthCheck, HealthCheckKind, HostPattern, Level, Log, LogFormat, Management, ManagementTls, PathMatch, Pool,
    Protocols, Role, Route, Server, ServerLimits, State, TimeoutsPatch, Upstream,
};

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    const YEAR: u64 = 366 * 24 * 3600;
    prop_oneof![1u64..=YEAR * 1000, (1..=YEAR).prop_map(|s| s * 1000), 1u64..5000].prop_map(Duration::from_millis)
}

pub(crate) fn algorithm() -> impl Strategy<Value = Algorithm> {
    select(Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available()).collect::<Vec<_>>())
}

/// What a name may be, words that YAML knows included.
fn name() -> impl Strategy<Value = String> {
    let hard =
        select(vec!["null", "~", "true", "off", "1", "0x1", "1e3", "-", "[", "{a", "a:", "#", "*a", "&a", "!a", "<<"]);
    prop_oneof![3 => "[a-z][a-z0-9_.-]{0,8}", 1 => "[!#-+.0-9:-~-]{1,12}", 1 => hard.prop_map(str::to_owned)]
}

/// Any text, and texts that YAML has opinions about.
fn text() -> impl Strategy<Value = String> {
    let hard =
        select(vec!["", "null", "~", "yes", " a ", "a: b", "- a", "a\nb", "'", "\"", "\t", "\u{feff}", "1_0", "\r\n"]);
    prop_oneof![2 => any::<String>(), 1 => hard.prop_map(str::to_owned)]
}

pub(crate) fn host() -> impl Strategy<Value = String> {
    let long = "[a-z]{63}\\.[a-z]{63}\\.[a-z]{63}\\.[a-z]{61}";
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(|address| address.to_string()),
        "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5}){0,2}",
        long,
    ]
}

pub(crate) fn path() -> impl Strategy<Value = String> {
    "(/[a-zA-Z0-9_~!$&'()*+,;=:@-]{1,6}){0,3}/?".prop_map(|path| if path.is_empty() { "/".into() } else { path })
}

pub(crate) fn health_check() -> impl Strategy<Value = HealthCheck> {
    let status = (100u16..=599, 100u16..=599).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let statuses = vec(prop_oneof![status, (100u16..=599).prop_map(|one| one.to_string())], 1..4);
    let kind = select(vec![HealthCheckKind::Http, HealthCheckKind::Tcp]);
    (kind, path(), statuses, duration(), duration(), 1u32..=1000, 1u32..=1000).prop_map(
        |(kind, path, statuses, interval, timeout, failures, successes)| {
            let expect_status = statuses.join(",").parse().expect("ranges within 100..599");
            HealthCheck { kind, path, expect_status, interval, timeout, failures, successes }
        },
    )
}

pub(crate) fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(plain().prop_filter("a name", |name| !name.is_empty()), plain(), 0..3)
}

pub(crate) fn backend() -> impl Strategy<Value = Backend> {
    let whole = (option::of(name()), option::of(plain()), host(), 1u16.., 1u32..=1000);
    let rest = (any::<bool>(), any::<i32>(), labels(), option::of(health_check()));
    (whole, rest).prop_map(|((id, name, host, port, weight), (active, max_conn, labels, health_check))| {
        let default = Backend::new(&host, port);
        let id = id.unwrap_or_else(|| default.id.clone());
        Backend { id, name, weight, active, max_conn, labels, health_check, ..default }
    })
}

pub(crate) fn timeouts() -> impl Strategy<Value = TimeoutsPatch> {
    let one = || option::of(duration());
    (one(), one(), one(), option::of(one())).prop_map(|(connect, first_byte, idle, total)| TimeoutsPatch {
        connect,
        first_byte,
        idle,
        total,
    })
}

pub(crate) fn upstream() -> impl Strategy<Value = Upstream> {
    let pool = (0u32..=1_000_000, duration(), any::<u32>()).prop_map(|(max_idle, idle_timeout, max_requests)| Pool {
        max_idle,
        idle_timeout,
        max_requests,
    });
    let backends = vec(backend(), 0..4).prop_map(|mut backends| {
        let mut ids = std::collections::HashSet::new();
        backends.retain(|backend| ids.insert(backend.id.clone()));
        backends.into_iter().map(Arc::new).collect()
    });
    (option::of(algorithm()), timeouts(), pool, option::of(health_check()), backends).prop_map(
        |(load_balancer, timeouts, pool, health_check, backends)| Upstream {
            load_balancer,
            timeouts,
            pool,
            health_check,
            backends,
        },
    )
}

pub(crate) fn header_ops() -> impl Strategy<Value = HeaderOps> {
    let fields = || btree_map("x-[a-z]{1,6}", "([!-~]([ -~]{0,8}[!-~])?)?", 0..3);
    (fields(), fields(), vec("x-[a-z]{1,6}", 0..2)).prop_map(|(set, add, remove)| HeaderOps {
        set: set.into_iter().collect(),
        add: add.into_iter().collect(),
        remove,
    })
}

/// A route without its upstream; the index makes its path its own.
pub(crate) fn route() -> impl Strategy<Value = Route> {
    let exact = "[a-z]{1,6}(\\.[a-z]{2,4}){0,2}".prop_map(HostPattern::Exact);
    let wild = "[a-z]{1,6}\\.[a-z]{2,4}".prop_map(HostPattern::Wildcard);
    let hosts = vec(prop_oneof![exact, wild], 0..3);
    let protocols =
        (option::of(algorithm()), option::of(algorithm())).prop_map(|(websocket, sse)| Protocols { websocket, sse });
    let headers = (header_ops(), header_ops()).prop_map(|(request, response)| HeaderEdits { request, response });
    (hosts, any::<bool>(), path(), option::of(algorithm()), protocols, timeouts(), headers).prop_map(
        |(hosts, exact, path, load_balancer, protocols, timeouts, headers)| Route {
            hosts,
            path: if exact { PathMatch::Exact(path) } else { PathMatch::Prefix(path) },
            upstream: String::new(),
            load_balancer,
            protocols,
            timeouts,
            headers,
        },
    )
}

pub(crate) fn server() -> impl Strategy<Value = Server> {
    let address = (host(), any::<u16>(), option::of(1usize..=1024), 1u32..=10_000_000);
    let clocks = (duration(), duration(), duration(), duration());
    let network = (any::<std::net::IpAddr>(), 0u8..=128).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        ipnet::IpNet::new(address, length.min(most)).expect("a length that fits")
    });
    let limits = (64usize..=65_536, 64usize..=65_536, 1usize..=1000, any::<u64>()).prop_map(
        |(request_line, header_field, header_count, body)| ServerLimits {
            request_line,
            header_field,
            header_count,
            body,
        },
    );
    let half_close = select(vec![HalfClose::Cancel, HalfClose::Keep]);
    (address, clocks, option::of("x-[a-z]{1,9}"), vec(network, 0..3), limits, half_close).prop_map(
        |((host, port, workers, max_conn), clocks, real_ip_header, trusted_proxies, limits, half_close)| Server {
            host,
            port,
            workers: workers.and_then(NonZeroUsize::new),
            max_conn,
            read_timeout: clocks.0,
            write_timeout: clocks.1,
            idle_timeout: clocks.2,
            graceful_timeout: clocks.3,
            real_ip_header,
            trusted_proxies,
            limits,
            half_close,
        },
    )
}

fn management(unix: bool) -> impl Strategy<Value = Management> {
    let path = if unix { option::of("[a-z/]{1,8}").boxed() } else { Just(None).boxed() };
    let host = select(vec!["127.0.0.1", "::1", "localhost", "127.8.8.8"]);
    let protected = option::of((management_tls(), auth()));
    (any::<bool>(), host, any::<u16>(), path, protected).prop_map(|(enabled, host, port, unix, protected)| {
        let (mut tls, auth) = protected.unzip();
        // Clients and their authority need one another; a unix socket knows neither.
        let mut auth: Option<Auth> = auth;
        if unix.is_some() {
            tls = None;
            auth = auth.filter(|auth| auth.clients.is_empty());
        } else if let (Some(tls), Some(auth)) = (&mut tls, &auth) {
            tls.client_ca_file = (!auth.clients.is_empty()).then(|| "ca".into());
        }
        Management { enabled, host: host.into(), port, unix: unix.map(Into::into), tls, auth }
    })
}

fn management_tls() -> impl Strategy<Value = ManagementTls> {
    let path = || "[ -~]{1,8}".prop_map(PathBuf::from);
    (path(), path()).prop_map(|(cert_file, key_file)| ManagementTls { cert_file, key_file, client_ca_file: None })
}

fn auth() -> impl Strategy<Value = Auth> {
    let client = (select(Role::ALL.to_vec()), vec(name(), 0..3));
    let clients = btree_map("[!-~]{1,9}", client, 0..3).prop_map(|clients| {
        let client = |(san, (role, upstreams))| AuthClient { san, role, upstreams };
        clients.into_iter().map(client).collect::<Vec<_>>()
    });
    (option::of("[ -~]{1,8}".prop_map(PathBuf::from)), clients)
        .prop_filter("somebody may call", |(tokens, clients)| tokens.is_some() || !clients.is_empty())
        .prop_map(|(tokens_file, clients)| Auth { tokens_file, clients })
}

fn logs() -> impl Strategy<Value = (Log, Option<AccessLog>)> {
    let file = || option::of("[ -~]{1,8}".prop_map(Into::into));
    let level = select(vec![Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]);
    let format = option::of(select(vec![LogFormat::Text, LogFormat::Json]));
    let log = (level, format, file()).prop_map(|(level, format, file)| Log { level, format, file });
    let sample = prop_oneof![Just(1.0), 1e-9..1.0f64];
    let access = (file(), sample).prop_map(|(file, sample)| AccessLog { format: AccessFormat::Json, file, sample });
    (log, option::of(access))
}

pub(crate) fn config() -> impl Strategy<Value = Config> {
    let upstreams = btree_map(name(), upstream(), 1..4);
    let routes = btree_map(name(), (route(), any::<prop::sample::Index>()), 0..4);
    (server(), upstreams, routes, management(true), management(false), logs(), state()).prop_map(
        |(server, mut upstreams, routes, mut grpc, mut admin, (log, access_log), state)| {
            let names: Vec<String> = upstreams.keys().cloned().collect();
            let unlike = |(index, (name, (mut route, upstream))): (usize, (String, (Route, prop::sample::Index)))| {
                let (PathMatch::Prefix(path) | PathMatch::Exact(path)) = &mut route.path;
                *path = format!("/{index}{path}");
                route.upstream.clone_from(upstream.get(&names));
                (name, route)
            };
            let routes: BTreeMap<_, _> = routes.into_iter().enumerate().map(unlike).collect();
            if routes.is_empty() && upstreams.len() > 1 {
                let (_, upstream) = upstreams.pop_first().expect("there are several");
                upstreams.insert("default".into(), upstream);
            }
            // Clients may be limited to what there is.
            for auth in [&mut grpc.auth, &mut admin.auth].into_iter().flatten() {
                auth.clients.iter_mut().for_each(|client| {
                    let names = upstreams.keys().take(client.upstreams.len());
                    client.upstreams = names.cloned().collect();
                });
            }
            Config { server, upstreams, routes, grpc, admin, log, access_log, state, ..Config::default() }
        },
    )
}

/// A name or a label: any text without control characters.
fn plain() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.chars().filter(|c| !c.is_control()).take(70).collect())
}

fn state() -> impl Strategy<Value = State> {
    let dir = option::of("[a-z/]{1,8}".prop_map(Into::into));
    (dir, any::<bool>(), select(vec![Conflict::Overlay, Conflict::File])).prop_map(|(dir, persist, conflict)| State {
        dir,
        persist,
        conflict,
    })
}
