//! `StreamService`.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use speedmimi_proto::v1;
use speedmimi_proto::v1::stream_service_server::StreamService;
use tonic::{Request, Response, Status};

use super::mutation::Mutation;
use super::status::{self, Violations};
use super::{caller, convert, entry};
use crate::control::audit::{Deed, STREAMS};
use crate::control::streams::{Stream, StreamFilter, StreamId};
use crate::control::{Caller, Control};
use crate::protocol::Protocol;

mod names;

/// Exchanges of a page, at most and by default.
const LARGEST: usize = 1000;
/// Exchanges that the answer to a kill shows by default.
const SHOWN: usize = 100;
/// Ids in a filter at most.
const IDS: usize = 1000;

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Streams(pub(super) Control);

#[tonic::async_trait]
impl StreamService for Streams {
    async fn list_streams(
        &self,
        request: Request<v1::ListStreamsRequest>,
    ) -> Result<Response<v1::ListStreamsResponse>, Status> {
        let by = caller::of(&request);
        let v1::ListStreamsRequest { filter, page_size, page_token } = request.into_inner();
        let mut violations = Violations::default();
        let mut filter = own(&by, filter.unwrap_or_default(), &mut violations)?;
        names::settle(&mut filter, &self.0.view().store, &by, &mut violations);
        let size = bounded("page_size", page_size, LARGEST, &mut violations);
        let after = if page_token.is_empty() { None } else { read_id("page_token", &page_token, &mut violations) };
        violations.check()?;
        let found =
            self.0.streams(filter.clone(), after, size, &by).await.map_err(|crowded| status::crowded(&crowded))?;
        if found.total == 0 {
            names::known(&filter, &self.0.view().store, &by)?;
        }
        Ok(Response::new(v1::ListStreamsResponse {
            streams: found.streams.iter().map(wire).collect(),
            next_page_token: found.next.map(|id| id.to_string()).unwrap_or_default(),
            total: found.total,
        }))
    }

    async fn kill_streams(
        &self,
        request: Request<v1::KillStreamsRequest>,
    ) -> Result<Response<v1::KillStreamsResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("KillStreams", request, &mut violations);
        let v1::KillStreamsRequest { filter, all, show, .. } = request;
        let unfiltered = filter.as_ref().is_none_or(|filter| *filter == v1::StreamFilter::default());
        let (by, filter) = (mutation.guard.by.clone(), filter.unwrap_or_default());
        let upstream = filter.upstream.clone();
        let mut filter = within(&by, filter, &mut violations);
        names::settle(&mut filter, &self.0.view().store, &by, &mut violations);
        if all || !unfiltered {
            mutation.is_about(format!("{STREAMS} {filter}"));
        }
        if !upstream.is_empty() {
            mutation.may(&upstream)?;
        }
        let show = bounded("show", show, SHOWN, &mut violations);
        refuse_revision(mutation.guard.expected_revision, &mut violations);
        match (all, unfiltered) {
            (false, true) => violations.push("filter", "is empty: say which ones, or set all to end every exchange"),
            (true, false) => violations.push("all", "goes with no filter: it would end those that do not fit, too"),
            _ => {}
        }
        violations.check()?;
        let only = mutation.guard.validate_only;
        let control = self.0.clone();
        let work = async move {
            let object = format!("{STREAMS} {filter}");
            let in_flight: u64 = control.live().workers().iter().map(|cells| cells.active.get()).sum();
            let found = match only {
                true => control.streams(filter.clone(), None, show, &by).await,
                false => control.kill_streams(filter.clone(), show, &by).await,
            };
            let found = found.map_err(|crowded| status::crowded(&crowded))?;
            if found.total == 0 {
                names::known(&filter, &control.view().store, &by)?;
            }
            let before = format!("in_flight={in_flight}");
            let after = format!("{}={}", if only { "fitting" } else { "killed" }, found.total);
            let streams = found.streams.iter().map(wire).collect();
            Ok((v1::KillStreamsResponse { killed: found.total, streams }, Deed { object, before, after }))
        };
        mutation.aside(&self.0, work).await
    }
}

/// The filter, for what is the caller's own.
fn own(by: &Caller, filter: v1::StreamFilter, violations: &mut Violations) -> Result<StreamFilter, Status> {
    if !filter.upstream.is_empty() {
        caller::may(by, &filter.upstream)?;
    }
    Ok(within(by, filter, violations))
}

/// The filter, for what is within the limits of the caller.
fn within(by: &Caller, filter: v1::StreamFilter, violations: &mut Violations) -> StreamFilter {
    StreamFilter { within: by.scope.names(), ..read_filter(filter, violations) }
}

/// What makes no revision has none to expect.
pub(super) fn refuse_revision(expected: Option<u64>, violations: &mut Violations) {
    if expected.is_some() {
        violations.push("options.expected_revision", "this makes no revision; leave it out");
    }
}

