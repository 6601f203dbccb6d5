//! Backends, figures and the process, as a [`Script`] serves them.

use super::watches::{self, Told};
use super::*;

use speedmimi_proto::v1::backend_service_server::BackendService;
use speedmimi_proto::v1::server_service_server::ServerService;
use speedmimi_proto::v1::stats_service_server::StatsService;

pub(super) type Answer<T> = Result<Response<T>, Status>;

/// The revision that every change makes.
pub(super) const NEXT: u64 = 7;

#[tonic::async_trait]
impl BackendService for Script {
    async fn list_backends(&self, request: Request<ListBackendsRequest>) -> Answer<ListBackendsResponse> {
        let request = request.into_inner();
        self.hear(Call::List(request.clone())).await?;
        let wanted = |entry: &&BackendEntry| request.upstream.is_empty() || entry.upstream == request.upstream;
        let all: Vec<BackendEntry> = self.backends.iter().filter(wanted).cloned().collect();
        let from = request.page_token.parse().unwrap_or(0);
        let until = self.page.map_or(all.len(), |page| all.len().min(from + page));
        let next_page_token = if until < all.len() { until.to_string() } else { String::new() };
        Ok(Response::new(ListBackendsResponse { backends: all[from..until].to_vec(), next_page_token, revision: 6 }))
    }

    async fn get_backend(&self, request: Request<GetBackendRequest>) -> Answer<GetBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Get(request.clone())).await?;
        let backend = self.find(&request.upstream, &request.backend_id);
        let backend = backend.ok_or_else(|| Status::not_found(format!("no backend {}", request.backend_id)))?;
        let fields = if request.explain { explained("max_conn") } else { vec![] };
        Ok(Response::new(GetBackendResponse { backend: Some(backend), fields }))
    }

    async fn add_backend(&self, request: Request<AddBackendRequest>) -> Answer<AddBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Add(request.clone())).await?;
        let mut backend = request.backend.unwrap_or_default();
        if backend.id.is_empty() {
            backend.id = format!("{}:{}", backend.host(), backend.port());
        }
        let backend = BackendEntry { upstream: request.upstream, backend: Some(backend), status: None };
        Ok(Response::new(AddBackendResponse { revision: NEXT, backend: Some(backend) }))
    }

    async fn update_backend(&self, request: Request<UpdateBackendRequest>) -> Answer<UpdateBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Update(request.clone())).await?;
        let sent = request.backend.unwrap_or_default();
        let mut backend = self.find(&request.upstream, &sent.id).ok_or_else(|| Status::not_found("no such backend"))?;
        if let Some(backend) = &mut backend.backend {
            backend.max_conn = sent.max_conn.or(backend.max_conn);
        }
        Ok(Response::new(UpdateBackendResponse { revision: NEXT, backend: Some(backend) }))
    }

    async fn remove_backend(&self, request: Request<RemoveBackendRequest>) -> Answer<RemoveBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Remove(request.clone())).await?;
        let backend = self.find(&request.upstream, &request.backend_id);
        Ok(Response::new(RemoveBackendResponse { revision: NEXT, backend }))
    }

    async fn enable_backend(&self, request: Request<EnableBackendRequest>) -> Answer<EnableBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Enable(request.clone())).await?;
        let backend = self.find(&request.upstream, &request.backend_id);
        Ok(Response::new(EnableBackendResponse { revision: NEXT, backend }))
    }

    async fn disable_backend(&self, request: Request<DisableBackendRequest>) -> Answer<DisableBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Disable(request.clone())).await?;
        let backend = self.find(&request.upstream, &request.backend_id);
        Ok(Response::new(DisableBackendResponse { revision: NEXT, backend }))
    }

    async fn disconnect_backend(
        &self,
        request: Request<DisconnectBackendRequest>,
    ) -> Answer<DisconnectBackendResponse> {
        let request = request.into_inner();
        self.hear(Call::Disconnect(request.clone())).await?;
        let backend = self.find(&request.upstream, &request.backend_id);
        Ok(Response::new(DisconnectBackendResponse { revision: 6, backend, cut: 3 }))
    }

    type DrainBackendStream = Told<DrainBackendResponse>;

    async fn drain_backend(&self, request: Request<DrainBackendRequest>) -> Answer<Self::DrainBackendStream> {
        self.hear(Call::Drain(request.into_inner())).await?;
        Ok(Response::new(watches::drain(self.drain_ends)))
    }

    type WatchBackendsStream = Told<WatchBackendsResponse>;

    async fn watch_backends(&self, request: Request<WatchBackendsRequest>) -> Answer<Self::WatchBackendsStream> {
        let request = request.into_inner();
        self.hear(Call::WatchBackends(request.clone())).await?;
        Ok(Response::new(watches::backends(&self.backends, &request)))
    }

    async fn report_performance(
        &self,
        request: Request<ReportPerformanceRequest>,
    ) -> Answer<ReportPerformanceResponse> {
        let request = request.into_inner();
        self.hear(Call::Report(request)).await?;
        Ok(Response::new(ReportPerformanceResponse { accepted: !self.stale_reports, report: None }))
    }
}

