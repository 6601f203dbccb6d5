//! What happens, line by line.

use speedmimi_proto::v1::watch_backends_response::Message as Backends;
use speedmimi_proto::v1::watch_config_response::Message as Config;
use speedmimi_proto::v1::{
    AdminState, BackendEntry, Difference, DrainBackendResponse, DrainDeadline, DrainPhase, DrainThen, Event,
    WatchBackendsResponse, WatchConfigResponse,
};

use super::text::{address, cap, choice, moment, plain, span};
use super::{Block, View};

/// A line for each backend.
pub(crate) fn backend_events(message: &WatchBackendsResponse) -> View {
    let revision = message.revision;
    let lines = match &message.message {
        Some(Backends::Resync(part)) => part.backends.iter().map(|entry| backend_line(revision, "is", entry)).collect(),
        Some(Backends::Events(events)) => events
            .events
            .iter()
            .map(|event| {
                let what = choice(event.r#type().as_str_name(), "WATCH_EVENT_TYPE_");
                let what = if events.observed { "observed" } else { what.as_str() };
                backend_line(revision, what, event.backend.as_ref().unwrap_or(&BackendEntry::default()))
            })
            .collect(),
        Some(Backends::Heartbeat(_)) | None => Vec::new(),
    };
    View(lines.into_iter().map(Block::Line).collect())
}

fn backend_line(revision: u64, what: &str, entry: &BackendEntry) -> String {
    let backend = entry.backend.clone().unwrap_or_default();
    let name = format!("{}/{}", entry.upstream, backend.id);
    let Some(status) = &entry.status else { return format!("{revision}  {what}  {name}") };
    let max_conn = cap(backend.max_conn);
    let columns = [
        revision.to_string(),
        what.to_owned(),
        name,
        address(backend.host.as_deref(), backend.port),
        format!("weight={}", backend.weight.unwrap_or_default()),
        admin_state(status.admin_state()),
        choice(status.health().as_str_name(), "HEALTH_STATE_"),
        format!("max_conn={}", if max_conn.is_empty() { "-" } else { &max_conn }),
    ];
    columns.join("  ")
}

/// What operators want of a backend, as a word.
pub(crate) fn admin_state(state: AdminState) -> String {
    choice(state.as_str_name(), "ADMIN_STATE_")
}

/// A line for a revision and one for each key that differs.
pub(crate) fn config_event(message: &WatchConfigResponse) -> View {
    let lines = match &message.message {
        Some(Config::Resync(part)) if part.begin => {
            let more = if part.end { "" } else { " and more" };
            vec![format!("revision {} is in force: {}{more} keys", message.revision, part.differences.len())]
        }
        Some(Config::Event(event)) => {
            let origin = event.origin.clone().unwrap_or_default();
            let title = format!(
                "revision {} by {} at {}: {}",
                message.revision,
                origin.who,
                moment(origin.at.as_ref()),
                event.objects.join(", ")
            );
            std::iter::once(title).chain(event.differences.iter().map(difference)).collect()
        }
        Some(Config::Resync(_) | Config::Heartbeat(_)) | None => Vec::new(),
    };
    View(lines.into_iter().map(Block::Line).collect())
}

fn difference(difference: &Difference) -> String {
    let Difference { path, before, after } = difference;
    match (before, after) {
        (Some(before), Some(after)) => format!("  ~ {path}: {} → {}", plain(before), plain(after)),
        (None, Some(after)) => format!("  + {path}: {}", plain(after)),
        (Some(before), None) => format!("  - {path}: {}", plain(before)),
        (None, None) => format!("    {path}"),
    }
}

/// One line.
pub(crate) fn event(event: &Event) -> View {
    let who = if event.who.is_empty() { String::new() } else { format!("  (by {})", event.who) };
    let severity = choice(event.severity().as_str_name(), "SEVERITY_");
    let kind = choice(event.r#type().as_str_name(), "EVENT_TYPE_").replace('_', "-");
    let at = moment(event.at.as_ref());
    // A refusal of a file goes over many lines.
    let text = event.text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    View(vec![Block::Line(format!("{at}  {severity}  {kind}  {text}{who}"))])
}

/// How far a drain is.
pub(crate) fn drain(name: &str, message: &DrainBackendResponse) -> View {
    let mut line = format!("{name} {}", choice(message.phase().as_str_name(), "DRAIN_PHASE_"));
    match message.phase() {
        DrainPhase::Draining | DrainPhase::Overdue | DrainPhase::Closing => {
            line.push_str(&format!(": {} in flight", message.remaining));
            let oldest = span(message.oldest_age.as_ref());
            if !oldest.is_empty() {
                line.push_str(&format!(", the oldest for {oldest}"));
            }
            line.push_str(&format!(", {} since it began", span(message.elapsed.as_ref())));
            if let Some(deadline) = &message.deadline {
                let what = if message.on_deadline() == DrainDeadline::Close { "are closed" } else { "may go on" };
                line.push_str(&format!(", what is left at {} {what}", moment(Some(deadline))));
            }
            if let DrainThen::Disable | DrainThen::Remove = message.then() {
                line.push_str(&format!(", then {}", choice(message.then().as_str_name(), "DRAIN_THEN_")));
            }
        }
        DrainPhase::Validated => line = format!("{name} would be drained (dry run, revision {})", message.revision),
        _ => {
            match (message.phase(), message.then()) {
                (DrainPhase::Drained, DrainThen::Disable) => line.push_str(" and disabled"),
                (DrainPhase::Drained, DrainThen::Remove) => line.push_str(" and removed"),
                _ => {}
            }
            line.push_str(&format!(" after {} (revision {})", span(message.elapsed.as_ref()), message.revision));
            if message.closed > 0 {
                line.push_str(&format!(", {} closed at the deadline", message.closed));
            }
        }
    }
    View(vec![Block::Line(line)])
}
