//! `/metrics`: everything counted, in the text format of Prometheus.
//!
//! Names and labels are an interface: docs/operations.md lists them. Labels are names out of the configuration and
//! closed lists, never anything a client sends, so the size of the document is bounded by the configuration.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_utils::CachePadded;

use crate::live::{BackendRef, BackendState, Health, Live, RouteState};
use crate::reason::Reason;
use crate::telemetry::cells::{BackendCells, Cell, WorkerCells};
use crate::telemetry::histogram::{BUCKETS, Histogram};

mod text;

use text::{Kind, Text};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What the control thread knows and no counter holds.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Revision of the configuration in force.
    pub revision: u64,
    /// When the process started.
    pub started: SystemTime,
    /// Reloads that were applied.
    pub reloads_applied: u64,
    /// Reloads that were refused and changed nothing.
    pub reloads_refused: u64,
    /// Whether the proxy accepts traffic.
    pub ready: bool,
    /// Milliseconds on the clock that passive marking uses.
    pub now_ms: u64,
}

/// The document.
pub fn render(live: &Live, facts: &Facts) -> String {
    let mut text = Text::default();
    process(&mut text, facts);
    workers(&mut text, live.workers());
    let mut routes = live.routes();
    routes.sort_by(|a, b| a.name.cmp(&b.name));
    requests(&mut text, live, &routes);
    let mut backends = live.backends();
    backends.sort_by(|a, b| (&a.upstream, &a.id).cmp(&(&b.upstream, &b.id)));
    backend_states(&mut text, &backends, facts.now_ms);
    backend_counters(&mut text, &backends);
    backend_times(&mut text, &backends);
    text.finish()
}

fn process(text: &mut Text, facts: &Facts) {
    text.family("speedmimi_build_info", Kind::Gauge, "Always 1; the labels tell the version.");
    text.sample("speedmimi_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("speedmimi_start_time_seconds", Kind::Gauge, "When the process started, as Unix time.");
    let started = facts.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    text.sample("speedmimi_start_time_seconds", &[], started);
    text.family("speedmimi_ready", Kind::Gauge, "1 while traffic is accepted, 0 while starting or draining.");
    text.sample("speedmimi_ready", &[], u64::from(facts.ready));
    text.family("speedmimi_config_revision", Kind::Gauge, "Revision of the configuration in force.");
    text.sample("speedmimi_config_revision", &[], facts.revision);
    text.family("speedmimi_config_reloads_total", Kind::Counter, "Reloads of the configuration file, by result.");
    text.sample("speedmimi_config_reloads_total", &[("result", "applied")], facts.reloads_applied);
    text.sample("speedmimi_config_reloads_total", &[("result", "refused")], facts.reloads_refused);
}

type WorkerField = (&'static str, Kind, &'static str, fn(&WorkerCells) -> &Cell);

const WORKER_FIELDS: [WorkerField; 10] = [
    ("speedmimi_connections", Kind::Gauge, "Client connections open.", |cells| &cells.connections),
    ("speedmimi_connections_accepted_total", Kind::Counter, "Client connections accepted.", |cells| &cells.accepted),
    (
        "speedmimi_connections_handed_over_total",
        Kind::Counter,
        "Client connections handed to a less loaded worker.",
        |cells| &cells.handed_over,
    ),
    (
        "speedmimi_connections_evicted_total",
        Kind::Counter,
        "Client connections closed to make room for others.",
        |cells| &cells.evicted,
    ),
    ("speedmimi_client_requests_total", Kind::Counter, "Request heads read or refused.", |cells| &cells.requests),
    ("speedmimi_exchanges_in_flight", Kind::Gauge, "Exchanges going on.", |cells| &cells.active),
    ("speedmimi_retries_total", Kind::Counter, "Requests tried again on another backend.", |cells| &cells.retries),
    ("speedmimi_client_received_bytes_total", Kind::Counter, "Bytes read from clients.", |cells| {
        &cells.bytes_received
    }),
    ("speedmimi_client_sent_bytes_total", Kind::Counter, "Bytes written to clients.", |cells| &cells.bytes_sent),
    ("speedmimi_access_log_dropped_total", Kind::Counter, "Access log lines dropped: the writer was behind.", |cells| {
        &cells.log_dropped
    }),
];

fn workers(text: &mut Text, workers: &[CachePadded<WorkerCells>]) {
    for (name, kind, help, field) in WORKER_FIELDS {
        text.family(name, kind, help);
        for (index, cells) in workers.iter().enumerate() {
            text.sample(name, &[("worker", &index.to_string())], field(cells).get());
        }
    }
    let name = "speedmimi_worker_lag_seconds";
    text.family(name, Kind::Gauge, "How late the last timer tick of the event loop came.");
    for (index, cells) in workers.iter().enumerate() {
        text.seconds(name, &[("worker", &index.to_string())], cells.lag.get());
    }
}

fn requests(text: &mut Text, live: &Live, routes: &[Arc<RouteState>]) {
    text.family("speedmimi_requests_total", Kind::Counter, "Requests answered, by route and status class.");
    for route in routes {
        for (index, class) in CLASSES.into_iter().enumerate() {
            let count = route.cells.iter().map(|cells| cells.classes[index].get()).sum();
            text.sample("speedmimi_requests_total", &[("route", &route.name), ("code", class)], count);
        }
    }
    let name = "speedmimi_request_errors_total";
    text.family(name, Kind::Counter, "Requests that did not end as their client wished, by reason; no route: empty.");
    for (index, reason) in Reason::ALL.iter().enumerate() {
        let unrouted = live.workers().iter().map(|cells| cells.unrouted[index].get()).sum();
        let routed = routes.iter().map(|route| {
            let count = route.cells.iter().map(|cells| cells.reasons[index].get()).sum();
            (&*route.name, count)
        });
        for (route, count) in merged(unrouted, routed) {
            text.sample(name, &[("route", route), ("reason", reason.token())], count);
        }
    }
    let name = "speedmimi_request_duration_seconds";
    text.family(name, Kind::Histogram, "Request head read to end of the response.");
    for route in routes {
        let counts = summed(route.cells.iter().map(|cells| &cells.duration));
        text.histogram(name, &[("route", &route.name)], &counts);
    }
}

/// Counts above zero by route. The implicit route has the empty name, like requests that never had one.
fn merged<'a>(unrouted: u64, routed: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'a str, u64)> {
    let mut counts = vec![("", unrouted)];
    for (route, count) in routed {
        if route.is_empty() {
            counts[0].1 += count;
        } else {
            counts.push((route, count));
        }
    }
    counts.retain(|&(_, count)| count > 0);
    counts
}

