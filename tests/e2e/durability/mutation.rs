//! Mutations of every kind, by chance, that can be sent more than once.

use speedmimi_proto::v1::*;
use tonic::Status;

use crate::harness::{Dice, Management};

/// One call, with everything that it says.
#[derive(Debug, Clone)]
pub enum Mutation {
    AddBackend(AddBackendRequest),
    UpdateBackend(UpdateBackendRequest),
    RemoveBackend(RemoveBackendRequest),
    Enable(EnableBackendRequest),
    Disable(DisableBackendRequest),
    AddUpstream(AddUpstreamRequest),
    UpdateUpstream(UpdateUpstreamRequest),
    RemoveUpstream(RemoveUpstreamRequest),
    AddRoute(AddRouteRequest),
    UpdateRoute(UpdateRouteRequest),
    RemoveRoute(RemoveRouteRequest),
    Clear(ClearOverlayRequest),
    Apply(ApplyConfigRequest),
    Rollback(RollbackConfigRequest),
    Drain(DrainBackendRequest),
    Disconnect(DisconnectBackendRequest),
    Reload(ReloadConfigRequest),
    Kill(KillStreamsRequest),
    LogLevel(SetLogLevelRequest),
}

/// A document to apply; valid over the configurations of these tests.
const DOCUMENT: &str = "backends: {default: [{id: a, host: 127.0.0.1, port: 1, max_conn: 3}], \
                        more: [{id: x, host: 127.0.0.1, port: 2}]}\nrouting: {all: {upstream: default}}";

impl Mutation {
    /// One of those that may be accepted now or not.
    pub fn any(dice: &Dice) -> Self {
        let upstream = ["default", "default", "more", "other"][dice.between(0, 4) as usize].to_owned();
        let backend_id = ["a", "b", "c", "d"][dice.between(0, 4) as usize].to_owned();
        let route = ["r1", "r2"][dice.between(0, 2) as usize].to_owned();
        let number = dice.between(1, 1000) as u32;
        match dice.between(0, 30) {
            0..=3 => Self::AddBackend(AddBackendRequest {
                upstream,
                backend: Some(Backend {
                    id: backend_id,
                    host: Some("127.0.0.1".into()),
                    port: Some(number),
                    ..Backend::default()
                }),
                options: None,
            }),
            4..=8 => Self::UpdateBackend(UpdateBackendRequest {
                upstream,
                backend: Some(Backend {
                    id: backend_id,
                    weight: Some(number),
                    max_conn: (number.is_multiple_of(3)).then_some(number as i32),
                    labels: (number.is_multiple_of(5))
                        .then(|| Labels { entries: [("k".into(), number.to_string())].into() }),
                    ..Backend::default()
                }),
                ..UpdateBackendRequest::default()
            }),
            9 => Self::RemoveBackend(RemoveBackendRequest { upstream, backend_id, ..RemoveBackendRequest::default() }),
            10 => Self::Disable(DisableBackendRequest { upstream, backend_id, options: None }),
            11 => Self::Enable(EnableBackendRequest { upstream, backend_id, options: None }),
            12 => Self::AddUpstream(AddUpstreamRequest {
                upstream: Some(Upstream { name: upstream, ..Upstream::default() }),
                options: None,
            }),
            13..=14 => Self::UpdateUpstream(UpdateUpstreamRequest {
                upstream: Some(Upstream {
                    name: upstream,
                    load_balancer: Some(LoadBalancer::Random.into()),
                    pool: Some(Pool { max_idle: Some(number), ..Pool::default() }),
                    ..Upstream::default()
                }),
                ..UpdateUpstreamRequest::default()
            }),
            15 => {
                Self::RemoveUpstream(RemoveUpstreamRequest { upstream, force: number.is_multiple_of(2), options: None })
            }
            16..=17 => Self::AddRoute(AddRouteRequest {
                route: Some(Route {
                    name: route,
                    path: Some(format!("/{number}")),
                    upstream: Some(upstream),
                    ..Route::default()
                }),
                options: None,
            }),
            18 => Self::UpdateRoute(UpdateRouteRequest {
                route: Some(Route { name: route, upstream: Some(upstream), ..Route::default() }),
                ..UpdateRouteRequest::default()
            }),
            19 => Self::RemoveRoute(RemoveRouteRequest { route, options: None }),
            20..=21 => Self::Clear(ClearOverlayRequest {
                object: if number.is_multiple_of(4) {
                    String::new()
                } else {
                    format!("backends.{upstream}.{backend_id}")
                },
                ..ClearOverlayRequest::default()
            }),
            22 => Self::Apply(ApplyConfigRequest { document: DOCUMENT.into(), options: None }),
            24 => Self::Drain(DrainBackendRequest { upstream, backend_id, ..DrainBackendRequest::default() }),
            25 => Self::Disconnect(DisconnectBackendRequest {
                upstream,
                backend_id,
                keep_enabled: number.is_multiple_of(2),
                options: None,
            }),
            26 => Self::Reload(ReloadConfigRequest::default()),
            27 => Self::Kill(KillStreamsRequest {
                filter: Some(StreamFilter { upstream, ..StreamFilter::default() }),
                ..KillStreamsRequest::default()
            }),
            28 => Self::LogLevel(SetLogLevelRequest {
                level: LogLevel::Debug.into(),
                ttl: Some(prost_types::Duration { seconds: i64::from(number), nanos: 0 }),
                ..SetLogLevelRequest::default()
            }),
            _ => Self::Rollback(RollbackConfigRequest { revision: u64::from(number % 40), options: None }),
        }
    }

