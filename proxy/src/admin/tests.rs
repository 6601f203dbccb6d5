//! The gRPC face as its callers see it, over a real socket; no workers, so that every publication is at once.

use std::sync::Arc;

use speedmimi_model::Config;
use speedmimi_proto::v1;
use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::config_service_client::ConfigServiceClient;
use speedmimi_proto::v1::server_service_client::ServerServiceClient;
use speedmimi_proto::v1::stats_service_client::StatsServiceClient;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::*;
use crate::control::{Controller, Lifecycle, Setup};
use crate::live::Live;
use crate::worker::mailbox::Mailboxes;

mod answers;
mod audit;
mod config;
mod drains;
mod durations;
mod groups;
mod limits;
mod stale;
mod violations;
mod watches;

struct Proxy {
    channel: Channel,
    uri: String,
    lifecycle: Arc<Lifecycle>,
    live: Arc<Live>,
    control: Control,
    _faces: Faces,
}

impl Proxy {
    async fn start() -> Self {
        let listener = bind::tcp("grpc", &speedmimi_model::Management::on(0)).expect("a free port");
        let uri = format!("http://{}", listener.local_addr().expect("bound"));
        Self::start_on(Endpoint::Tcp(listener), uri).await
    }

    /// With another time for calls.
    async fn start_within(call: Duration) -> Self {
        let listener = bind::tcp("grpc", &speedmimi_model::Management::on(0)).expect("a free port");
        let uri = format!("http://{}", listener.local_addr().expect("bound"));
        Box::pin(Self::serve(call, Endpoint::Tcp(listener), uri, &Config::default())).await
    }

    /// For those who may call by this configuration.
    async fn start_for(access: &Config) -> Self {
        let listener = bind::tcp("grpc", &speedmimi_model::Management::on(0)).expect("a free port");
        let uri = format!("http://{}", listener.local_addr().expect("bound"));
        Box::pin(Self::serve(CALL, Endpoint::Tcp(listener), uri, access)).await
    }

    async fn start_on(endpoint: Endpoint, uri: String) -> Self {
        Box::pin(Self::serve(CALL, endpoint, uri, &Config::default())).await
    }

    /// Over so many backends.
    async fn start_over(backends: u16) -> Self {
        let listener = bind::tcp("grpc", &speedmimi_model::Management::on(0)).expect("a free port");
        let uri = format!("http://{}", listener.local_addr().expect("bound"));
        let config = Config::for_backends((81..81 + backends).map(|port| ("127.0.0.1".into(), port)));
        Box::pin(Self::serve_over(config, CALL, Endpoint::Tcp(listener), uri, &Config::default())).await
    }

    async fn serve(call: Duration, endpoint: Endpoint, uri: String, access: &Config) -> Self {
        let config = Config::for_backends([("127.0.0.1".into(), 81), ("127.0.0.1".into(), 82)]);
        Box::pin(Self::serve_over(config, call, endpoint, uri, access)).await
    }

    async fn serve_over(config: Config, call: Duration, endpoint: Endpoint, uri: String, access: &Config) -> Self {
        let (live, lifecycle) = (Arc::new(Live::new(1)), Arc::new(Lifecycle::new()));
        let setup =
            Setup { config, file: None, live: live.clone(), lifecycle: lifecycle.clone(), descriptors: 100_000 };
        let (controller, control) = Controller::prepare(setup).await.expect("nothing is stored");
        tokio::spawn(controller.run(Mailboxes(Vec::new())));
        let access = Access::load(access).expect("its files are good");
        let facts = Facts { listeners: Vec::new(), grpc: Some(uri.clone()), admin: None, descriptors: 9 };
        let faces = start_within(call, Some(endpoint), None, &control, facts, &access).await.expect("it starts");
        lifecycle.enter(Phase::Serving);
        let channel = tonic::transport::Endpoint::from_shared(uri.clone()).expect("a URI").connect().await;
        Self { channel: channel.expect("it listens"), uri, lifecycle, live, control, _faces: faces }
    }

    fn backends(&self) -> BackendServiceClient<Channel> {
        BackendServiceClient::new(self.channel.clone())
    }

