//! An upstream as the API shows it.

use speedmimi_model::{Kind, Object, Timeouts, TimeoutsPatch, Upstream};
use speedmimi_proto::v1;
use tonic::Status;

use super::{duration, health_check, load_balancer};
use crate::admin::status;
use crate::control::{Control, Store};
use crate::live::{BackendRef, Health, Live};

/// Finds an upstream of a store, or says what there is.
pub(in crate::admin) fn find<'a>(store: &'a Store, name: &str) -> Result<&'a Upstream, Status> {
    let upstreams = &store.config().upstreams;
    upstreams.get(name).ok_or_else(|| status::not_found(Kind::Upstream, name, upstreams.keys().cloned().collect()))
}

/// The entry of an upstream of a store.
pub(in crate::admin) fn entry(control: &Control, store: &Store, name: &str, upstream: &Upstream) -> v1::UpstreamEntry {
    v1::UpstreamEntry {
        upstream: Some(configured(name, upstream)),
        status: Some(observed(control.live(), store, name, upstream)),
    }
}

/// The entry of the upstream of this name.
pub(in crate::admin) fn named(control: &Control, store: &Store, name: &str) -> Result<v1::UpstreamEntry, Status> {
    Ok(entry(control, store, name, find(store, name)?))
}

/// What is in force, defaults included.
fn configured(name: &str, upstream: &Upstream) -> v1::Upstream {
    let Timeouts { connect, first_byte, idle, total } =
        Timeouts::resolve(&upstream.timeouts, &TimeoutsPatch::default());
    v1::Upstream {
        name: name.to_owned(),
        load_balancer: Some(load_balancer(upstream.load_balancer.unwrap_or_default())),
        timeouts: Some(v1::Timeouts {
            connect: Some(duration(connect)),
            first_byte: Some(duration(first_byte)),
            idle: Some(duration(idle)),
            total: Some(duration(total.unwrap_or_default())),
        }),
        pool: Some(v1::Pool {
            max_idle: Some(upstream.pool.max_idle),
            idle_timeout: Some(duration(upstream.pool.idle_timeout)),
            max_requests: Some(upstream.pool.max_requests),
        }),
        health_check: upstream.health_check.as_ref().map(health_check),
    }
}

fn observed(live: &Live, store: &Store, name: &str, upstream: &Upstream) -> v1::UpstreamStatus {
    let states = states(live, name, upstream);
    let routes = store.config().routes.iter().filter(|(_, route)| route.upstream == name);
    v1::UpstreamStatus {
        backends: count(upstream.backends.len()),
        available: available(live, &states),
        in_flight: in_flight(&states),
        revision: store.revision_of(&Object::Upstream(name.to_owned())),
        routes: routes.map(|(route, _)| route.clone()).collect(),
    }
}

/// What is observed of the backends of an upstream.
pub(in crate::admin) fn states(live: &Live, name: &str, upstream: &Upstream) -> Vec<BackendRef> {
    upstream.backends.iter().filter_map(|backend| live.find_backend(name, &backend.id)).collect()
}

/// How many of them could take an exchange now.
pub(in crate::admin) fn available(live: &Live, states: &[BackendRef]) -> u32 {
    let now = live.origin.elapsed().as_millis() as u64;
    let usable =
        |state: &&BackendRef| state.slots.has_room() && state.health() == Health::Up && !state.passive.is_ejected(now);
    count(states.iter().filter(usable).count())
}

/// Slots taken on all of them.
pub(in crate::admin) fn in_flight(states: &[BackendRef]) -> u32 {
    states.iter().map(|state| state.slots.in_flight()).fold(0, u32::saturating_add)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
