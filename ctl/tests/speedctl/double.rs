//! A proxy that answers from a script and remembers what it was asked.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use speedmimi_proto::v1::backend_service_server::BackendServiceServer;
use speedmimi_proto::v1::config_service_server::ConfigServiceServer;
use speedmimi_proto::v1::route_service_server::RouteServiceServer;
use speedmimi_proto::v1::server_service_server::ServerServiceServer;
use speedmimi_proto::v1::stats_service_server::StatsServiceServer;
use speedmimi_proto::v1::stream_service_server::StreamServiceServer;
use speedmimi_proto::v1::upstream_service_server::UpstreamServiceServer;
use speedmimi_proto::v1::*;
use tokio::sync::oneshot;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::server::Router;
use tonic::{Request, Response, Status};

mod config;
mod groups;
mod services;
mod streams;
mod watches;

/// What was asked, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    List(ListBackendsRequest),
    Get(GetBackendRequest),
    Add(AddBackendRequest),
    Update(UpdateBackendRequest),
    Remove(RemoveBackendRequest),
    Enable(EnableBackendRequest),
    Disable(DisableBackendRequest),
    Disconnect(DisconnectBackendRequest),
    Report(ReportPerformanceRequest),
    Drain(DrainBackendRequest),
    WatchBackends(WatchBackendsRequest),
    WatchConfig(WatchConfigRequest),
    WatchStats(WatchStatsRequest),
    WatchEvents(WatchEventsRequest),
    ListUpstreams(ListUpstreamsRequest),
    GetUpstream(GetUpstreamRequest),
    AddUpstream(AddUpstreamRequest),
    UpdateUpstream(UpdateUpstreamRequest),
    RemoveUpstream(RemoveUpstreamRequest),
    ListRoutes(ListRoutesRequest),
    GetRoute(GetRouteRequest),
    AddRoute(AddRouteRequest),
    UpdateRoute(UpdateRouteRequest),
    RemoveRoute(RemoveRouteRequest),
    GetConfig(GetConfigRequest),
    Apply(ApplyConfigRequest),
    Clear(ClearOverlayRequest),
    History(ListRevisionsRequest),
    Rollback(RollbackConfigRequest),
    Reload(ReloadConfigRequest),
    ServerStats,
    UpstreamStats(GetUpstreamStatsRequest),
    BackendStats(GetBackendStatsRequest),
    Info,
    ListStreams(ListStreamsRequest),
    KillStreams(KillStreamsRequest),
    Explain(ExplainPickRequest),
    LogLevel(SetLogLevelRequest),
    DrainServer(DrainServerRequest),
}

/// How every call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    /// As asked.
    Willing,
    /// With this error.
    Refusing(Status),
    /// Never.
    Silent,
}

/// What the double knows and remembers; shared with its thread.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) backends: Vec<BackendEntry>,
    /// Backends a page; none is all of them.
    pub(crate) page: Option<usize>,
    pub(crate) mood: Mood,
    pub(crate) stale_reports: bool,
    /// How a drain ends.
    pub(crate) drain_ends: DrainPhase,
    /// Nothing is over the file, and no change changes anything.
    pub(crate) same: bool,
    pub(crate) calls: Mutex<Vec<Call>>,
}

impl Script {
    /// Knows these backends and does as asked.
    pub(crate) fn with(backends: Vec<BackendEntry>) -> Self {
        Self {
            backends,
            page: None,
            mood: Mood::Willing,
            stale_reports: false,
            drain_ends: DrainPhase::Drained,
            same: false,
            calls: Mutex::default(),
        }
    }

    /// Answers every call with an error.
    pub(crate) fn refusing(status: Status) -> Self {
        Self { mood: Mood::Refusing(status), ..Self::with(vec![entry("default", "b1")]) }
    }

    async fn hear(&self, call: Call) -> Result<(), Status> {
        self.calls.lock().expect("no test panics while it holds this").push(call);
        match &self.mood {
            Mood::Willing => Ok(()),
            Mood::Refusing(status) => Err(status.clone()),
            Mood::Silent => std::future::pending().await,
        }
    }

    fn find(&self, upstream: &str, id: &str) -> Option<BackendEntry> {
        let named = |entry: &&BackendEntry| {
            entry.upstream == upstream && entry.backend.as_ref().is_some_and(|backend| backend.id == id)
        };
        self.backends.iter().find(named).cloned()
    }
}

/// A backend as the proxy shows it.
pub(crate) fn entry(upstream: &str, id: &str) -> BackendEntry {
    BackendEntry {
        upstream: upstream.to_owned(),
        backend: Some(Backend {
            id: id.to_owned(),
            host: Some("127.0.0.1".to_owned()),
            port: Some(8001),
            weight: Some(100),
            scheme: Some(Scheme::Http.into()),
            active: Some(true),
            max_conn: Some(50),
            ..Backend::default()
        }),
        status: Some(BackendStatus {
            admin_state: AdminState::Enabled.into(),
            health: HealthState::Up.into(),
            breaker: BreakerState::Closed.into(),
            in_flight: 3,
            effective_max_conn: 50,
            revision: 6,
            ..BackendStatus::default()
        }),
    }
}

/// A running double; ends with its value.
pub(crate) struct Double {
    pub(crate) endpoint: String,
    script: Arc<Script>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Double {
    /// On a free port of the loopback.
    pub(crate) fn start(script: Script) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        Self::serve(script, endpoint, |router, stopped| async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
            router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped).await
        })
    }

    /// On a unix socket.
    pub(crate) fn start_unix(script: Script, path: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).expect("the folder is ours");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        Self::serve(script, format!("unix:{}", path.display()), |router, stopped| async move {
            let listener = tokio::net::UnixListener::from_std(listener).expect("the listener is non-blocking");
            router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), stopped).await
        })
    }

    /// What was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.script.calls.lock().expect("no test panics while it holds this").clone()
    }

    /// The last of what was asked.
    pub(crate) fn last(&self) -> Call {
        self.calls().pop().expect("something was asked")
    }

    fn serve<F>(script: Script, endpoint: String, run: impl FnOnce(Router, Stopped) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), tonic::transport::Error>>,
    {
        let script = Arc::new(script);
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&script);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let router = tonic::transport::Server::builder()
                .add_service(BackendServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(UpstreamServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(RouteServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(ConfigServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(StatsServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(StreamServiceServer::from_arc(Arc::clone(&shared)))
                .add_service(ServerServiceServer::from_arc(shared));
            let stopped: Stopped = Box::pin(async move {
                // A dropped sender means the same.
                let _ = stopped.await;
            });
            runtime.block_on(run(router, stopped)).expect("the double serves");
        });
        Self { endpoint, script, stop: Some(stop), thread: Some(thread) }
    }
}

type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Drop for Double {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the double panicked");
        }
    }
}
