//! `speedctl stats`.

use speedmimi_proto::v1::watch_stats_request::Of;
use speedmimi_proto::v1::{GetBackendStatsRequest, GetServerStatsRequest, GetUpstreamStatsRequest};

use crate::args::{Global, StatsVerb, WatchArguments};
use crate::client::Client;
use crate::failure::Failure;
use crate::name::BackendName;
use crate::printer::Printer;
use crate::view;

/// Runs a verb of this noun.
pub(super) async fn run(verb: StatsVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if let StatsVerb::Backend { name, .. } = &verb {
        // What is wrong with the command line itself is said before anybody is asked.
        name.named()?;
    }
    let client = Client::connect(global).await?;
    let (subject, WatchArguments { watch }) = match verb {
        StatsVerb::Server { watch } => (Subject::Server, watch),
        StatsVerb::Upstream { upstream, watch } => (Subject::Upstream(upstream), watch),
        StatsVerb::Backend { name, watch } => (Subject::Backend(name.resolve(&client).await?), watch),
    };
    match watch {
        Some(period) => super::watch::stats(subject.watched(), period, global, printer).await,
        None => subject.show(&client, printer).await,
    }
}

/// Whose figures are wanted.
enum Subject {
    Server,
    Upstream(String),
    Backend(BackendName),
}

impl Subject {
    fn watched(self) -> Of {
        match self {
            Self::Server => Of::Server(GetServerStatsRequest {}),
            Self::Upstream(upstream) => Of::Group(GetUpstreamStatsRequest { upstream }),
            Self::Backend(BackendName { upstream, id }) => {
                Of::Backend(GetBackendStatsRequest { upstream, backend_id: id })
            }
        }
    }

    async fn show(&self, client: &Client, printer: &mut Printer<'_>) -> Result<(), Failure> {
        match self {
            Self::Server => {
                let stats = client.answer(client.stats().get_server_stats(GetServerStatsRequest {})).await?;
                printer.show("GetServerStatsResponse", &stats, view::server_stats)
            }
            Self::Upstream(upstream) => {
                let request = GetUpstreamStatsRequest { upstream: upstream.clone() };
                let stats = client.answer(client.stats().get_upstream_stats(request)).await?;
                printer.show("GetUpstreamStatsResponse", &stats, view::upstream_stats)
            }
            Self::Backend(BackendName { upstream, id }) => {
                let request = GetBackendStatsRequest { upstream: upstream.clone(), backend_id: id.clone() };
                let stats = client.answer(client.stats().get_backend_stats(request)).await?;
                printer.show("GetBackendStatsResponse", &stats, view::backend_stats)
            }
        }
    }
}
