//! `backends` and `upstreams`.

use std::collections::BTreeMap;

use super::check;
use crate::config::{Backend, Pool, TimeoutsPatch, Upstream, default_id};
use crate::read::{At, Idle, Section};
use crate::rules;

const QUEUE: &[(&str, Idle)] = &[("size", Idle::Is(&["0"])), ("timeout", Idle::Any), ("fair_by", Idle::Is(&["none"]))];
const PERFORMANCE: &[(&str, Idle)] = &[
    ("ttl", Idle::Is(&["30s"])),
    ("blackout", Idle::Is(&["10s"])),
    ("influence", Idle::Is(&["1", "1.0"])),
    ("mem_per_stream", Idle::Is(&["0"])),
];

pub(super) fn upstreams(at: At<'_>, upstreams: &mut BTreeMap<String, Upstream>) {
    at.named("upstreams", &mut |name, place, at| match rules::name(name) {
        Ok(name) => drop(upstreams.insert(name, upstream(at))),
        Err(message) => at.sink.add(at.path, place, message),
    });
}

fn upstream(at: At<'_>) -> Upstream {
    let mut section = Section::open(at);
    let mut upstream = Upstream {
        load_balancer: section.read("load_balancer", |at| at.rule("an algorithm", rules::algorithm)),
        ..Upstream::default()
    };
    section.later("hash_on", &Idle::Is(&["ip"]));
    section.set("timeouts", &mut upstream.timeouts, |at| Some(timeouts(at)));
    section.set("pool", &mut upstream.pool, |at| Some(pool(at)));
    upstream.health_check = section.read("health_check", check::read);
    section.later("queue", &Idle::Keys(QUEUE));
    for key in ["retry", "circuit_breaker", "affinity", "tls", "discovery"] {
        section.later(key, &Idle::Nothing);
    }
    section.later("slow_start", &Idle::Is(&["0s"]));
    section.later("send_proxy_protocol", &Idle::Is(&["off", "false"]));
    section.later("performance", &Idle::Keys(PERFORMANCE));
    section.finish();
    upstream
}

pub(super) fn timeouts(at: At<'_>) -> TimeoutsPatch {
    let mut section = Section::open(at);
    let timeouts = TimeoutsPatch {
        connect: section.read("connect", |at| at.duration()),
        first_byte: section.read("first_byte", |at| at.duration()),
        idle: section.read("idle", |at| at.duration()),
        total: section.read("total", |at| match at.text("a duration or off")? {
            "off" => Some(None),
            _ => at.duration().map(Some),
        }),
    };
    section.finish();
    timeouts
}

fn pool(at: At<'_>) -> Pool {
    let mut section = Section::open(at);
    let mut pool = Pool::default();
    section.set("max_idle", &mut pool.max_idle, |at| at.integer(0..=1_000_000).map(|number| number as u32));
    section.set("idle_timeout", &mut pool.idle_timeout, |at| at.duration());
    section.set("max_requests", &mut pool.max_requests, |at| at.integer(0..=i64::from(u32::MAX)).map(|n| n as u32));
    section.finish();
    pool
}

pub(super) fn backends(at: At<'_>, upstreams: &mut BTreeMap<String, Upstream>) {
    at.named("upstreams", &mut |name, place, at| {
        if let Err(message) = rules::name(name) {
            at.sink.add(at.path, place, message);
        }
        let group = &mut upstreams.entry(name.to_owned()).or_default().backends;
        at.list(&mut |at| {
            if let Some(backend) = backend(at) {
                if group.iter().any(|known| known.id == backend.id) {
                    at.fault(format!(
                        "the id {:?} stands twice in upstream {name:?}; give each its own id",
                        backend.id
                    ));
                } else {
                    group.push(backend);
                }
            }
        });
    });
}

fn backend(at: At<'_>) -> Option<Backend> {
    let mut section = Section::open(at);
    let id = section.read("id", |at| at.rule("a name", rules::name));
    let host = section.read("host", |at| at.rule("an address", rules::host));
    let port = section.read("port", |at| at.integer(1..=65535).map(|port| port as u16));
    for (key, wanted) in [("host", "an address or a name"), ("port", "1..65535")] {
        if !section.has(key) {
            section.fault(key, format!("a backend needs a {key}: {wanted}"));
        }
    }
    // Placeholders keep the reading going; the faults above keep them from being used.
    let mut backend = Backend::new(host.as_deref().unwrap_or("0.0.0.0"), port.unwrap_or(1));
    backend.id = id.unwrap_or_else(|| default_id(&backend.host, backend.port));
    backend.name = section.read("name", |at| at.text("a name").map(str::to_owned));
    section.set("weight", &mut backend.weight, |at| at.integer(1..=1000).map(|weight| weight as u32));
    section.set("scheme", &mut backend.scheme, |at| at.rule("a scheme", rules::scheme));
    section.set("active", &mut backend.active, |at| at.boolean());
    section.set("max_conn", &mut backend.max_conn, |at| {
        at.integer(i64::from(i32::MIN)..=i64::from(i32::MAX)).map(|number| number as i32)
    });
    section.later("backup", &Idle::Is(&["false"]));
    section.visit("labels", |at| {
        at.named("labels", &mut |key, _, at| {
            if let Some(text) = at.text("a word") {
                backend.labels.insert(key.to_owned(), text.to_owned());
            }
        });
    });
    backend.health_check = section.read("health_check", check::read);
    section.finish();
    (host.is_some() && port.is_some()).then_some(backend)
}
