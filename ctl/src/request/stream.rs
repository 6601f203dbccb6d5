//! Exchanges in flight, the pick that would be made, and the process.

use speedmimi_proto::v1::explain_pick_request::Subject;
use speedmimi_proto::v1::{
    DrainServerRequest, ExampleRequest, ExplainPickRequest, HeaderField, KillStreamsRequest, ListStreamsRequest,
    LogLevel as WireLevel, MutationOptions, SetLogLevelRequest, StreamFilter, StreamProtocol,
};

use super::wire;
use crate::args::{Act, ExplainArguments, FilterArguments, LogLevel, NameArguments, Protocol, ServerVerb};
use crate::failure::Failure;
use crate::name::{BackendName, Named};

/// What to list; a name that cannot be one is told before anybody is asked.
pub(crate) fn list(arguments: &FilterArguments) -> Result<ListStreamsRequest, Failure> {
    Ok(ListStreamsRequest { filter: filter(arguments)?, page_size: 0, page_token: String::new() })
}

/// An end to those that fit. What would end everything has to say so.
pub(crate) fn kill(
    arguments: &FilterArguments,
    all: bool,
    show: u32,
    act: &Act,
) -> Result<KillStreamsRequest, Failure> {
    let filter = filter(arguments)?;
    match (&filter, all) {
        (None, false) => Err(Failure::usage(
            "this would end every exchange of the proxy",
            "name ids or a filter, as in --backend b1 --min-age 5m; --all if that is meant",
        )),
        (Some(_), true) => Err(Failure::usage(
            "--all ends every exchange, also those that do not fit",
            "leave out --all, or everything else",
        )),
        _ => Ok(KillStreamsRequest { filter, all, show, options: options(act) }),
    }
}

/// The question that the flags make; without any, who would get a request for `/`.
pub(crate) fn explain(arguments: &ExplainArguments) -> ExplainPickRequest {
    let ExplainArguments { upstream, route, host, path, method, headers, client, protocol, worker } = arguments.clone();
    let subject = match (upstream, route) {
        (Some(upstream), _) => Subject::Upstream(upstream),
        (None, Some(route)) => Subject::Route(route),
        (None, None) => Subject::Request(ExampleRequest {
            method: method.unwrap_or_default(),
            host: host.unwrap_or_default(),
            path: path.unwrap_or_default(),
            headers: headers.into_iter().map(|(name, value)| HeaderField { name, value }).collect(),
        }),
    };
    let protocol = protocol.map_or(StreamProtocol::Unspecified, protocol_on_the_wire).into();
    ExplainPickRequest { subject: Some(subject), client: client.unwrap_or_default(), protocol, worker }
}

/// An end of the process.
pub(crate) fn drain(verb: &ServerVerb) -> DrainServerRequest {
    let ServerVerb::Drain { graceful_timeout, now, act } = verb else { return DrainServerRequest::default() };
    DrainServerRequest { graceful_timeout: graceful_timeout.map(wire), now: *now, options: options(act) }
}

/// Another level of the error log.
pub(crate) fn log_level(verb: &ServerVerb) -> SetLogLevelRequest {
    let ServerVerb::LogLevel { level, ttl, reset, act } = verb else { return SetLogLevelRequest::default() };
    let level = level.map_or(WireLevel::Unspecified, |level| match level {
        LogLevel::Error => WireLevel::Error,
        LogLevel::Warn => WireLevel::Warn,
        LogLevel::Info => WireLevel::Info,
        LogLevel::Debug => WireLevel::Debug,
        LogLevel::Trace => WireLevel::Trace,
    });
    SetLogLevelRequest { level: level.into(), ttl: ttl.map(wire), reset: *reset, options: options(act) }
}

fn options(act: &Act) -> Option<MutationOptions> {
    (*act != Act::default()).then(|| MutationOptions {
        validate_only: act.dry_run,
        expected_revision: None,
        request_id: act.request_id.clone().unwrap_or_default(),
    })
}

/// None where nothing was said.
fn filter(arguments: &FilterArguments) -> Result<Option<StreamFilter>, Failure> {
    let FilterArguments { ids, upstream, backend, route, client, protocol, min_age, min_idle } = arguments.clone();
    // An empty word, of a variable that is not set, must not fit more than was meant.
    for (flag, word) in [("--upstream", &upstream), ("--backend", &backend), ("--route", &route), ("--client", &client)]
    {
        if word.as_deref() == Some("") {
            return Err(Failure::usage(
                format!("the word behind {flag} is empty"),
                format!("leave out {flag}, or name one"),
            ));
        }
    }
    let (upstream, backend) = match backend {
        // A backend is named here as everywhere.
        Some(name) => match named(NameArguments { name: Some(name), upstream, id: None })? {
            Named::One(BackendName { upstream, id }) => (Some(upstream), Some(id)),
            Named::Only(upstream) => (upstream, None),
        },
        None => (upstream, None),
    };
    let filter = StreamFilter {
        upstream: upstream.unwrap_or_default(),
        backend_id: backend.unwrap_or_default(),
        route: route.unwrap_or_default(),
        client: client.unwrap_or_default(),
        protocol: protocol.map_or(StreamProtocol::Unspecified, protocol_on_the_wire).into(),
        min_age: min_age.filter(|age| !age.is_zero()).map(wire),
        min_idle: min_idle.filter(|idle| !idle.is_zero()).map(wire),
        ids,
    };
    Ok((filter != StreamFilter::default()).then_some(filter))
}

fn named(name: NameArguments) -> Result<Named, Failure> {
    name.named().map_err(|failure| match failure {
        Failure::Usage { message, .. } => {
            Failure::usage(message, "write --backend UPSTREAM/ID, or --upstream UPSTREAM --backend ID")
        }
        other => other,
    })
}

fn protocol_on_the_wire(protocol: Protocol) -> StreamProtocol {
    match protocol {
        Protocol::Http => StreamProtocol::Http,
        Protocol::Sse => StreamProtocol::Sse,
        Protocol::Websocket => StreamProtocol::Websocket,
    }
}
