//! The process.

use speedmimi_proto::v1::GetServerInfoResponse;

use super::text::{moment, span};
use super::{Block, View};

/// What is running.
pub(crate) fn info(response: &GetServerInfoResponse) -> View {
    let listeners = response.listeners.iter().map(|listener| format!("{} {}", listener.name, listener.address));
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
        ("draining", response.draining.to_string()),
        ("state", response.state_dir.clone()),
        ("state problem", response.state_problem.clone()),
        ("note", response.note.clone()),
    ];
    View(vec![Block::properties(rows)])
}