type StateField = (&'static str, &'static str, fn(&BackendState, u64) -> u64);

const STATE_FIELDS: [StateField; 6] = [
    ("speedmimi_backend_slots_used", "Exchanges in flight on the backend.", |backend, _| {
        u64::from(backend.slots.in_flight())
    }),
    ("speedmimi_backend_slots_cap", "Exchanges allowed at once; 0 is no limit.", |backend, _| {
        u64::from(backend.slots.cap())
    }),
    ("speedmimi_backend_enabled", "1 while the backend may get new exchanges.", |backend, _| {
        u64::from(!backend.slots.is_closed())
    }),
    ("speedmimi_backend_up", "1 while health checks pass, or there are none.", |backend, _| {
        u64::from(backend.health() == Health::Up)
    }),
    ("speedmimi_backend_ejected", "1 while connect failures keep traffic away.", |backend, now_ms| {
        u64::from(backend.passive.is_ejected(now_ms))
    }),
    ("speedmimi_backend_idle_connections", "Pooled connections that wait for a request.", |backend, _| {
        backend.total(|cells| cells.idle.get())
    }),
];

fn backend_states(text: &mut Text, backends: &[BackendRef], now_ms: u64) {
    for (name, help, field) in STATE_FIELDS {
        text.family(name, Kind::Gauge, help);
        for backend in backends {
            text.sample(name, &labels(backend), field(backend, now_ms));
        }
    }
}

type CounterField = (&'static str, &'static str, fn(&BackendCells) -> &Cell);