    async fn get(&self, id: &str) -> Result<v1::BackendEntry, tonic::Status> {
        let request = v1::GetBackendRequest { backend_id: id.into(), ..Default::default() };
        let entry = self.backends().get_backend(request).await?.into_inner().backend;
        Ok(entry.expect("an entry"))
    }

    async fn max_conn(
        &self,
        id: &str,
        max_conn: i32,
        options: v1::MutationOptions,
    ) -> Result<v1::UpdateBackendResponse, tonic::Status> {
        let backend = v1::Backend { id: id.into(), max_conn: Some(max_conn), ..v1::Backend::default() };
        let request = v1::UpdateBackendRequest { backend: Some(backend), options: Some(options), ..Default::default() };
        Ok(self.backends().update_backend(request).await?.into_inner())
    }
}

const ONE: &str = "127.0.0.1:81";

#[tokio::test]
async fn an_update_is_in_force_when_it_is_answered() {
    let proxy = Proxy::start().await;
    let slots = proxy.live.find_backend("default", ONE).expect("configured");
    assert!(!slots.slots.is_closed());
    let done = proxy.max_conn(ONE, 200, v1::MutationOptions::default()).await.expect("valid");
    assert_eq!((done.revision, slots.slots.cap()), (2, 200));
    let entry = proxy.get(ONE).await.expect("it exists");
    let (backend, status) = (entry.backend.expect("set"), entry.status.expect("set"));
    assert_eq!((backend.max_conn, status.effective_max_conn, status.revision), (Some(200), 200, 2));
    assert_eq!(status.addresses, [ONE]);
}

#[tokio::test]
async fn validate_only_changes_nothing_and_shows_what_would_be() {
    let proxy = Proxy::start().await;
    let options = v1::MutationOptions { validate_only: true, ..Default::default() };
    let shown = proxy.max_conn(ONE, 200, options).await.expect("valid");
    assert_eq!(shown.revision, 1);
    assert_eq!(shown.backend.and_then(|entry| entry.backend).and_then(|backend| backend.max_conn), Some(200));
    let entry = proxy.get(ONE).await.expect("it exists");
    assert_eq!(entry.backend.and_then(|backend| backend.max_conn), Some(0));
}

#[tokio::test]
async fn another_revision_than_expected_aborts() {
    let proxy = Proxy::start().await;
    let expect = |revision| v1::MutationOptions { expected_revision: Some(revision), ..Default::default() };
    proxy.max_conn(ONE, 5, expect(1)).await.expect("it is at 1");
    let refused = proxy.max_conn(ONE, 6, expect(1)).await.expect_err("it is at 2");
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(proxy.live.find_backend("default", ONE).expect("there").slots.cap(), 5);
}

#[tokio::test]
async fn a_mask_takes_a_field_back_to_the_file() {
    let proxy = Proxy::start().await;
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let request = v1::UpdateBackendRequest {
        backend: Some(v1::Backend { id: ONE.into(), ..v1::Backend::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["max_conn".into()] }),
        ..Default::default()
    };
    proxy.backends().update_backend(request).await.expect("valid");
    assert_eq!(proxy.get(ONE).await.expect("there").backend.and_then(|backend| backend.max_conn), Some(0));
}

#[tokio::test]
async fn a_backend_comes_and_goes() {
    let proxy = Proxy::start().await;
    let backend = v1::Backend {
        id: "new".into(),
        host: Some("localhost".into()),
        port: Some(83),
        health_check: Some(v1::HealthCheck::default()),
        ..v1::Backend::default()
    };
    let request = v1::AddBackendRequest { backend: Some(backend), ..Default::default() };
    let added = proxy.backends().add_backend(request.clone()).await.expect("valid").into_inner();
    let status = added.backend.and_then(|entry| entry.status).expect("set");
    assert_eq!((added.revision, status.health), (2, v1::HealthState::Unknown.into()));
    assert!(!status.addresses.is_empty(), "its name was resolved before it was published");
    let again = proxy.backends().add_backend(request).await.expect_err("it exists");
    assert_eq!(again.code(), Code::AlreadyExists);
    let state = proxy.live.find_backend("default", "new").expect("there");
    let remove = v1::RemoveBackendRequest { backend_id: "new".into(), ..Default::default() };
    let removed = proxy.backends().remove_backend(remove.clone()).await.expect("it exists").into_inner();
    assert_eq!(removed.revision, 3);
    assert!(state.slots.is_closed());
    assert_eq!(proxy.get("new").await.expect_err("it is gone").code(), Code::NotFound);
    assert_eq!(proxy.backends().remove_backend(remove).await.expect_err("it is gone").code(), Code::NotFound);
}