    /// Sends it, and gives the answer as text: the revision stands in it.
    pub fn send(&self, management: &Management, options: MutationOptions) -> Result<String, Status> {
        let options = Some(options);
        macro_rules! send {
            ($request:expr, $service:ident.$call:ident) => {{
                let mut request = $request.clone();
                request.options = options;
                management.call(management.$service().$call(request)).map(|answer| format!("{answer:?}"))
            }};
        }
        match self {
            Self::AddBackend(request) => send!(request, backends.add_backend),
            Self::UpdateBackend(request) => send!(request, backends.update_backend),
            Self::RemoveBackend(request) => send!(request, backends.remove_backend),
            Self::Enable(request) => send!(request, backends.enable_backend),
            Self::Disable(request) => send!(request, backends.disable_backend),
            Self::AddUpstream(request) => send!(request, upstreams.add_upstream),
            Self::UpdateUpstream(request) => send!(request, upstreams.update_upstream),
            Self::RemoveUpstream(request) => send!(request, upstreams.remove_upstream),
            Self::AddRoute(request) => send!(request, routes.add_route),
            Self::UpdateRoute(request) => send!(request, routes.update_route),
            Self::RemoveRoute(request) => send!(request, routes.remove_route),
            Self::Clear(request) => send!(request, config.clear_overlay),
            Self::Apply(request) => send!(request, config.apply_config),
            Self::Rollback(request) => send!(request, config.rollback_config),
            Self::Disconnect(request) => send!(request, backends.disconnect_backend),
            Self::Reload(request) => send!(request, config.reload_config),
            Self::Kill(request) => send!(request, streams.kill_streams),
            Self::LogLevel(request) => send!(request, server.set_log_level),
            Self::Drain(request) => {
                let mut request = request.clone();
                request.options = options;
                let mut progress = management.call(management.backends().drain_backend(request))?;
                let first = management.call(async { progress.message().await.map(tonic::Response::new) })?;
                // How far it is depends on when it is asked; that it was begun does not.
                Ok(format!("it answers: {}", first.is_some()))
            }
        }
    }
}

/// The file that these are made over.
pub const FILE: &str = "server: {host: 127.0.0.1, port: 0, workers: 1}\ngrpc: {port: 0}\nadmin: {port: 0}\n\
    backends: {default: [{id: a, host: 127.0.0.1, port: 1}, {id: b, host: 127.0.0.1, port: 2, max_conn: 9}], more: []}\n\
    routing: {all: {upstream: default}}\nstate: {dir: state}\n";
