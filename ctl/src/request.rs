//! From flags to messages: pure.

use std::time::Duration;

use prost_types::FieldMask;
use speedmimi_proto::v1::{
    AddBackendRequest, Backend, HealthCheck, HealthCheckType, Labels, MutationOptions, Performance,
    ReportPerformanceRequest, Scheme as WireScheme, Timeouts, UpdateBackendRequest,
};

use crate::args::{
    CheckFields, CheckType, Fields, Mutation, ReportArguments, Resettable, Scheme, TimeoutFields, UpdateArguments,
};
use crate::failure::Failure;
use crate::name::BackendName;

pub(crate) mod route;
pub(crate) mod stream;
pub(crate) mod upstream;

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
    let backend = Backend { health_check: fields.check.over(None), ..backend(id, fields) };
    AddBackendRequest { upstream, backend: Some(backend), options: options(mutation) }
}

/// The fields that were given and no others. `current` is the backend's own check, of which parts may be kept; it and
/// `revision` matter only if [`CheckFields::is_given`]: what is built from a look back must not meet another state.
pub(crate) fn update(
    name: BackendName,
    arguments: &UpdateArguments,
    current: Option<HealthCheck>,
    revision: Option<u64>,
) -> Result<UpdateBackendRequest, Failure> {
    let fields = &arguments.fields;
    let backend = Backend { health_check: fields.check.over(current), ..backend(name.id, fields) };
    let update_mask = Some(mask(&given(&backend), arguments.reset.iter().map(|field| field.path()), "--max-conn 200")?);
    let options = options_at(&arguments.mutation, revision.filter(|_| fields.check.is_given()));
    Ok(UpdateBackendRequest { upstream: name.upstream, backend: Some(backend), update_mask, options })
}

/// Names of the fields that are set, and of those that go back to the file's value; `example` is how a field is named.
fn mask<'a>(
    fields: &[(&str, bool)],
    reset: impl IntoIterator<Item = &'a str>,
    example: &str,
) -> Result<FieldMask, Failure> {
    let mut paths: Vec<String> = fields.iter().filter(|(_, set)| *set).map(|(name, _)| (*name).to_owned()).collect();
    for field in reset {
        let overlaps = |path: &String| {
            let below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
            path == field || below(path, field) || below(field, path)
        };
        if paths.iter().any(overlaps) {
            return Err(Failure::usage(format!("{field} is given twice: as a value or a --reset"), "keep one of them"));
        }
        paths.push(field.to_owned());
    }
    if paths.is_empty() {
        return Err(Failure::usage("nothing to change", format!("name a field, as in {example}")));
    }
    Ok(FieldMask { paths })
}

/// How a change is to be made that was built from a look at this revision.
fn options_at(mutation: &Mutation, revision: Option<u64>) -> Option<MutationOptions> {
    let mut options = options(mutation);
    if let Some(revision) = revision {
        options.get_or_insert_default().expected_revision.get_or_insert(revision);
    }
    options
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

impl CheckFields {
    /// A part of the health check was given.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// The parts that are not given are to be kept.
    pub(crate) fn keeps_rest(&self) -> bool {
        self.is_given() && self.health_type != Some(CheckType::Off)
    }

    /// The check with the parts that were given; none when no part was. One that is off has no others.
    fn over(&self, current: Option<HealthCheck>) -> Option<HealthCheck> {
        if !self.is_given() {
            return None;
        }
        let mut check = current.filter(|_| self.keeps_rest()).unwrap_or_default();
        if let Some(kind) = self.health_type {
            check.r#type = match kind {
                CheckType::Http => HealthCheckType::Http,
                CheckType::Tcp => HealthCheckType::Tcp,
                CheckType::Off => HealthCheckType::Off,
            }
            .into();
        }
        if let Some(path) = &self.health_path {
            check.path.clone_from(path);
        }
        if let Some(interval) = self.health_interval {
            check.interval = Some(wire(interval));
        }
        Some(check)
    }
}

/// The clocks that were given; none when none was.
fn timeouts(fields: &TimeoutFields) -> Option<Timeouts> {
    (*fields != TimeoutFields::default()).then(|| Timeouts {
        connect: fields.connect_timeout.map(wire),
        first_byte: fields.first_byte_timeout.map(wire),
        idle: fields.idle_timeout.map(wire),
        total: fields.total_timeout.map(wire),
    })
}

/// Names of the clocks, and whether each was given.
fn given_timeouts(fields: &TimeoutFields) -> [(&'static str, bool); 4] {
    [
        ("timeouts.connect", fields.connect_timeout.is_some()),
        ("timeouts.first_byte", fields.first_byte_timeout.is_some()),
        ("timeouts.idle", fields.idle_timeout.is_some()),
        ("timeouts.total", fields.total_timeout.is_some()),
    ]
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

/// Fields of a backend, and whether each is set.
fn given(backend: &Backend) -> [(&'static str, bool); 9] {
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
}

fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("a duration from the command line is at most a year")
}