/// A protocol; none where nothing is said.
pub(super) fn read_protocol(field: &str, number: i32, violations: &mut Violations) -> Option<Protocol> {
    match v1::StreamProtocol::try_from(number) {
        Ok(v1::StreamProtocol::Unspecified) => None,
        Ok(v1::StreamProtocol::Http) => Some(Protocol::Http),
        Ok(v1::StreamProtocol::Sse) => Some(Protocol::EventStream),
        Ok(v1::StreamProtocol::Websocket) => Some(Protocol::WebSocket),
        Err(_) => {
            violations.push(field, format!("{number} is no StreamProtocol of this version"));
            None
        }
    }
}

/// A protocol on the wire.
pub(super) fn wire_protocol(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::Http => v1::StreamProtocol::Http,
        Protocol::EventStream => v1::StreamProtocol::Sse,
        Protocol::WebSocket => v1::StreamProtocol::Websocket,
    }
    .into()
}

/// How many; 0 is `default`.
fn bounded(field: &str, given: u32, default: usize, violations: &mut Violations) -> usize {
    match usize::try_from(given).unwrap_or(usize::MAX) {
        0 => default,
        size if size <= LARGEST => size,
        _ => {
            violations.push(field, format!("{given} is not within 1..{LARGEST}; 0 is {default}"));
            default
        }
    }
}

fn read_filter(filter: v1::StreamFilter, violations: &mut Violations) -> StreamFilter {
    let v1::StreamFilter { upstream, backend_id, route, client, protocol, min_age, min_idle, ids } = filter;
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let time = |field: &str, given: Option<prost_types::Duration>, violations: &mut Violations| {
        given.map_or(Duration::ZERO, |given| {
            convert::duration(given).unwrap_or_else(|description| {
                violations.push(field, description);
                Duration::ZERO
            })
        })
    };
    StreamFilter {
        upstream: said(upstream),
        backend: said(backend_id),
        route: said(route),
        client: said(client).and_then(|client| read_network(&client, violations)),
        protocol: read_protocol("filter.protocol", protocol, violations),
        min_age: time("filter.min_age", min_age, violations),
        min_idle: time("filter.min_idle", min_idle, violations),
        ids: read_ids(&ids, violations),
        within: None,
    }
}

fn read_network(text: &str, violations: &mut Violations) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse::<IpNet>());
    if network.is_err() {
        violations.push("filter.client", format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"));
    }
    network.ok()
}

fn read_ids(ids: &[String], violations: &mut Violations) -> Option<Vec<StreamId>> {
    if ids.len() > IDS {
        violations.push("filter.ids", format!("{} ids; at most {IDS} in one call", ids.len()));
    }
    let read = |(index, id): (usize, &String)| read_id(&format!("filter.ids[{index}]"), id, violations);
    let mut read: Vec<StreamId> = ids.iter().take(IDS).enumerate().filter_map(read).collect();
    read.sort_unstable();
    (!ids.is_empty()).then_some(read)
}

fn read_id(field: &str, text: &str, violations: &mut Violations) -> Option<StreamId> {
    text.parse().map_err(|error: crate::control::streams::NoStreamId| violations.push(field, error.to_string())).ok()
}

fn wire(stream: &Stream) -> v1::Stream {
    v1::Stream {
        id: stream.id.to_string(),
        client: stream.client.to_string(),
        route: stream.route.to_string(),
        upstream: stream.upstream.to_string(),
        backend_id: stream.backend.to_string(),
        protocol: wire_protocol(stream.protocol),
        started_at: SystemTime::now().checked_sub(stream.age).map(Into::into),
        age: Some(entry::duration(stream.age)),
        bytes_received: stream.bytes_received,
        bytes_sent: stream.bytes_sent,
        idle: Some(entry::duration(stream.idle)),
        queue_wait: Some(prost_types::Duration::default()),
        worker: stream.id.worker,
        method: stream.method.clone(),
        path: stream.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(filter: v1::StreamFilter) -> String {
        let mut violations = Violations::default();
        read_filter(filter, &mut violations);
        violations.check().expect_err("there are faults").message().to_owned()
    }

    #[test]
    fn every_fault_of_a_filter_is_named() {
        let filter = v1::StreamFilter {
            client: "10.0.0.0/33".into(),
            protocol: 99,
            min_age: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            ids: vec!["0-1".into(), "x".into()],
            ..v1::StreamFilter::default()
        };
        let faults = faults(filter);
        for field in ["filter.client", "filter.protocol", "filter.min_age", "filter.ids[1]"] {
            assert!(faults.contains(field), "{field} in {faults}");
        }
    }

    #[test]
    fn clients_are_addresses_or_networks() {
        let read = |text: &str| read_network(text, &mut Violations::default());
        assert_eq!(read("10.0.0.7"), "10.0.0.7/32".parse().ok());
        assert_eq!(read("::ffff:10.0.0.7"), "10.0.0.7/32".parse().ok());
        assert_eq!(read("2001:db8::/32"), "2001:db8::/32".parse().ok());
        assert_eq!(read("host"), None);
    }
}
