//! `health_check`.

use crate::config::{HealthCheck, HealthCheckKind, StatusRanges};
use crate::read::{At, Section};
use crate::rules;
use crate::tree::Value;

/// Reads a check; `off` is none.
pub(super) fn read(at: At<'_>) -> Option<HealthCheck> {
    if is_off(at) {
        return None;
    }
    let mut section = Section::open(at);
    let mut check = HealthCheck::default();
    section.set("type", &mut check.kind, |at| at.rule("a type", kind));
    section.set("path", &mut check.path, |at| at.rule("a path", rules::path));
    section.set("expect_status", &mut check.expect_status, statuses);
    section.set("interval", &mut check.interval, |at| at.duration());
    section.set("timeout", &mut check.timeout, |at| at.duration());
    section.set("failures", &mut check.failures, |at| at.integer(1..=1000).map(|number| number as u32));
    section.set("successes", &mut check.successes, |at| at.integer(1..=1000).map(|number| number as u32));
    section.finish();
    Some(check)
}

pub(super) fn is_off(at: At<'_>) -> bool {
    matches!(&at.node.value, Value::Scalar(text) if text == "off" || text == "false")
}

fn kind(text: &str) -> Result<HealthCheckKind, String> {
    match text {
        "http" => Ok(HealthCheckKind::Http),
        "tcp" => Ok(HealthCheckKind::Tcp),
        "grpc" => Err("\"grpc\" is not available in this version; allowed: http, tcp".into()),
        _ => Err(rules::unknown("type", text, &["http", "tcp"])),
    }
}

fn statuses(at: At<'_>) -> Option<StatusRanges> {
    let mut parts = Vec::new();
    let before = at.sink.count();
    at.list(&mut |at| {
        let ranges = at.rule("a status such as 200 or 200-299", str::parse::<StatusRanges>);
        parts.extend(ranges.map(|ranges| ranges.to_string()));
    });
    if parts.is_empty() && at.sink.count() == before {
        at.fault("no status would pass: write 200, 200-299 or 200,404 within 100..599, or leave it out");
    }
    parts.join(",").parse().ok()
}
