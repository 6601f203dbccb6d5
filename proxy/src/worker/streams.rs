//! Answers questions about the exchanges of this worker. One look over the dense table decides who fits; only those
//! that are shown are asked what they were requested.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::mailbox::streams::{Backends, Stream, StreamAction, StreamFilter, StreamId, StreamQuery, StreamsFound};
use super::table::{Key, Met};
use super::view::View;
use super::{CUT_TURNS, Worker};

/// The most of a path that is shown, in bytes.
const PATH: usize = 256;

/// Answers once whoever is shown has said what was requested, and whoever is ended has ended.
pub(super) async fn answer(worker: Rc<Worker>, query: Arc<StreamQuery>, reply: oneshot::Sender<StreamsFound>) {
    let fitting = Sight::new(&worker, &query.backends).fitting(&query.filter);
    let mut shown: Vec<(u64, Key)> =
        fitting.iter().copied().filter(|(serial, _)| is_after(&worker, *serial, &query)).collect();
    let more = shown.len() > query.limit;
    if more && query.limit > 0 {
        shown.select_nth_unstable_by_key(query.limit - 1, |(serial, _)| *serial);
    }
    shown.truncate(query.limit);
    shown.sort_unstable_by_key(|(serial, _)| *serial);
    let last = shown.last().map(|(serial, _)| id(&worker, *serial));
    for &(serial, key) in &shown {
        worker.table.ask(key, serial);
    }
    turns(|| shown.iter().any(|&(serial, key)| worker.table.is_asked(key, serial))).await;
    // Looked up anew: a snapshot may have been published meanwhile.
    let sight = Sight::new(&worker, &query.backends);
    let streams = shown.iter().filter_map(|&(serial, key)| worker.table.look_at(key, serial, |met| sight.stream(&met)));
    let streams = streams.flatten().collect();
    let total = match query.action {
        StreamAction::List => fitting.len(),
        StreamAction::Kill => {
            let killed: Vec<_> = fitting.into_iter().filter(|&(serial, key)| worker.table.kill(key, serial)).collect();
            turns(|| killed.iter().any(|&(serial, key)| worker.table.look_at(key, serial, |_| ()).is_some())).await;
            killed.len()
        }
    };
    // An error: whoever asked has left.
    let _ = reply.send(StreamsFound { total: total as u64, streams, next: last.filter(|_| more) });
}

/// `METHOD PATH` of a head as it was received, appended to `line`: the path without its query, bounded.
pub(crate) fn request_line(head: &[u8], line: &mut Vec<u8>) {
    let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let mut words = head[start..].splitn(3, |&byte| byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = match target.windows(3).position(|bytes| bytes == b"://") {
        // An absolute target; the question mark of a query may stand before what looks like one.
        Some(at) if !target[..at].contains(&b'/') && !target[..at].contains(&b'?') => {
            let rest = &target[at + 3..];
            &rest[rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len())..]
        }
        _ => target,
    };
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    let path = if end == 0 { &b"/"[..] } else { &path[..end] };
    line.extend_from_slice(method);
    line.push(b' ');
    line.extend_from_slice(&path[..path.len().min(PATH)]);
}

