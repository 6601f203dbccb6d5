//! Carries calls to a proxy, each within the time it may take.

use std::future::Future;
use std::time::Duration;

use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::config_service_client::ConfigServiceClient;
use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::server_service_client::ServerServiceClient;
use speedmimi_proto::v1::stats_service_client::StatsServiceClient;
use speedmimi_proto::v1::stream_service_client::StreamServiceClient;
use speedmimi_proto::v1::upstream_service_client::UpstreamServiceClient;
use speedmimi_proto::v1::{
    BackendEntry, GetBackendRequest, GetUpstreamRequest, ListBackendsRequest, ListBackendsResponse, ListRoutesRequest,
    ListRoutesResponse, ListStreamsRequest, ListStreamsResponse, ListUpstreamsRequest, ListUpstreamsResponse,
    UpstreamEntry,
};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint as Transport};
use tonic::{Response, Status};

use crate::args::Global;
use crate::credentials::Bearer;
use crate::failure::{Failure, root};
use crate::name::BackendName;

/// What calls go through: the connection, and the token on each of them.
pub(crate) type Wire = InterceptedService<Channel, Bearer>;

/// A connection to one proxy.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    channel: Wire,
    timeout: Duration,
    /// As the user wrote it.
    endpoint: String,
}

impl Client {
    /// Connects; that nobody is there is known before anything is sent.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        let endpoint = global.endpoint.to_string();
        let unreachable = |reason: String| Failure::Unreachable { endpoint: endpoint.clone(), reason };
        let transport = Transport::from_shared(global.endpoint.uri().to_owned())
            .map_err(|error| unreachable(root(&error)))?
            .user_agent(concat!("speedctl/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| unreachable(root(&error)))?;
        let transport = if global.endpoint.is_secure() {
            let tls = global.credentials.tls()?;
            transport.tls_config(tls).map_err(|error| Failure::of_connecting(&error, &endpoint))?
        } else {
            transport
        };
        let bearer = global.credentials.bearer(&global.endpoint)?;
        let channel = match tokio::time::timeout(global.timeout, Box::pin(transport.connect())).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(Failure::of_connecting(&error, &endpoint)),
            Err(_) => return Err(unreachable(format!("no connection within {:?}", global.timeout))),
        };
        let channel = InterceptedService::new(channel, bearer);
        Ok(Self { channel, timeout: global.timeout, endpoint })
    }

    /// Where it leads, as the user wrote it.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Calls about backends.
    pub(crate) fn backends(&self) -> BackendServiceClient<Wire> {
        BackendServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Calls about upstreams.
    pub(crate) fn upstreams(&self) -> UpstreamServiceClient<Wire> {
        UpstreamServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Calls about routes.
    pub(crate) fn routes(&self) -> RouteServiceClient<Wire> {
        RouteServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Calls about the configuration.
    pub(crate) fn config(&self) -> ConfigServiceClient<Wire> {
        ConfigServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Calls about figures.
    pub(crate) fn stats(&self) -> StatsServiceClient<Wire> {
        StatsServiceClient::new(self.channel.clone())
    }

    /// Calls about exchanges in flight.
    pub(crate) fn streams(&self) -> StreamServiceClient<Wire> {
        StreamServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Calls about the process.
    pub(crate) fn server(&self) -> ServerServiceClient<Wire> {
        ServerServiceClient::new(self.channel.clone())
    }

    /// Waits for an answer as long as the user wants to.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, Box::pin(call)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of_status(status, &self.endpoint)),
            Err(_) => Err(Failure::Late { endpoint: self.endpoint.clone(), timeout: self.timeout }),
        }
    }

    /// Every backend of an upstream, or of all of them, as one answer.
    pub(crate) async fn all_backends(&self, upstream: Option<&str>) -> Result<ListBackendsResponse, Failure> {
        let mut whole = ListBackendsResponse::default();
        let all = async |page_token| {
            let upstream = upstream.unwrap_or_default().to_owned();
            let request = ListBackendsRequest { upstream, page_size: 0, page_token };
            let page = self.answer(self.backends().list_backends(request)).await?;
            whole.backends.extend(page.backends);
            whole.revision = page.revision;
            Ok(page.next_page_token)
        };
        self.pages(all).await.map(|()| whole)
    }

    /// Every upstream as one answer.
    pub(crate) async fn all_upstreams(&self) -> Result<ListUpstreamsResponse, Failure> {
        let mut whole = ListUpstreamsResponse::default();
        let all = async |page_token| {
            let request = ListUpstreamsRequest { page_size: 0, page_token };
            let page = self.answer(self.upstreams().list_upstreams(request)).await?;
            whole.upstreams.extend(page.upstreams);
            whole.revision = page.revision;
            Ok(page.next_page_token)
        };
        self.pages(all).await.map(|()| whole)
    }

    /// Every route as one answer.
    pub(crate) async fn all_routes(&self) -> Result<ListRoutesResponse, Failure> {
        let mut whole = ListRoutesResponse::default();
        let all = async |page_token| {
            let request = ListRoutesRequest { page_size: 0, page_token };
            let page = self.answer(self.routes().list_routes(request)).await?;
            whole.routes.extend(page.routes);
            whole.revision = page.revision;
            Ok(page.next_page_token)
        };
        self.pages(all).await.map(|()| whole)
    }

    /// Every exchange that fits, as one answer.
    pub(crate) async fn all_streams(&self, request: &ListStreamsRequest) -> Result<ListStreamsResponse, Failure> {
        let mut whole = ListStreamsResponse::default();
        let all = async |page_token| {
            let request = ListStreamsRequest { page_token, ..request.clone() };
            let page = self.answer(self.streams().list_streams(request)).await?;
            whole.streams.extend(page.streams);
            whole.total = page.total;
            Ok(page.next_page_token)
        };
        self.pages(all).await.map(|()| whole)
    }

    /// Asks for page after page; each answers with the token of the next.
    async fn pages(&self, mut page: impl AsyncFnMut(String) -> Result<String, Failure>) -> Result<(), Failure> {
        let mut token = String::new();
        loop {
            let next = page(token.clone()).await?;
            if next.is_empty() {
                return Ok(());
            }
            if next == token {
                return Err(self.incomplete("a next page: the same token came twice"));
            }
            token = next;
        }
    }

    /// One backend as it is now.
    pub(crate) async fn backend(&self, name: &BackendName) -> Result<BackendEntry, Failure> {
        let (upstream, backend_id) = (name.upstream.clone(), name.id.clone());
        let request = GetBackendRequest { upstream, backend_id, explain: false };
        let response = self.answer(self.backends().get_backend(request)).await?;
        response.backend.ok_or_else(|| self.incomplete("the backend"))
    }

    /// One upstream as it is now.
    pub(crate) async fn upstream(&self, name: &str) -> Result<UpstreamEntry, Failure> {
        let request = GetUpstreamRequest { upstream: name.to_owned(), explain: false };
        let response = self.answer(self.upstreams().get_upstream(request)).await?;
        response.upstream.ok_or_else(|| self.incomplete("the upstream"))
    }

    fn incomplete(&self, what: &'static str) -> Failure {
        Failure::Incomplete { endpoint: self.endpoint.clone(), what }
    }
}

/// A page of a thousand backends, or the document of a large configuration, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;
