//! Exchanges in flight.

use speedmimi_proto::v1::{KillStreamsResponse, ListStreamsResponse, Stream};

use super::text::{choice, span};
use super::{Block, View};

/// A row for each.
pub(crate) fn streams(response: &ListStreamsResponse) -> View {
    View(vec![table(&response.streams)])
}

/// How many were ended, and which.
pub(crate) fn killed(response: &KillStreamsResponse, dry_run: bool) -> View {
    let count = match response.killed {
        1 => "1 exchange".to_owned(),
        count => format!("{count} exchanges"),
    };
    let line = if dry_run { format!("{count} would be ended (dry run)") } else { format!("{count} ended") };
    let mut view = View(vec![Block::Line(line)]);
    let shown = response.streams.len() as u64;
    if shown > 0 {
        view.0.push(table(&response.streams));
    }
    if shown > 0 && shown < response.killed {
        view.0.push(Block::Line(format!("and {} more", response.killed - shown)));
    }
    view
}

fn table(streams: &[Stream]) -> Block {
    const HEADER: &[&str] =
        &["ID", "CLIENT", "ROUTE", "BACKEND", "PROTOCOL", "AGE", "IDLE", "RECEIVED", "SENT", "REQUEST"];
    Block::Table { header: HEADER, rows: streams.iter().map(row).collect() }
}

fn row(stream: &Stream) -> Vec<String> {
    vec![
        stream.id.clone(),
        stream.client.clone(),
        stream.route.clone(),
        format!("{}/{}", stream.upstream, if stream.backend_id.is_empty() { "-" } else { &stream.backend_id }),
        choice(stream.protocol().as_str_name(), "STREAM_PROTOCOL_"),
        span(stream.age.as_ref()),
        span(stream.idle.as_ref()),
        stream.bytes_received.to_string(),
        stream.bytes_sent.to_string(),
        format!("{} {}", stream.method, stream.path).trim().to_owned(),
    ]
}
