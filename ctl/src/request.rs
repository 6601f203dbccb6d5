//! From flags to messages: pure.

use std::time::Duration;

use prost_types::FieldMask;
use speedmimi_proto::v1::{
    AddBackendRequest, Backend, HealthCheck, Labels, MutationOptions, Performance, ReportPerformanceRequest,
    Scheme as WireScheme, UpdateBackendRequest,
};

use crate::args::{Fields, Mutation, ReportArguments, Resettable, Scheme, UpdateArguments};
use crate::failure::Failure;
use crate::name::BackendName;

/// How a change is to be made; nothing when nothing was said.
pub(crate) fn options(mutation: &Mutation) -> Option<MutationOptions> {
    (*mutation != Mutation::default()).then(|| MutationOptions {
        validate_only: mutation.dry_run,
        expected_revision: mutation.expected_revision,
        request_id: mutation.request_id.clone().unwrap_or_default(),
    })
}

/// A new backend; an empty id leaves naming it to the proxy.
pub(crate) fn add(upstream: String, id: String, fields: &Fields, mutation: &Mutation) -> AddBackendRequest {
    let backend = Backend { health_check: check(fields, None), ..backend(id, fields) };
    AddBackendRequest { upstream, backend: Some(backend), options: options(mutation) }
}

/// The fields that were given and no others. `current` is the backend's own check, of which parts may be kept; it and
/// `revision` matter only if [`Fields::touches_check`]: what is built from a look back must not meet another state.
pub(crate) fn update(
    name: BackendName,
    arguments: &UpdateArguments,
    current: Option<HealthCheck>,
    revision: Option<u64>,
) -> Result<UpdateBackendRequest, Failure> {
    let fields = &arguments.fields;
    let backend = Backend { health_check: check(fields, current), ..backend(name.id, fields) };
    let mut paths: Vec<String> = given(&backend).into_iter().map(str::to_owned).collect();
    for field in &arguments.reset {
        let path = field.path().to_owned();
        if paths.contains(&path) {
            return Err(Failure::usage(format!("{path} is given twice: as a value or a --reset"), "keep one of them"));
        }
        paths.push(path);
    }
    if paths.is_empty() {
        return Err(Failure::usage("nothing to change", "name a field, as in --max-conn 200"));
    }
    let mut options = options(&arguments.mutation);
    if let Some(revision) = revision.filter(|_| fields.touches_check()) {
        options.get_or_insert_default().expected_revision.get_or_insert(revision);
    }
    Ok(UpdateBackendRequest {
        upstream: name.upstream,
        backend: Some(backend),
        update_mask: Some(FieldMask { paths }),
        options,
    })
}

/// What was measured.
pub(crate) fn report(name: BackendName, arguments: &ReportArguments) -> Result<ReportPerformanceRequest, Failure> {
    let performance = Performance {
        cpu_usage: arguments.cpu_usage,
        memory_usage: arguments.memory_usage,
        load_avg_1: arguments.load_avg_1,
        load_avg_5: arguments.load_avg_5,
        load_avg_15: arguments.load_avg_15,
        cpu_count: arguments.cpu_count,
        queue_depth: arguments.queue_depth,
        free_slots: arguments.free_slots,
        custom: arguments.custom.iter().cloned().collect(),
    };
    if performance == Performance::default() {
        return Err(Failure::usage("nothing to report", "give what was measured, as in --cpu-usage 40"));
    }
    Ok(ReportPerformanceRequest {
        upstream: name.upstream,
        backend_id: name.id,
        performance: Some(performance),
        source: arguments.source.clone(),
        epoch: arguments.epoch,
        sequence: arguments.sequence,
        ttl: arguments.ttl.map(wire),
    })
}

impl Fields {
    /// A part of the health check was given.
    pub(crate) fn touches_check(&self) -> bool {
        self.health_path.is_some() || self.health_interval.is_some()
    }
}

impl Resettable {
    /// As a field mask names it.
    fn path(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Host => "host",
            Self::Port => "port",
            Self::Weight => "weight",
            Self::Scheme => "scheme",
            Self::Active => "active",
            Self::MaxConn => "max_conn",
            Self::Labels => "labels",
            Self::HealthCheck => "health_check",
        }
    }
}

/// Everything but the health check.
fn backend(id: String, fields: &Fields) -> Backend {
    Backend {
        id,
        name: fields.name.clone(),
        host: fields.host.clone(),
        port: fields.port,
        weight: fields.weight,
        scheme: fields.scheme.map(|Scheme::Http| WireScheme::Http.into()),
        active: fields.active,
        max_conn: fields.max_conn,
        backup: None,
        labels: (!fields.labels.is_empty()).then(|| Labels { entries: fields.labels.iter().cloned().collect() }),
        health_check: None,
    }
}

/// The check with the parts that were given; none when no part was.
fn check(fields: &Fields, current: Option<HealthCheck>) -> Option<HealthCheck> {
    if !fields.touches_check() {
        return None;
    }
    let mut check = current.unwrap_or_default();
    if let Some(path) = &fields.health_path {
        check.path.clone_from(path);
    }
    if let Some(interval) = fields.health_interval {
        check.interval = Some(wire(interval));
    }
    Some(check)
}

/// Names of the fields that are set, as a field mask has them.
fn given(backend: &Backend) -> Vec<&'static str> {
    [
        ("name", backend.name.is_some()),
        ("host", backend.host.is_some()),
        ("port", backend.port.is_some()),
        ("weight", backend.weight.is_some()),
        ("scheme", backend.scheme.is_some()),
        ("active", backend.active.is_some()),
        ("max_conn", backend.max_conn.is_some()),
        ("labels", backend.labels.is_some()),
        ("health_check", backend.health_check.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect()
}

fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("a duration from the command line is at most a year")
}
