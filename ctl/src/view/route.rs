//! Routes, and what became of changes to them.

use speedmimi_proto::v1::{HeaderEdits, ListRoutesResponse, Route, RouteEntry};

use super::text::{became, choice, pairs};
use super::upstream::clocks;
use super::{Block, View};

/// A row for each.
pub(crate) fn routes(response: &ListRoutesResponse) -> View {
    const HEADER: &[&str] = &["ROUTE", "HOSTS", "PATH", "UPSTREAM", "ALGORITHM", "REVISION"];
    View(vec![Block::Table { header: HEADER, rows: response.routes.iter().map(row).collect() }])
}

/// All there is to say about one; what it leaves to its upstream is a dash.
pub(crate) fn route(entry: Option<&RouteEntry>) -> View {
    let Some(entry) = entry else { return View(Vec::new()) };
    let route = entry.route.clone().unwrap_or_default();
    let protocols = route.protocols.unwrap_or_default();
    let headers = route.headers.clone().unwrap_or_default();
    let mut rows = vec![
        ("route", route.name.clone()),
        ("hosts", hosts(&route)),
        ("path", path(&route)),
        ("upstream", route.upstream().to_owned()),
        ("algorithm", choice(route.load_balancer().as_str_name(), "LOAD_BALANCER_")),
        ("websocket", choice(protocols.websocket().as_str_name(), "LOAD_BALANCER_")),
        ("sse", choice(protocols.sse().as_str_name(), "LOAD_BALANCER_")),
    ];
    rows.extend(clocks(route.timeouts.as_ref()));
    rows.extend([
        ("request headers", headers.request.as_ref().map(edits).unwrap_or_default()),
        ("response headers", headers.response.as_ref().map(edits).unwrap_or_default()),
        ("revision", entry.revision.to_string()),
    ]);
    View(vec![Block::properties(rows)])
}

/// One line: what became of `entry`.
pub(crate) fn route_changed(entry: Option<&RouteEntry>, done: &str, revision: u64, dry_run: bool) -> View {
    let name = entry.and_then(|entry| entry.route.as_ref()).map_or("", |route| &route.name);
    View(vec![Block::Line(became(name, done, revision, dry_run))])
}

fn row(entry: &RouteEntry) -> Vec<String> {
    let route = entry.route.clone().unwrap_or_default();
    vec![
        route.name.clone(),
        hosts(&route),
        path(&route),
        route.upstream().to_owned(),
        choice(route.load_balancer().as_str_name(), "LOAD_BALANCER_"),
        entry.revision.to_string(),
    ]
}

/// Every host is an asterisk.
fn hosts(route: &Route) -> String {
    let names = route.hosts.as_ref().map(|hosts| hosts.names.join(" ")).unwrap_or_default();
    if names.is_empty() { "*".to_owned() } else { names }
}

/// A whole path has an equals sign before it.
fn path(route: &Route) -> String {
    route.path_exact.as_ref().map_or_else(|| route.path().to_owned(), |exact| format!("={exact}"))
}

fn edits(edits: &HeaderEdits) -> String {
    let parts = [("set", pairs(&edits.set)), ("add", pairs(&edits.add)), ("remove", edits.remove.join(" "))];
    let given = parts.into_iter().filter(|(_, what)| !what.is_empty());
    given.map(|(verb, what)| format!("{verb} {what}")).collect::<Vec<_>>().join(", ")
}