/// Gives others their turns while it is so, but not for ever.
async fn turns(mut while_it_is: impl FnMut() -> bool) {
    for _ in 0..CUT_TURNS {
        if !while_it_is() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn id(worker: &Worker, serial: u64) -> StreamId {
    StreamId { worker: u32::try_from(worker.index).unwrap_or(u32::MAX), serial }
}

fn is_after(worker: &Worker, serial: u64, query: &StreamQuery) -> bool {
    query.after.is_none_or(|after| id(worker, serial) > after)
}

/// What names and times are looked up in, gathered once for a whole look.
struct Sight<'a> {
    worker: &'a Worker,
    now: u64,
    views: HashMap<u32, Rc<View>>,
    backends: &'a Backends,
}

impl<'a> Sight<'a> {
    fn new(worker: &'a Worker, backends: &'a Backends) -> Self {
        let now = worker.clock.refresh();
        let views = worker.views().into_iter().map(|view| (view.number, view)).collect();
        Self { worker, now, views, backends }
    }

    /// Every exchange that fits: its serial and its place.
    fn fitting(&self, filter: &StreamFilter) -> Vec<(u64, Key)> {
        let routes: HashMap<u32, Vec<bool>> =
            self.views.iter().map(|(&number, view)| (number, fitting_routes(view, filter))).collect();
        let backends = filter.backend.as_ref().map(|wanted| {
            let fit = self.backends.values().filter(|backend| *backend.id == **wanted);
            fit.map(|backend| backend.uid).collect::<HashSet<u64>>()
        });
        let age = |since: u64| Duration::from_micros(self.now.saturating_sub(since));
        let mut fitting = Vec::new();
        self.worker.table.look(|met| {
            let carried = met.carried;
            let route = routes.get(&carried.view).and_then(|routes| routes.get(carried.route as usize));
            let fits = route.copied().unwrap_or_default()
                && backends.as_ref().is_none_or(|backends| backends.contains(&met.backend))
                && filter.protocol.is_none_or(|protocol| protocol == carried.protocol)
                && filter.client.is_none_or(|net| carried.client().is_some_and(|client| net.contains(&client)))
                && age(carried.started) >= filter.min_age
                && age(carried.moved) >= filter.min_idle
                && filter.ids.as_ref().is_none_or(|ids| ids.binary_search(&id(self.worker, carried.serial)).is_ok());
            if fits {
                fitting.push((carried.serial, met.key));
            }
        });
        fitting
    }

    fn stream(&self, met: &Met<'_>) -> Option<Stream> {
        let carried = met.carried;
        let snapshot = &self.views.get(&carried.view)?.snapshot;
        let route = snapshot.routes.get(carried.route as usize)?;
        let upstream = snapshot.upstreams.get(route.upstream)?;
        // One that was added since the question was asked.
        let added = || upstream.backends.iter().map(|backend| &backend.state).find(|state| state.uid == met.backend);
        let backend = self.backends.get(&met.backend).or_else(|| added().filter(|_| met.backend != 0));
        let line = String::from_utf8_lossy(&carried.line);
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let since = |moment: u64| Duration::from_micros(self.now.saturating_sub(moment));
        Some(Stream {
            id: id(self.worker, carried.serial),
            client: carried.client()?,
            route: route.state.name.clone(),
            upstream: upstream.name.clone(),
            backend: backend.map(|backend| backend.id.clone()).unwrap_or_default(),
            protocol: carried.protocol,
            age: since(carried.started),
            idle: since(carried.moved),
            bytes_received: carried.received,
            bytes_sent: carried.sent,
            method: method.to_owned(),
            path: path[..path.floor_char_boundary(PATH)].to_owned(),
        })
    }
}

/// Of each route of a view, whether exchanges on it may fit.
fn fitting_routes(view: &View, filter: &StreamFilter) -> Vec<bool> {
    let snapshot = &view.snapshot;
    let fits = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let routes = snapshot.routes.iter();
    routes
        .map(|route| {
            fits(&filter.route, &route.state.name)
                && snapshot.upstreams.get(route.upstream).is_some_and(|upstream| {
                    let own = |names: &Arc<[String]>| names.iter().any(|name| **name == *upstream.name);
                    fits(&filter.upstream, &upstream.name) && filter.within.as_ref().is_none_or(own)
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(head: &str) -> String {
        let mut line = Vec::new();
        request_line(head.as_bytes(), &mut line);
        String::from_utf8(line).expect("ASCII")
    }

    #[test]
    fn the_line_is_method_and_path_and_never_the_query() {
        for (head, expected) in [
            ("GET /a/b?token=secret HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a/b"),
            ("\r\nPOST / HTTP/1.1\r\n", "POST /"),
            ("OPTIONS * HTTP/1.1\r\n", "OPTIONS *"),
            ("GET http://u:p@h.example/x?q HTTP/1.1\r\n", "GET /x"),
            ("GET http://h.example?q HTTP/1.1\r\n", "GET /"),
            ("GET /x?next=http://h/secret HTTP/1.1\r\n", "GET /x"),
            ("GET /x/http://h/y HTTP/1.1\r\n", "GET /x/http://h/y"),
            ("GET /?q HTTP/1.1\r\n", "GET /"),
        ] {
            assert_eq!(line(head), expected, "{head:?}");
        }
        assert_eq!(line(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(1000))).len(), 4 + PATH);
        assert_eq!(line(""), " /", "nothing is nothing");
    }
}