#[tokio::test]
async fn a_backend_at_work_is_removed_by_force_alone() {
    let proxy = Proxy::start().await;
    let state = proxy.live.find_backend("default", ONE).expect("there");
    state.slots.try_acquire().expect("it is free");
    let remove = |force, validate_only| {
        let options = Some(v1::MutationOptions { validate_only, ..Default::default() });
        let request = v1::RemoveBackendRequest { backend_id: ONE.into(), force, options, ..Default::default() };
        async { proxy.backends().remove_backend(request).await.map(tonic::Response::into_inner) }
    };
    for validate_only in [false, true] {
        let refused = remove(false, validate_only).await.expect_err("it is at work");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("1 exchange in flight"), "{}", refused.message());
        let details = refused.get_error_details();
        let info = details.error_info().expect("a reason");
        assert_eq!((info.reason.as_str(), info.metadata["in_flight"].as_str()), ("EXCHANGES_IN_FLIGHT", "1"));
    }
    assert!(!state.slots.is_closed(), "nothing was changed");
    assert_eq!(remove(true, true).await.expect("it can be").revision, 1);
    assert!(!state.slots.is_closed(), "it was only asked");
    assert_eq!(remove(true, false).await.expect("it can be").revision, 2);
    assert!(state.slots.is_closed());
}

#[tokio::test]
async fn disconnect_keeps_a_backend_out_until_enable() {
    let proxy = Proxy::start().await;
    let disconnect = v1::DisconnectBackendRequest { backend_id: ONE.into(), ..Default::default() };
    let done = proxy.backends().disconnect_backend(disconnect).await.expect("it exists").into_inner();
    let state = |entry: Option<v1::BackendEntry>| entry.and_then(|entry| entry.status).map(|status| status.admin_state);
    assert_eq!((done.revision, state(done.backend)), (1, Some(v1::AdminState::Disabled.into())));
    let slots = proxy.live.find_backend("default", ONE).expect("there");
    assert!(slots.slots.is_closed());
    let enable = v1::EnableBackendRequest { backend_id: ONE.into(), ..Default::default() };
    let done = proxy.backends().enable_backend(enable).await.expect("it exists").into_inner();
    assert_eq!((done.revision, state(done.backend)), (2, Some(v1::AdminState::Enabled.into())));
    assert!(!slots.slots.is_closed());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let proxy = Proxy::start().await;
    let mut page = v1::ListBackendsRequest { page_size: 1, ..Default::default() };
    let mut ids = Vec::new();
    loop {
        let answer = proxy.backends().list_backends(page.clone()).await.expect("valid").into_inner();
        ids.extend(answer.backends.into_iter().filter_map(|entry| entry.backend).map(|backend| backend.id));
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, [ONE, "127.0.0.1:82"]);
    page.page_token = "default/gone".into();
    assert_eq!(proxy.backends().list_backends(page).await.expect_err("gone").code(), Code::InvalidArgument);
    let other = v1::ListBackendsRequest { upstream: "other".into(), ..Default::default() };
    assert_eq!(proxy.backends().list_backends(other).await.expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test]
async fn a_report_is_taken_and_shown() {
    let proxy = Proxy::start().await;
    let report = |sequence| v1::ReportPerformanceRequest {
        backend_id: ONE.into(),
        performance: Some(v1::Performance { cpu_usage: Some(50.0), ..Default::default() }),
        sequence,
        ..Default::default()
    };
    assert!(proxy.backends().report_performance(report(2)).await.expect("valid").into_inner().accepted);
    assert!(!proxy.backends().report_performance(report(1)).await.expect("valid").into_inner().accepted);
    let shown = proxy.get(ONE).await.expect("there").status.and_then(|status| status.report).expect("reported");
    assert!(shown.fresh);
    assert_eq!(shown.performance.and_then(|performance| performance.cpu_usage), Some(50.0));
}

#[tokio::test]
async fn stats_and_configuration_and_server_answer() {
    let proxy = Proxy::start().await;
    let mut stats = StatsServiceClient::new(proxy.channel.clone());
    let server = stats.get_server_stats(v1::GetServerStatsRequest {}).await.expect("it answers").into_inner();
    assert_eq!(server.windows.len(), 3);
    let upstream =
        stats.get_upstream_stats(v1::GetUpstreamStatsRequest::default()).await.expect("default").into_inner();
    assert_eq!((upstream.backends, upstream.available), (2, 2));
    let backend = v1::GetBackendStatsRequest { backend_id: ONE.into(), ..Default::default() };
    assert_eq!(stats.get_backend_stats(backend).await.expect("there").into_inner().backend_id, ONE);
    let mut config = ConfigServiceClient::new(proxy.channel.clone());
    let shown = config.get_config(v1::GetConfigRequest::default()).await.expect("it answers").into_inner();
    assert!(shown.document.contains("127.0.0.1") && !shown.has_overlay, "{}", shown.document);
    let refused = config.reload_config(v1::ReloadConfigRequest::default()).await.expect_err("no file");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(proxy.lifecycle.reloads(), (0, 1));
    let mut server = ServerServiceClient::new(proxy.channel.clone());
    let info = server.get_server_info(v1::GetServerInfoRequest {}).await.expect("it answers").into_inner();
    assert!(info.changes_are_volatile && !info.draining && info.pid == std::process::id());
}

#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_the_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("grpc.sock");
    let socket = UnixSocket::bind(&path).expect("a new file");
    let proxy = Proxy::start_on(Endpoint::Unix(socket), format!("unix://{}", path.display())).await;
    assert!(proxy.get(ONE).await.is_ok());
    drop(proxy);
    assert!(!path.exists());
}