#[tonic::async_trait]
impl StatsService for Script {
    type WatchStatsStream = Told<WatchStatsResponse>;

    async fn watch_stats(&self, request: Request<WatchStatsRequest>) -> Answer<Self::WatchStatsStream> {
        use watch_stats_request::Of;
        use watch_stats_response::Of as Stats;
        let request = request.into_inner();
        self.hear(Call::WatchStats(request.clone())).await?;
        let of = Some(match request.of {
            Some(Of::Group(of)) => Stats::Group(self.get_upstream_stats(Request::new(of)).await?.into_inner()),
            Some(Of::Backend(of)) => Stats::Backend(self.get_backend_stats(Request::new(of)).await?.into_inner()),
            _ => Stats::Server(self.get_server_stats(Request::new(GetServerStatsRequest {})).await?.into_inner()),
        });
        Ok(Response::new(watches::told(vec![WatchStatsResponse { of, ..Default::default() }; 9])))
    }

    async fn get_server_stats(&self, _: Request<GetServerStatsRequest>) -> Answer<GetServerStatsResponse> {
        self.hear(Call::ServerStats).await?;
        Ok(Response::new(GetServerStatsResponse {
            connections: 4,
            requests: 1234,
            windows: windows(),
            reasons: BTreeMap::from([("no_backend".to_owned(), 5)]),
            ..GetServerStatsResponse::default()
        }))
    }

    async fn get_upstream_stats(&self, request: Request<GetUpstreamStatsRequest>) -> Answer<GetUpstreamStatsResponse> {
        let request = request.into_inner();
        self.hear(Call::UpstreamStats(request.clone())).await?;
        Ok(Response::new(GetUpstreamStatsResponse {
            upstream: request.upstream,
            available: 2,
            windows: windows(),
            ..GetUpstreamStatsResponse::default()
        }))
    }

    async fn get_backend_stats(&self, request: Request<GetBackendStatsRequest>) -> Answer<GetBackendStatsResponse> {
        let request = request.into_inner();
        self.hear(Call::BackendStats(request.clone())).await?;
        Ok(Response::new(GetBackendStatsResponse {
            upstream: request.upstream,
            backend_id: request.backend_id,
            admitted: 99,
            windows: windows(),
            ..GetBackendStatsResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl ServerService for Script {
    type WatchEventsStream = Told<WatchEventsResponse>;

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        self.hear(Call::WatchEvents(request.into_inner())).await?;
        Ok(Response::new(watches::events()))
    }

    async fn get_server_info(&self, _: Request<GetServerInfoRequest>) -> Answer<GetServerInfoResponse> {
        self.hear(Call::Info).await?;
        Ok(Response::new(GetServerInfoResponse {
            version: "0.1.0".to_owned(),
            pid: 42,
            listeners: vec![Listener { name: "main".to_owned(), address: "127.0.0.1:8080".to_owned() }],
            changes_are_volatile: true,
            ..GetServerInfoResponse::default()
        }))
    }

    async fn set_log_level(&self, request: Request<SetLogLevelRequest>) -> Answer<SetLogLevelResponse> {
        let request = request.into_inner();
        self.hear(Call::LogLevel(request.clone())).await?;
        let until = |ttl: prost_types::Duration| prost_types::Timestamp { seconds: ttl.seconds, nanos: 0 };
        let level = if request.reset { LogLevel::Info.into() } else { request.level };
        let before = LogLevel::Info.into();
        Ok(Response::new(SetLogLevelResponse { level, until: request.ttl.map(until), before }))
    }

    async fn drain_server(&self, request: Request<DrainServerRequest>) -> Answer<DrainServerResponse> {
        let request = request.into_inner();
        self.hear(Call::DrainServer(request.clone())).await?;
        let seconds = request.graceful_timeout.unwrap_or_default().seconds;
        let deadline = Some(prost_types::Timestamp { seconds, nanos: 0 });
        Ok(Response::new(DrainServerResponse { active: 2, connections: 5, deadline, was_draining: false }))
    }
}

fn windows() -> Vec<Window> {
    let length = prost_types::Duration { seconds: 10, nanos: 0 };
    let p50 = prost_types::Duration { seconds: 0, nanos: 1_500_000 };
    vec![Window { length: Some(length), requests: 200, requests_per_second: 20.0, p50: Some(p50), ..Window::default() }]
}

/// A field that the overlay sets, one of the file and one that nobody set.
pub(super) fn explained(field: &str) -> Vec<FieldSource> {
    let at = prost_types::Timestamp { seconds: 1_000_000_000, nanos: 0 };
    let set = FieldSource {
        field: field.to_owned(),
        value: "200".to_owned(),
        layer: Layer::Overlay.into(),
        origin: Some(Origin { who: "ann".to_owned(), at: Some(at), revision: 5 }),
        file_value: Some("100".to_owned()),
        conflict: false,
    };
    let other = |field: &str, value: &str, layer: Layer| FieldSource {
        field: field.to_owned(),
        value: value.to_owned(),
        layer: layer.into(),
        ..FieldSource::default()
    };
    vec![set, other("host", "\"127.0.0.1\"", Layer::File), other("name", "null", Layer::Default)]
}
