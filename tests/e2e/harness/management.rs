//! A client of the management API.

use std::future::Future;
use std::net::SocketAddr;

use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::config_service_client::ConfigServiceClient;
use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::server_service_client::ServerServiceClient;
use speedmimi_proto::v1::stats_service_client::StatsServiceClient;
use speedmimi_proto::v1::stream_service_client::StreamServiceClient;
use speedmimi_proto::v1::upstream_service_client::UpstreamServiceClient;
use speedmimi_proto::v1::*;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::wait::PATIENCE;

/// One connection to the management API, used from blocking code.
pub struct Management {
    runtime: Runtime,
    channel: Channel,
}

impl Management {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address is a valid URI");
        let channel = runtime.block_on(endpoint.connect()).unwrap_or_else(|error| panic!("{address}: {error:?}"));
        Self { runtime, channel }
    }

    /// Waits for one call, not for ever.
    pub fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        let bounded = async {
            let late = |_| Err(Status::deadline_exceeded(format!("no answer within {PATIENCE:?}")));
            tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(late)
        };
        self.runtime.block_on(bounded).map(Response::into_inner)
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn backends(&self) -> BackendServiceClient<Channel> {
        BackendServiceClient::new(self.channel())
    }

    pub fn upstreams(&self) -> UpstreamServiceClient<Channel> {
        UpstreamServiceClient::new(self.channel())
    }

    pub fn routes(&self) -> RouteServiceClient<Channel> {
        RouteServiceClient::new(self.channel())
    }

    pub fn stats(&self) -> StatsServiceClient<Channel> {
        StatsServiceClient::new(self.channel())
    }

    pub fn config(&self) -> ConfigServiceClient<Channel> {
        ConfigServiceClient::new(self.channel())
    }

    pub fn streams(&self) -> StreamServiceClient<Channel> {
        StreamServiceClient::new(self.channel())
    }

    pub fn server(&self) -> ServerServiceClient<Channel> {
        ServerServiceClient::new(self.channel())
    }

    /// A backend of upstream `default`.
    #[track_caller]
    pub fn entry(&self, id: &str) -> BackendEntry {
        let request = GetBackendRequest { upstream: "default".into(), backend_id: id.into(), explain: false };
        let answer =
            self.call(self.backends().get_backend(request)).unwrap_or_else(|error| panic!("get {id}: {error}"));
        answer.backend.expect("the backend asked for")
    }

    /// What is configured of a backend of upstream `default`.
    #[track_caller]
    pub fn backend(&self, id: &str) -> Backend {
        self.entry(id).backend.expect("what is configured")
    }

    /// What is observed of a backend of upstream `default`.
    #[track_caller]
    pub fn status(&self, id: &str) -> BackendStatus {
        self.entry(id).status.expect("what is observed")
    }

    /// Adds a backend to upstream `default`.
    pub fn add(&self, backend: Backend) -> Result<AddBackendResponse, Status> {
        let request = AddBackendRequest { upstream: "default".into(), backend: Some(backend), options: None };
        self.call(self.backends().add_backend(request))
    }

    /// Changes the fields of a backend of upstream `default` that are set.
    pub fn update(&self, backend: Backend) -> Result<UpdateBackendResponse, Status> {
        let request = UpdateBackendRequest { backend: Some(backend), ..UpdateBackendRequest::default() };
        self.call(self.backends().update_backend(request))
    }

    #[track_caller]
    pub fn set_max_conn(&self, id: &str, max_conn: i32) {
        let change = Backend { id: id.into(), max_conn: Some(max_conn), ..Backend::default() };
        self.update(change).unwrap_or_else(|error| panic!("max_conn {max_conn} of {id}: {error}"));
    }

    #[track_caller]
    pub fn enable(&self, id: &str) {
        let request = EnableBackendRequest { backend_id: id.into(), ..EnableBackendRequest::default() };
        self.call(self.backends().enable_backend(request)).unwrap_or_else(|error| panic!("enable {id}: {error}"));
    }

    #[track_caller]
    pub fn disable(&self, id: &str) {
        let request = DisableBackendRequest { backend_id: id.into(), ..DisableBackendRequest::default() };
        self.call(self.backends().disable_backend(request)).unwrap_or_else(|error| panic!("disable {id}: {error}"));
    }

    /// Removes a backend of upstream `default`.
    pub fn remove(&self, id: &str) -> Result<RemoveBackendResponse, Status> {
        let request = RemoveBackendRequest { backend_id: id.into(), ..RemoveBackendRequest::default() };
        self.call(self.backends().remove_backend(request))
    }

    #[track_caller]
    pub fn disconnect(&self, id: &str, keep_enabled: bool) -> DisconnectBackendResponse {
        let request =
            DisconnectBackendRequest { backend_id: id.into(), keep_enabled, ..DisconnectBackendRequest::default() };
        self.call(self.backends().disconnect_backend(request))
            .unwrap_or_else(|error| panic!("disconnect {id}: {error}"))
    }

    pub fn reload(&self) -> Result<ReloadConfigResponse, Status> {
        self.call(self.config().reload_config(ReloadConfigRequest::default()))
    }

    /// Every exchange that fits, over pages of that size.
    #[track_caller]
    pub fn list_streams(&self, filter: StreamFilter, page_size: u32) -> Vec<Stream> {
        let mut all: Vec<Stream> = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListStreamsRequest { filter: Some(filter.clone()), page_size, page_token };
            let page = self.call(self.streams().list_streams(request));
            let page = page.unwrap_or_else(|error| panic!("list streams: {error}"));
            all.extend(page.streams);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// Ends the exchanges that fit.
    pub fn kill_streams(&self, filter: StreamFilter) -> Result<KillStreamsResponse, Status> {
        let request = KillStreamsRequest { filter: Some(filter), ..KillStreamsRequest::default() };
        self.call(self.streams().kill_streams(request))
    }

    pub fn explain(&self, request: ExplainPickRequest) -> Result<ExplainPickResponse, Status> {
        self.call(self.routes().explain_pick(request))
    }

    pub fn drain_server(&self, request: DrainServerRequest) -> Result<DrainServerResponse, Status> {
        self.call(self.server().drain_server(request))
    }

    /// Takes a backend of upstream `default` out, with what it is doing.
    #[track_caller]
    pub fn force_remove(&self, id: &str) -> RemoveBackendResponse {
        let request = RemoveBackendRequest { backend_id: id.into(), force: true, ..RemoveBackendRequest::default() };
        self.call(self.backends().remove_backend(request)).unwrap_or_else(|error| panic!("remove {id}: {error}"))
    }

    /// The configuration in force and what lies over the file.
    #[track_caller]
    pub fn shown(&self) -> GetConfigResponse {
        let request = GetConfigRequest { explain: true, ..GetConfigRequest::default() };
        self.call(self.config().get_config(request)).unwrap_or_else(|error| panic!("get config: {error}"))
    }

    pub fn apply(&self, document: &str, options: MutationOptions) -> Result<ApplyConfigResponse, Status> {
        let request = ApplyConfigRequest { document: document.to_owned(), options: Some(options) };
        self.call(self.config().apply_config(request))
    }

    /// Forgets changes: of everything, of an object, or of one field.
    pub fn clear(&self, object: &str, field: &str) -> Result<ClearOverlayResponse, Status> {
        let request = ClearOverlayRequest { object: object.into(), field: field.into(), options: None };
        self.call(self.config().clear_overlay(request))
    }

    pub fn add_upstream(&self, upstream: Upstream) -> Result<AddUpstreamResponse, Status> {
        self.call(self.upstreams().add_upstream(AddUpstreamRequest { upstream: Some(upstream), options: None }))
    }

    /// Changes the fields of an upstream that are set.
    pub fn update_upstream(&self, upstream: Upstream) -> Result<UpdateUpstreamResponse, Status> {
        let request = UpdateUpstreamRequest { upstream: Some(upstream), ..UpdateUpstreamRequest::default() };
        self.call(self.upstreams().update_upstream(request))
    }

    pub fn remove_upstream(&self, upstream: &str, force: bool) -> Result<RemoveUpstreamResponse, Status> {
        let request = RemoveUpstreamRequest { upstream: upstream.into(), force, options: None };
        self.call(self.upstreams().remove_upstream(request))
    }

    pub fn add_route(&self, route: Route) -> Result<AddRouteResponse, Status> {
        self.call(self.routes().add_route(AddRouteRequest { route: Some(route), options: None }))
    }

    /// Changes the fields of a route that are set.
    pub fn update_route(&self, route: Route) -> Result<UpdateRouteResponse, Status> {
        let request = UpdateRouteRequest { route: Some(route), ..UpdateRouteRequest::default() };
        self.call(self.routes().update_route(request))
    }

    pub fn remove_route(&self, route: &str) -> Result<RemoveRouteResponse, Status> {
        self.call(self.routes().remove_route(RemoveRouteRequest { route: route.into(), options: None }))
    }
}
