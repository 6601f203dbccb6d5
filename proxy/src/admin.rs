//! The management server: gRPC and HTTP over the same control thread. Only here are generated types known.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use speedmimi_proto::FILE_DESCRIPTOR_SET;
use speedmimi_proto::v1::backend_service_server::BackendServiceServer;
use speedmimi_proto::v1::config_service_server::ConfigServiceServer;
use speedmimi_proto::v1::route_service_server::RouteServiceServer;
use speedmimi_proto::v1::server_service_server::ServerServiceServer;
use speedmimi_proto::v1::stats_service_server::StatsServiceServer;
use speedmimi_proto::v1::stream_service_server::StreamServiceServer;
use speedmimi_proto::v1::upstream_service_server::UpstreamServiceServer;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::server::Router;

use crate::access::{Access, Face};
use crate::control::{Control, Phase};

mod attempt;
mod backend;
pub mod bind;
mod caller;
mod config;
mod convert;
mod drain;
mod entry;
mod explain;
mod gate;
mod grpc_health;
mod http;
mod incoming;
mod intake;
mod mutation;
mod page;
mod places;
mod report;
mod route;
mod server;
mod sight;
mod stats;
mod status;
mod stream;
mod upstream;
mod watch;

use bind::{SocketFile, UnixSocket};
use gate::Gate;
use incoming::Listener;
use intake::{Admitted, Intake};
pub use server::Facts;

/// Largest request in bytes, of most methods.
const SMALL: usize = 64 * 1024;
/// Largest request in bytes that adds or changes an object.
const MESSAGE: usize = 1024 * 1024;
/// Largest request in bytes where it may hold a whole configuration: tens of thousands of backends.
const DOCUMENT: usize = 8 * MESSAGE;
/// Largest message in bytes of what is no method of ours: names of services and of types.
const NAMES: usize = 4 * 1024;
/// Calls at once on a connection.
const STREAMS: u32 = 32;
/// Bytes that may come before anybody reads them, of a call and of a connection.
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);
/// Largest head of a call, in bytes as HTTP/2 counts them.
const HEAD: u32 = 8 * 1024;
/// Longest a call may take before its answer begins.
const CALL: Duration = Duration::from_secs(30);
/// Time for the last answers when the process ends through a call.
const FAREWELL: Duration = Duration::from_secs(1);
/// Silence after which a connection is asked whether it is there, and time to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Where the gRPC face is served.
#[derive(Debug)]
pub enum Endpoint {
    /// On an address.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixSocket),
}

/// The faces that are served; dropping it ends them.
#[derive(Debug, Default)]
pub struct Faces {
    tasks: JoinSet<()>,
    /// The gRPC face, and how it is told to finish what it is answering.
    grpc: Option<(oneshot::Sender<()>, tokio::task::AbortHandle)>,
    socket: Option<SocketFile>,
}

impl Faces {
    /// Finishes the calls under way, as far as that is soon; new ones are not taken.
    pub async fn close(mut self) {
        let Some((finish, grpc)) = self.grpc.take() else { return };
        // An error: it has ended.
        let _ = finish.send(());
        let ended = async { while !grpc.is_finished() && self.tasks.join_next().await.is_some() {} };
        // Streams of changes have no end of their own.
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

/// Serves what is bound. Needs a runtime.
pub async fn start(
    grpc: Option<Endpoint>,
    admin: Option<TcpListener>,
    control: &Control,
    facts: Facts,
    access: &Access,
) -> io::Result<Faces> {
    start_within(CALL, grpc, admin, control, facts, access).await
}

async fn start_within(
    call: Duration,
    grpc: Option<Endpoint>,
    admin: Option<TcpListener>,
    control: &Control,
    facts: Facts,
    access: &Access,
) -> io::Result<Faces> {
    let mut faces = Faces::default();
    if let Some(listener) = admin {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        faces.tasks.spawn(http::serve(listener, control.clone(), access.admin.clone()));
    }
    if let Some(endpoint) = grpc {
        let listener = match endpoint {
            Endpoint::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Endpoint::Unix(socket) => {
                let (listener, file) = socket.into_parts();
                faces.socket = Some(file);
                Listener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        };
        let router =
            router(call, control, facts, access.grpc.clone(), &mut faces.tasks).await.map_err(io::Error::other)?;
        let incoming = incoming::incoming(listener, access.grpc.clone(), &mut faces.tasks);
        let (finish, finished) = oneshot::channel::<()>();
        let finished = async move {
            // A sender that is dropped takes the task with it.
            let _ = finished.await;
        };
        let grpc = faces.tasks.spawn(async move {
            if let Err(error) = router.serve_with_incoming_shutdown(incoming, finished).await {
                tracing::error!(%error, "the gRPC face ended");
            }
        });
        faces.grpc = Some((finish, grpc));
    }
    Ok(faces)
}

async fn router(
    call: Duration,
    control: &Control,
    facts: Facts,
    face: Arc<Face>,
    tasks: &mut JoinSet<()>,
) -> Result<Router<Admitted>, tonic_reflection::server::Error> {
    let backend = BackendServiceServer::new(backend::Backends(control.clone())).max_decoding_message_size(MESSAGE);
    let stats = StatsServiceServer::new(stats::Stats(control.clone())).max_decoding_message_size(SMALL);
    let upstream = UpstreamServiceServer::new(upstream::Upstreams(control.clone())).max_decoding_message_size(MESSAGE);
    let route = RouteServiceServer::new(route::Routes(control.clone())).max_decoding_message_size(MESSAGE);
    let config = ConfigServiceServer::new(config::Configuration(control.clone())).max_decoding_message_size(DOCUMENT);
    let stream = StreamServiceServer::new(stream::Streams(control.clone())).max_decoding_message_size(SMALL);
    let server = server::Server { control: control.clone(), facts };
    let server = ServerServiceServer::new(server).max_decoding_message_size(SMALL);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            // Details of errors are of these types.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (interval, timeout) = KEEPALIVE;
    Ok(tonic::transport::Server::builder()
        .timeout(call)
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(timeout))
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .http2_max_header_list_size(HEAD)
        .layer(Gate(face.clone()))
        .layer(Intake::new(face))
        .add_service(backend)
        .add_service(upstream)
        .add_service(route)
        .add_service(stats)
        .add_service(config)
        .add_service(stream)
        .add_service(server)
        .add_service(grpc_health::service(control, tasks).await.max_decoding_message_size(NAMES))
        // Older clients ask for v1alpha first and give up without it.
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(NAMES))
        .add_service(reflection().build_v1()?.max_decoding_message_size(NAMES)))
}

/// Whether the proxy takes new traffic, as both faces answer it.
fn is_ready(control: &Control) -> bool {
    control.lifecycle().phase() == Phase::Serving
}

#[cfg(test)]
mod tests;
