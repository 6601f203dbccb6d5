//! `ReportPerformance`: checked whole, then kept.

use std::time::{Duration, Instant};

use speedmimi_model::Role;
use speedmimi_proto::v1;
use tonic::Status;

use super::status::Violations;
use super::{convert, entry};
use crate::control::reports::{CUSTOM, DEFAULT_TTL, Origin, Performance, Report, Taken};
use crate::control::{Caller, Control};

/// Longest name of a source or a custom figure, in bytes.
const NAME: usize = 128;
/// Bounds of `ttl`.
const TTL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];

/// Takes a report in. What is kept is given back to whoever said it, or may see it all the same: a report that comes too
/// late may be about figures that somebody else pushed under the same name.
pub(super) fn take(
    control: &Control,
    by: &Caller,
    request: v1::ReportPerformanceRequest,
) -> Result<v1::ReportPerformanceResponse, Status> {
    let v1::ReportPerformanceRequest { upstream, backend_id, performance, source, epoch, sequence, ttl } = request;
    let mut violations = Violations::default();
    let id = convert::needed("backend_id", &backend_id, &mut violations);
    if source.len() > NAME {
        violations.push("source", format!("is longer than {NAME} bytes"));
    }
    let performance = check(performance.unwrap_or_default(), &mut violations);
    let ttl = time_to_live(ttl, &mut violations);
    violations.check()?;
    let upstream = convert::upstream_name(&upstream);
    let view = control.view();
    entry::find(&view.store, upstream, id)?;
    let Some(state) = control.live().find_backend(upstream, id) else {
        return Err(Status::unavailable("the backend is being removed"));
    };
    let mut reports = control.reports().lock();
    let origin = Origin { source: source.clone(), epoch, sequence };
    let taken = reports.take(state.uid, Report { origin, performance, received: Instant::now(), ttl });
    if let Taken::TooMuch(names) = taken {
        return Err(too_many_figures(names));
    }
    let accepted = taken == Taken::Latest;
    let held = reports.of(state.uid).into_iter().find(|report| report.origin.source == source);
    let held = held.filter(|_| accepted || by.role.includes(Role::Read));
    Ok(v1::ReportPerformanceResponse { accepted, report: held.as_ref().map(entry::report) })
}

/// What a report leaves out stays as it was, so new names add up.
fn too_many_figures(names: usize) -> Status {
    let mut violations = Violations::default();
    let told = format!(
        "with these there would be {names} figures of this source, at most {CUSTOM} are kept; use the same names again, \
         or begin anew with a higher epoch"
    );
    violations.push("performance.custom", told);
    violations.check().expect_err("there is one")
}

fn check(given: v1::Performance, violations: &mut Violations) -> Performance {
    for (field, percent) in [("cpu_usage", given.cpu_usage), ("memory_usage", given.memory_usage)] {
        if let Some(percent) = percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
            violations.push(&format!("performance.{field}"), format!("{percent} is not within 0..100"));
        }
    }
    let load_avg = [given.load_avg_1, given.load_avg_5, given.load_avg_15];
    for (minutes, load) in [1, 5, 15].into_iter().zip(load_avg) {
        if let Some(load) = load.filter(|load| !load.is_finite() || *load < 0.0) {
            violations.push(&format!("performance.load_avg_{minutes}"), format!("{load} is not 0 or more"));
        }
    }
    if let Some(count) = given.cpu_count.filter(|count| !(1..=65536).contains(count)) {
        violations.push("performance.cpu_count", format!("{count} is not within 1..65536"));
    }
    if given.custom.len() > CUSTOM {
        violations.push("performance.custom", format!("has {} figures, at most {CUSTOM} are kept", given.custom.len()));
    }
    for (name, value) in &given.custom {
        if name.is_empty() || name.len() > NAME {
            violations.push("performance.custom", format!("a name is not within 1..{NAME} bytes"));
        }
        if !value.is_finite() {
            violations.push(&format!("performance.custom[{name:?}]"), format!("{value} is not a finite number"));
        }
    }
    Performance {
        cpu_usage: given.cpu_usage,
        memory_usage: given.memory_usage,
        load_avg,
        cpu_count: given.cpu_count,
        queue_depth: given.queue_depth,
        free_slots: given.free_slots,
        custom: given.custom.into_iter().collect(),
    }
}

fn time_to_live(given: Option<prost_types::Duration>, violations: &mut Violations) -> Duration {
    let Some(given) = given else { return DEFAULT_TTL };
    let [shortest, longest] = TTL;
    match convert::duration(given) {
        Ok(ttl) if (shortest..=longest).contains(&ttl) => ttl,
        Ok(_) | Err(_) => {
            violations.push("ttl", "is not within 1 s..1 h");
            DEFAULT_TTL
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn figures_that_cannot_be_are_all_named() {
        let given = v1::Performance {
            cpu_usage: Some(100.5),
            memory_usage: Some(f64::NAN),
            load_avg_5: Some(-1.0),
            load_avg_15: Some(f64::INFINITY),
            cpu_count: Some(0),
            custom: [("x".to_owned(), f64::NEG_INFINITY)].into(),
            ..v1::Performance::default()
        };
        let mut violations = Violations::default();
        check(given, &mut violations);
        time_to_live(Some(prost_types::Duration { seconds: 0, nanos: 1 }), &mut violations);
        let status = violations.check().expect_err("all are wrong");
        let details = status.get_error_details();
        let fields: Vec<_> =
            details.bad_request().expect("fields").field_violations.iter().map(|found| &*found.field).collect();
        assert_eq!(
            fields,
            [
                "performance.cpu_usage",
                "performance.memory_usage",
                "performance.load_avg_5",
                "performance.load_avg_15",
                "performance.cpu_count",
                "performance.custom[\"x\"]",
                "ttl",
            ]
        );
    }

    #[test]
    fn the_ends_of_the_ranges_are_allowed() {
        let given = v1::Performance {
            cpu_usage: Some(0.0),
            memory_usage: Some(100.0),
            load_avg_1: Some(0.0),
            cpu_count: Some(65536),
            ..v1::Performance::default()
        };
        let mut violations = Violations::default();
        check(given, &mut violations);
        time_to_live(Some(prost_types::Duration { seconds: 3600, nanos: 0 }), &mut violations);
        assert!(violations.check().is_ok());
    }
}
