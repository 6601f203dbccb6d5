//! Answers as people see them: pure functions from message to lines and tables.

mod backend;
mod config;
mod explain;
mod route;
mod server;
mod source;
mod stats;
mod stream;
mod text;
mod upstream;
mod watch;

pub(crate) use backend::{backend, backends, changed, cut, removed, reported};
pub(crate) use config::{applied, cleared, exported, history, reloaded, rolled_back};
pub(crate) use explain::explained;
pub(crate) use route::{route, route_changed, routes};
pub(crate) use server::{draining, info, log_level};
pub(crate) use source::{comments, overlay, sources};
pub(crate) use stats::{backend_stats, server_stats, upstream_stats};
pub(crate) use stream::{killed, streams};
pub(crate) use upstream::{upstream, upstream_changed, upstreams};
pub(crate) use watch::{admin_state, backend_events, config_event, drain, event};

/// What is shown, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View(pub(crate) Vec<Block>);

/// A part of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// A line of text.
    Line(String),
    /// Columns; an empty cell is shown as a dash, so that a script can count on every column.
    Table {
        /// Titles; none for a list of properties.
        header: &'static [&'static str],
        /// Cells, row by row.
        rows: Vec<Vec<String>>,
    },
}

impl Block {
    /// A list of properties: name and value.
    fn properties(rows: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        Self::Table { header: &[], rows }
    }
}
