//! The process.

use speedmimi_proto::v1::{DrainServerResponse, GetServerInfoResponse, LogLevel, SetLogLevelResponse};

use super::text::{choice, moment, span};
use super::{Block, View};

/// What is running.
pub(crate) fn info(response: &GetServerInfoResponse) -> View {
    let listeners = response.listeners.iter().map(|listener| format!("{} {}", listener.name, listener.address));
    let drain = match &response.drain_deadline {
        Some(deadline) => format!("until {deadline} at the latest"),
        None => response.draining.to_string(),
    };
    let level = match &response.log_level_until {
        Some(until) => format!("{} until {until}", word(response.log_level())),
        None => word(response.log_level()),
    };
    let rows = [
        ("version", response.version.clone()),
        ("pid", response.pid.to_string()),
        ("started", moment(response.started_at.as_ref())),
        ("uptime", span(response.uptime.as_ref())),
        ("workers", response.workers.to_string()),
        ("listeners", listeners.collect::<Vec<_>>().join(", ")),
        ("grpc", response.grpc.clone()),
        ("admin", response.admin.clone()),
        ("revision", response.revision.to_string()),
        ("configuration", response.config_path.clone()),
        ("max_conn", response.max_conn.to_string()),
        ("descriptors", response.descriptors.to_string()),
        ("draining", drain),
        ("log level", level),
        ("state", response.state_dir.clone()),
        ("state problem", response.state_problem.clone()),
        ("note", response.note.clone()),
    ];
    View(vec![Block::properties(rows)])
}

/// What the end of the process waits for.
pub(crate) fn draining(response: &DrainServerResponse, dry_run: bool) -> View {
    let DrainServerResponse { active, connections, .. } = response;
    let deadline = moment(response.deadline.as_ref());
    let exchanges = if *active == 1 { "exchange" } else { "exchanges" };
    let what = match (dry_run, response.was_draining) {
        (true, _) => "would drain (dry run)",
        (false, true) => "drains already",
        (false, false) => "drains",
    };
    View(vec![Block::Line(format!(
        "the process {what}: {active} {exchanges} in flight, {connections} connections, end by {deadline}"
    ))])
}

/// What the error log says now.
pub(crate) fn log_level(response: &SetLogLevelResponse, dry_run: bool) -> View {
    let (level, before) = (word(response.level()), word(response.before()));
    let until = match &response.until {
        Some(until) => format!("until {until}"),
        None => "as configured".to_owned(),
    };
    let would = if dry_run { "would be" } else { "is" };
    let tried = if dry_run { ", dry run" } else { "" };
    View(vec![Block::Line(format!("log level {would} {level} {until} (was {before}{tried})"))])
}

fn word(level: LogLevel) -> String {
    choice(level.as_str_name(), "LOG_LEVEL_")
}
