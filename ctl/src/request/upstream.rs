//! Changes of upstreams.

use speedmimi_proto::v1::{AddUpstreamRequest, HealthCheck, Pool, UpdateUpstreamRequest, Upstream};

use super::{given_timeouts, mask, options, options_at, timeouts, wire};
use crate::args::{Mutation, UpdateUpstreamArguments, UpstreamFields};
use crate::failure::Failure;

/// A new upstream.
pub(crate) fn add(name: String, fields: &UpstreamFields, mutation: &Mutation) -> AddUpstreamRequest {
    AddUpstreamRequest { upstream: Some(upstream(name, fields, None)), options: options(mutation) }
}

/// The fields that were given and no others. `current` is the upstream's check, of which parts may be kept.
pub(crate) fn update(
    arguments: &UpdateUpstreamArguments,
    current: Option<HealthCheck>,
    revision: Option<u64>,
) -> Result<UpdateUpstreamRequest, Failure> {
    let UpdateUpstreamArguments { upstream: name, fields, reset, mutation } = arguments;
    let [connect, first_byte, idle, total] = given_timeouts(&fields.timeouts);
    let given = [
        ("load_balancer", fields.load_balancer.is_some()),
        connect,
        first_byte,
        idle,
        total,
        ("pool.max_idle", fields.pool_max_idle.is_some()),
        ("pool.idle_timeout", fields.pool_idle_timeout.is_some()),
        ("pool.max_requests", fields.pool_max_requests.is_some()),
        ("health_check", fields.check.is_given()),
    ];
    Ok(UpdateUpstreamRequest {
        upstream: Some(upstream(name.clone(), fields, current)),
        update_mask: Some(mask(&given, reset.iter().map(String::as_str), "--connect-timeout 2s")?),
        options: options_at(mutation, revision.filter(|_| fields.check.is_given())),
    })
}

fn upstream(name: String, fields: &UpstreamFields, current: Option<HealthCheck>) -> Upstream {
    let pool = Pool {
        max_idle: fields.pool_max_idle,
        idle_timeout: fields.pool_idle_timeout.map(wire),
        max_requests: fields.pool_max_requests,
    };
    Upstream {
        name,
        load_balancer: fields.load_balancer.map(Into::into),
        timeouts: timeouts(&fields.timeouts),
        pool: (pool != Pool::default()).then_some(pool),
        health_check: fields.check.over(current),
    }
}