const COUNTER_FIELDS: [CounterField; 9] = [
    ("speedmimi_backend_admitted_total", "Slots taken.", |cells| &cells.admitted),
    ("speedmimi_backend_finished_total", "Exchanges whose response was delivered whole.", |cells| &cells.finished),
    ("speedmimi_backend_failed_total", "Exchanges that the backend or the proxy broke.", |cells| &cells.failed),
    ("speedmimi_backend_cancelled_total", "Exchanges that the client or an operator ended.", |cells| {
        &cells.cancelled
    }),
    ("speedmimi_backend_connects_total", "Connections opened.", |cells| &cells.connects),
    ("speedmimi_backend_connect_failures_total", "Connection attempts that failed.", |cells| &cells.connect_failures),
    ("speedmimi_backend_reuses_total", "Exchanges that went over a pooled connection.", |cells| &cells.reuses),
    ("speedmimi_backend_sent_bytes_total", "Bytes sent to the backend.", |cells| &cells.bytes_sent),
    ("speedmimi_backend_received_bytes_total", "Bytes received from the backend.", |cells| &cells.bytes_received),
];

fn backend_counters(text: &mut Text, backends: &[BackendRef]) {
    for (name, help, field) in COUNTER_FIELDS {
        text.family(name, Kind::Counter, help);
        for backend in backends {
            text.sample(name, &labels(backend), backend.total(|cells| field(cells).get()));
        }
    }
    let name = "speedmimi_backend_responses_total";
    text.family(name, Kind::Counter, "Responses of the backend, by status class.");
    for backend in backends {
        let [upstream, id] = labels(backend);
        for (index, class) in CLASSES.into_iter().enumerate() {
            text.sample(name, &[upstream, id, ("code", class)], backend.total(|cells| cells.classes[index].get()));
        }
    }
}

fn backend_times(text: &mut Text, backends: &[BackendRef]) {
    type Times = (&'static str, &'static str, fn(&BackendCells) -> &Histogram);
    let families: [Times; 2] = [
        ("speedmimi_backend_duration_seconds", "Slot taken to slot released.", |cells| &cells.duration),
        ("speedmimi_backend_first_byte_seconds", "Request sent to first byte of the response.", |cells| {
            &cells.first_byte
        }),
    ];
    for (name, help, field) in families {
        text.family(name, Kind::Histogram, help);
        for backend in backends {
            let counts = summed(backend.cells.iter().map(|cells| field(cells)));
            text.histogram(name, &labels(backend), &counts);
        }
    }
}

fn labels(backend: &BackendState) -> [(&'static str, &str); 2] {
    [("upstream", &backend.upstream), ("backend", &backend.id)]
}

fn summed<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> [u32; BUCKETS] {
    let mut counts = [0; BUCKETS];
    for histogram in histograms {
        histogram.add_to(&mut counts);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_named_by_the_rules_and_appears_once() {
        let live = Live::new(2);
        live.route("web").cells[1].reasons[Reason::ConnectionLimit as usize].add(3);
        live.backend("default", "a", Health::Up).cells[0].admitted.add(5);
        let text = render(&live, &facts());
        let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.len() > 30);
        for name in &names {
            let (name, kind) = name.split_once(' ').expect("a name and a kind");
            assert!(name.starts_with("speedmimi_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
            assert_eq!(kind == "histogram", name.contains("duration") || name.contains("first_byte"), "{name}");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for line in [
            "speedmimi_backend_admitted_total{upstream=\"default\",backend=\"a\"} 5",
            "speedmimi_request_errors_total{route=\"web\",reason=\"connection_limit\"} 3",
            "speedmimi_config_reloads_total{result=\"refused\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn the_implicit_route_and_no_route_share_one_sample() {
        let live = Live::new(1);
        live.route("").cells[0].reasons[Reason::BadRequest as usize].add(1);
        live.workers()[0].unrouted[Reason::BadRequest as usize].add(2);
        let text = render(&live, &facts());
        let found: Vec<_> = text.lines().filter(|line| line.contains("bad_request")).collect();
        assert_eq!(found, ["speedmimi_request_errors_total{route=\"\",reason=\"bad_request\"} 3"]);
    }

    fn facts() -> Facts {
        Facts {
            revision: 4,
            started: UNIX_EPOCH,
            reloads_applied: 1,
            reloads_refused: 2,
            ready: true,
            now_ms: 0,
        }
    }
}
