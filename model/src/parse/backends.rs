//! `backends` and `upstreams`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{check, later};
use crate::config::{Backend, Pool, TimeoutsPatch, Upstream, default_id};
use crate::read::{At, Section};
use crate::rules;
use crate::tree::Value;

pub(super) fn upstreams(at: At<'_>, upstreams: &mut BTreeMap<String, Upstream>) {
    at.named("upstreams", &mut |name, place, at| match rules::name(name) {
        Ok(name) => drop(upstreams.insert(name, upstream(at))),
        Err(message) => at.sink.add(at.path, place, message),
    });
}

pub(super) fn upstream(at: At<'_>) -> Upstream {
    let mut section = Section::open(at);
    let mut upstream = Upstream {
        load_balancer: section.read("load_balancer", |at| at.rule("an algorithm", rules::algorithm)),
        ..Upstream::default()
    };
    section.set("timeouts", &mut upstream.timeouts, |at| Some(timeouts(at)));
    section.set("pool", &mut upstream.pool, |at| Some(pool(at)));
    upstream.health_check = section.read("health_check", check::read);
    section.later(later::UPSTREAM);
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
            "off" | "false" => Some(None),
            _ => at.rule("", |text| rules::duration(text).map_err(|told| format!("{told}; or off"))).map(Some),
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

/// A policy without backends is a misspelt name far more often than a group that waits for its first backend: that is
/// said by an empty list.
pub(super) fn every_policy_has_backends(upstreams: At<'_>, backends: Option<At<'_>>) {
    let keys = |at: &At<'_>| match &at.node.value {
        Value::Mapping(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
        _ => Vec::new(),
    };
    let known = backends.as_ref().map(keys).unwrap_or_default();
    let names: Vec<&str> = known.iter().map(|key| key.text.as_str()).collect();
    for key in keys(&upstreams).iter().filter(|key| !names.contains(&key.text.as_str())) {
        let told = rules::unknown("upstream", &key.text, &names);
        let path = format!("{}.{}", upstreams.path, key.text);
        upstreams.sink.add(
            &path,
            key.place,
            format!("{told}; a group that is empty at first is an empty list in backends"),
        );
    }
}

pub(super) fn backends(at: At<'_>, upstreams: &mut BTreeMap<String, Upstream>) {
    at.named("upstreams", &mut |name, place, at| {
        if let Err(message) = rules::name(name) {
            at.sink.add(at.path, place, message);
        }
        let group = upstreams.entry(name.to_owned()).or_default();
        let mut ids = HashSet::new();
        at.list(&mut |at| group.backends.push(Arc::new(backend(at, name, &mut ids, group.health_check.is_some()))));
    });
}

/// Reads a backend. What is missing or wrong has a placeholder here and a fault, which keeps it from being used.
pub(super) fn backend(at: At<'_>, upstream: &str, ids: &mut HashSet<String>, group_checks: bool) -> Backend {
    let mut section = Section::open(at);
    let id = section.read("id", |at| at.rule("a name", rules::name));
    let host = section.read("host", |at| at.rule("an address", rules::host));
    let port = section.read("port", |at| at.integer(1..=65535).map(|port| port as u16));
    let readable = matches!(at.node.value, Value::Mapping(_) | Value::Null);
    for (key, wanted) in [("host", "an address or a name"), ("port", "1..65535")] {
        if readable && !section.has(key) {
            section.fault(key, format!("a backend needs a {key}: {wanted}"));
        }
    }
    let known = id.is_some() || !section.has("id") && host.is_some() && port.is_some();
    let mut backend = Backend::new(host.as_deref().unwrap_or("0.0.0.0"), port.unwrap_or(1));
    backend.id = id.unwrap_or_else(|| default_id(&backend.host, backend.port));
    if known && !ids.insert(backend.id.clone()) {
        section.fault(
            "id",
            format!("the id {:?} stands twice in upstream {upstream:?}; give each its own id", backend.id),
        );
    }
    backend.name = section.read("name", |at| at.rule("a name", rules::title));
    section.set("weight", &mut backend.weight, |at| at.integer(1..=1000).map(|weight| weight as u32));
    section.set("scheme", &mut backend.scheme, |at| at.rule("a scheme", rules::scheme));
    section.set("active", &mut backend.active, |at| at.boolean());
    section.set("max_conn", &mut backend.max_conn, |at| {
        at.amount(i64::from(i32::MIN)..=i64::from(i32::MAX), "slots, 0 or less for no limit")
            .map(|number| number as i32)
    });
    section.visit("labels", |at| {
        at.named("labels", &mut |key, place, at| {
            let key = rules::label_name(key).map_err(|message| at.sink.add(at.path, place, message));
            if let (Ok(key), Some(text)) = (key, at.rule("a word", rules::label)) {
                backend.labels.insert(key, text);
            }
        });
    });
    backend.health_check = section.read("health_check", |at| {
        let check = check::read(at);
        if group_checks && check::is_off(at) {
            at.fault("one backend cannot be taken out of the check of its upstream: give each backend its own instead");
        }
        check
    });
    section.later(later::BACKEND);
    section.finish();
    backend
}