#[tokio::test]
async fn health_follows_the_phase() {
    let proxy = Proxy::start().await;
    let mut health = HealthClient::new(proxy.channel.clone());
    for service in ["", "speedmimi.v1.BackendService", "speedmimi.v1.StreamService"] {
        let request = HealthCheckRequest { service: service.into() };
        let mut changes = health.watch(request).await.expect("known").into_inner();
        let mut becomes = async |wanted: ServingStatus| {
            while let Some(answer) = changes.message().await.expect("a stream") {
                if answer.status() == wanted {
                    return;
                }
            }
            panic!("the stream ended before {wanted:?}");
        };
        proxy.lifecycle.enter(Phase::Serving);
        becomes(ServingStatus::Serving).await;
        proxy.lifecycle.enter(Phase::Draining);
        becomes(ServingStatus::NotServing).await;
    }
}

#[tokio::test]
async fn what_no_version_or_a_later_one_has_is_not_implemented() {
    let proxy = Proxy::start().await;
    let long = format!("/speedmimi.v1.BackendService/{}", "x".repeat(3000));
    for path in [
        "/speedmimi.v1.Foo/Bar",
        "/speedmimi.v1.BackendService/Nope",
        "/grpc.channelz.v1.Channelz/GetServers",
        "/speedmimi.v1.BackendService/SetBreaker",
        "/speedmimi.v1.BackendService/KeepAliveBackend",
        "/speedmimi.v1.BackendService/StreamPerformance",
        "/speedmimi.v1.ConfigService/ReloadCertificates",
        "/speedmimi.v1.ConfigService/ListCertificates",
        "/nowhere",
        &long,
    ] {
        let to = path.to_owned();
        let elsewhere = tower::util::MapRequest::new(proxy.channel.clone(), move |mut request: http::Request<Body>| {
            *request.uri_mut() = to.parse().expect("a path");
            request
        });
        let request = v1::GetBackendRequest::default();
        let refused = BackendServiceClient::new(elsewhere).get_backend(request).await.expect_err("nobody has it");
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
        let details = refused.get_error_details();
        let info = details.error_info().expect("a reason");
        assert_eq!((&*info.domain, &*info.reason), ("speedmimi.v1", "UNKNOWN_METHOD"), "{path}");
        assert!(path[1..].starts_with(&info.metadata["method"]) && refused.message().len() < 300, "{refused:?}");
    }
}
