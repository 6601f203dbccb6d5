//! Who would be picked, and why: the very steps of an exchange, up to the pick, without taking any.

use std::net::IpAddr;

use speedmimi_http1::{Parsed, parse_request};
use speedmimi_policy::{Candidates, Picker, hash_ip};

use super::admit::{self, Choice};
use super::request::Request;
use super::route;
use crate::protocol::Protocol;
use crate::snapshot::{Found, HostRule, PathRule, UpstreamView};
use crate::worker::Worker;
use crate::worker::mailbox::explain::{Candidate, Explained, NotExplained, Obstacle, Pick, Question, Rule, Subject};
use crate::worker::view::View;

/// Answers from the view and the pickers of this worker, and changes neither.
pub(crate) fn explain(worker: &Worker, question: &Question) -> Result<Explained, NotExplained> {
    worker.clock.refresh();
    let view = worker.view();
    let &Question { client, protocol, .. } = question;
    let about = |route: Box<str>, rule, pick| Explained {
        revision: view.snapshot.revision,
        client,
        protocol,
        route,
        rule,
        pick,
    };
    match &question.subject {
        Subject::Upstream(name) => {
            let upstream = view.snapshot.upstreams.iter().position(|upstream| *upstream.name == **name);
            let upstream = upstream.ok_or(NotExplained::NoUpstream)?;
            Ok(about(Box::default(), None, Ok(of_upstream(worker, &view, upstream, client))))
        }
        Subject::Route(name) => {
            let route = view.snapshot.routes.iter().position(|route| *route.state.name == **name);
            let route = route.ok_or(NotExplained::NoRoute)?;
            Ok(about(name.as_str().into(), None, Ok(of_route(worker, &view, route, protocol, client))))
        }
        Subject::Request(head) => {
            let mut request = read(worker, &view, head, client)?;
            let found = route::search(worker, &view, &mut request);
            let Request { client, protocol, .. } = request;
            let pick = found.map(|found| of_route(worker, &view, found.index, protocol, client));
            let route = found.map(|found| view.snapshot.routes[found.index].state.name.clone());
            let rule = found.ok().map(|found| rule(&found));
            Ok(Explained { client, protocol, ..about(route.unwrap_or_default(), rule, pick) })
        }
    }
}

/// The request that a client at that address would make with this head.
fn read(worker: &Worker, view: &View, head: &[u8], peer: IpAddr) -> Result<Request, NotExplained> {
    let scratch = &mut *worker.scratch.borrow_mut();
    // Whatever comes of it, what was parsed last is nobody's any more.
    scratch.owner = worker.next_serial();
    match parse_request(head, &view.snapshot.server.limits, &mut scratch.request) {
        Ok(Parsed::Complete) if scratch.request.len == head.len() => {}
        Ok(_) => return Err(NotExplained::NotARequest("it is not one whole head".to_owned())),
        Err(error) => return Err(NotExplained::NotARequest(error.to_string())),
    }
    let mut request = Request::new(scratch, worker.clock.cached(), peer);
    request.block = Some(head.to_vec());
    Ok(request)
}

fn rule(found: &Found<'_>) -> Rule {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = match found.host {
        HostRule::Any => String::new(),
        HostRule::Exact(name) => text(name),
        HostRule::Suffix(suffix) => format!("*{}", text(suffix)),
    };
    let (path, exact) = match found.path {
        PathRule::Exact(path) => (text(path), true),
        PathRule::Prefix(b"") => ("/".to_owned(), false),
        PathRule::Prefix(prefix) => (text(prefix), false),
    };
    Rule { host, path, exact }
}

fn of_route(worker: &Worker, view: &View, route: usize, protocol: Protocol, client: IpAddr) -> Pick {
    let route = &view.snapshot.routes[route];
    let picker = view.pickers[route.upstream][route.pickers.of(protocol)].borrow();
    let pick = of_picker(worker, &view.snapshot.upstreams[route.upstream], &picker, client);
    Pick { source: route.sources.of(protocol), ..pick }
}

/// Where no route uses the upstream's own algorithm, no worker has turns of it yet: a fresh picker shows how it begins.
fn of_upstream(worker: &Worker, view: &View, upstream: usize, client: IpAddr) -> Pick {
    let (at, upstream) = (upstream, &view.snapshot.upstreams[upstream]);
    let used = upstream.algorithms.iter().position(|&algorithm| algorithm == upstream.own.0);
    match used {
        Some(index) => of_picker(worker, upstream, &view.pickers[at][index].borrow(), client),
        None => {
            let fresh = Picker::new(upstream.own.0, 0).expect("the configuration names available algorithms only");
            of_picker(worker, upstream, &fresh, client)
        }
    }
}

fn of_picker(worker: &Worker, upstream: &UpstreamView, picker: &Picker, client: IpAddr) -> Pick {
    let candidates = Choice::new(upstream, &[], worker.clock.cached_millis());
    let key = hash_ip(client);
    let mut last = None;
    let winner = candidates.ask(|set| {
        let seen = Seen::new(*set);
        let explanation = picker.explain(&seen, key);
        let winner = explanation.winner;
        last = Some((explanation, seen));
        winner
    });
    let (explanation, Seen { set, obstacles }) = last.expect("somebody is asked at least once");
    let backends = explanation.candidates.into_iter().zip(obstacles).zip(&upstream.backends);
    let backends = backends.map(|((considered, obstacle), backend)| Candidate {
        id: backend.state.id.clone(),
        cap: backend.state.slots.cap(),
        obstacle,
        considered,
    });
    Pick {
        upstream: upstream.name.clone(),
        algorithm: picker.algorithm(),
        source: upstream.own.1,
        order: explanation.order,
        backends: backends.collect(),
        winner: winner.ok_or_else(|| admit::refusal(&candidates)),
        ejections_ignored: candidates.honour && !set.honour,
    }
}

/// A choice whose obstacles were looked at once, so that a pick and the reasons given for it are of one moment.
struct Seen<'a> {
    set: Choice<'a>,
    obstacles: Vec<Option<Obstacle>>,
}

impl<'a> Seen<'a> {
    fn new(set: Choice<'a>) -> Self {
        Self { set, obstacles: (0..set.len()).map(|index| set.obstacle(index)).collect() }
    }
}

impl Candidates for Seen<'_> {
    fn len(&self) -> usize {
        self.set.len()
    }
    fn available(&self, index: usize) -> bool {
        self.obstacles[index].is_none()
    }
    fn in_flight(&self, index: usize) -> u32 {
        self.set.in_flight(index)
    }
    fn weight(&self, index: usize) -> u32 {
        self.set.weight(index)
    }
    fn key(&self, index: usize) -> u64 {
        self.set.key(index)
    }
    fn factor(&self, index: usize) -> f32 {
        self.set.factor(index)
    }
}
