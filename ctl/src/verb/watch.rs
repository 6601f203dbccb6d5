//! Verbs that follow what happens.

use prost_types::Duration as WireDuration;
use speedmimi_proto::v1::watch_backends_response::Message as Backends;
use speedmimi_proto::v1::watch_config_response::Message as Config;
use speedmimi_proto::v1::watch_events_response::Message as Events;
use speedmimi_proto::v1::{
    WatchBackendsRequest, WatchBackendsResponse, WatchConfigRequest, WatchConfigResponse, WatchEventsRequest,
    WatchEventsResponse, WatchOptions, WatchStatsRequest, WatchStatsResponse, watch_stats_request,
    watch_stats_response,
};
use tonic::{Response, Status, Streaming};

use crate::args::{EventsArguments, Global, WatchBackendsArguments};
use crate::client::Client;
use crate::failure::Failure;
use crate::follow::{Follow, follow};
use crate::name::Named;
use crate::printer::Printer;
use crate::view;

/// Where a watch was left: revision and instance.
#[derive(Debug, Default)]
struct Left(Option<(u64, String)>);

impl Left {
    fn at(&mut self, revision: u64, instance: &str) {
        self.0 = Some((revision, instance.to_owned()));
    }

    fn options(&self) -> Option<WatchOptions> {
        let (revision, instance) = self.0.clone()?;
        Some(WatchOptions { resume_revision: Some(revision), resume_instance: instance, heartbeat: None })
    }
}

/// `speedctl backend watch`.
pub(super) async fn backends(
    arguments: &WatchBackendsArguments,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let (upstream, backend_id) = match arguments.name().named()? {
        Named::One(name) => (name.upstream, name.id),
        Named::Only(upstream) => (upstream.unwrap_or_default(), String::new()),
    };
    printer.append();
    follow(&mut WatchedBackends { upstream, backend_id, left: Left::default() }, global, printer, None).await
}

struct WatchedBackends {
    upstream: String,
    backend_id: String,
    left: Left,
}

impl Follow for WatchedBackends {
    type Message = WatchBackendsResponse;

    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status> {
        let (upstream, backend_id) = (self.upstream.clone(), self.backend_id.clone());
        let request = WatchBackendsRequest { upstream, backend_id, watch: self.left.options() };
        client.backends().watch_backends(request).await
    }

    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        // A state that did not come whole is no state to go on from.
        if !matches!(&message.message, Some(Backends::Resync(part)) if !part.end) {
            self.left.at(message.revision, &message.instance);
        }
        if !matches!(message.message, Some(Backends::Heartbeat(_))) {
            printer.show("WatchBackendsResponse", &message, view::backend_events)?;
        }
        Ok(false)
    }
}

/// `speedctl config watch`.
pub(super) async fn config(global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    printer.append();
    follow(&mut WatchedConfig(Left::default()), global, printer, None).await
}

struct WatchedConfig(Left);

impl Follow for WatchedConfig {
    type Message = WatchConfigResponse;

    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status> {
        client.config().watch_config(WatchConfigRequest { watch: self.0.options() }).await
    }

    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        if !matches!(&message.message, Some(Config::Resync(part)) if !part.end) {
            self.0.at(message.revision, &message.instance);
        }
        if !matches!(message.message, Some(Config::Heartbeat(_))) {
            printer.show("WatchConfigResponse", &message, view::config_event)?;
        }
        Ok(false)
    }
}

/// `speedctl events`.
pub(super) async fn events(
    arguments: &EventsArguments,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let request = WatchEventsRequest {
        types: arguments.types.iter().map(|kind| (*kind).into()).collect(),
        severity: arguments.severity.into(),
        recent: arguments.recent,
        ..WatchEventsRequest::default()
    };
    printer.append();
    follow(&mut WatchedEvents(request), global, printer, None).await
}

/// With where it was left.
struct WatchedEvents(WatchEventsRequest);

impl Follow for WatchedEvents {
    type Message = WatchEventsResponse;

    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status> {
        client.server().watch_events(self.0.clone()).await
    }

    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        let began_anew = matches!(message.message, Some(Events::Resync(_)));
        if began_anew && self.0.resume_sequence.is_some() {
            printer.note("events between are lost: the proxy no longer has them")?;
        }
        self.0.resume_sequence = Some(message.sequence);
        self.0.resume_instance.clone_from(&message.instance);
        // Whoever goes on at another process has seen nothing of it.
        self.0.recent = self.0.recent.max(1);
        if let Some(Events::Event(event)) = &message.message {
            printer.show("Event", event, view::event)?;
        }
        Ok(false)
    }
}

/// `speedctl stats … --watch`.
pub(super) async fn stats(
    of: watch_stats_request::Of,
    period: std::time::Duration,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    printer.repeat();
    let interval = WireDuration { seconds: period.as_secs() as i64, nanos: period.subsec_nanos() as i32 };
    let request = WatchStatsRequest { of: Some(of), interval: Some(interval) };
    follow(&mut WatchedStats(request), global, printer, None).await
}

struct WatchedStats(WatchStatsRequest);

impl Follow for WatchedStats {
    type Message = WatchStatsResponse;

    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status> {
        client.stats().watch_stats(self.0.clone()).await
    }

    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        match &message.of {
            Some(watch_stats_response::Of::Server(stats)) => {
                printer.show("GetServerStatsResponse", stats, view::server_stats)?;
            }
            Some(watch_stats_response::Of::Group(stats)) => {
                printer.show("GetUpstreamStatsResponse", stats, view::upstream_stats)?;
            }
            Some(watch_stats_response::Of::Backend(stats)) => {
                printer.show("GetBackendStatsResponse", stats, view::backend_stats)?;
            }
            None => {}
        }
        Ok(false)
    }
}
