//! `ServerService`.

use std::time::SystemTime;

use speedmimi_proto::v1;
use speedmimi_proto::v1::server_service_server::ServerService;
use tonic::{Request, Response, Status};

use super::entry;
use super::watch::{self, Stream};
use crate::control::{Control, Phase};

/// What the process is, as it was started.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Addresses that accept traffic, by name.
    pub listeners: Vec<(String, String)>,
    /// Address of this API.
    pub grpc: Option<String>,
    /// Address of the admin face.
    pub admin: Option<String>,
    /// Descriptors that may be open.
    pub descriptors: u64,
}

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) control: Control,
    pub(super) facts: Facts,
}

#[tonic::async_trait]
impl ServerService for Server {
    type WatchEventsStream = Stream<v1::WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        watch::events::watch(&self.control, request.into_inner()).map(Response::new)
    }

    async fn get_server_info(
        &self,
        _: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let Self { control, facts } = self;
        let lifecycle = control.lifecycle();
        let view = control.view();
        let listeners = facts.listeners.iter();
        Ok(Response::new(v1::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: Some(lifecycle.started.into()),
            uptime: SystemTime::now().duration_since(lifecycle.started).ok().map(entry::duration),
            workers: u32::try_from(control.live().workers().len()).unwrap_or(u32::MAX),
            listeners: listeners
                .map(|(name, address)| v1::Listener { name: name.clone(), address: address.clone() })
                .collect(),
            grpc: facts.grpc.clone().unwrap_or_default(),
            admin: facts.admin.clone().unwrap_or_default(),
            revision: view.store.revision(),
            config_path: control.file().map(|path| path.display().to_string()).unwrap_or_default(),
            changes_are_volatile: true,
            note: "changes made through the API are volatile: they live in memory and are lost when the process ends"
                .to_owned(),
            max_conn: view.snapshot.server.max_conn,
            descriptors: facts.descriptors,
            draining: lifecycle.phase() == Phase::Draining,
        }))
    }
}
