//! Requests that are to change something: their options, and what they are about, as the audit log names it.

use prost::Message;
use speedmimi_model::Object;
use speedmimi_proto::v1;

use crate::admin::convert;
use crate::control::audit::{EVERYTHING, LOG_LEVEL, SERVER, STREAMS};

/// A request with options of a mutation.
pub(in crate::admin) trait Asks: Message + Sized {
    /// Takes them out.
    fn take_options(&mut self) -> Option<v1::MutationOptions>;

    /// What it is about.
    fn about(&self) -> String;
}

macro_rules! asks {
    ($($request:ident: $about:expr),* $(,)?) => {
        $(impl Asks for v1::$request {
            fn take_options(&mut self) -> Option<v1::MutationOptions> {
                self.options.take()
            }

            fn about(&self) -> String {
                let about: fn(&Self) -> String = $about;
                about(self)
            }
        })*
    };
}

asks!(
    AddBackendRequest: |request| backend(&request.upstream, request.backend.as_ref().map_or("", |one| &one.id)),
    AddRouteRequest: |request| route(request.route.as_ref().map_or("", |one| &one.name)),
    AddUpstreamRequest: |request| upstream(request.upstream.as_ref().map_or("", |one| &one.name)),
    ApplyConfigRequest: |_| EVERYTHING.into(),
    ClearOverlayRequest: |request| match (&*request.object, &*request.field) {
        ("", _) => EVERYTHING.into(),
        (object, "") => object.into(),
        (object, field) => format!("{object} {field}"),
    },
    DisableBackendRequest: |request| backend(&request.upstream, &request.backend_id),
    DisconnectBackendRequest: |request| backend(&request.upstream, &request.backend_id),
    DrainBackendRequest: |request| backend(&request.upstream, &request.backend_id),
    DrainServerRequest: |_| SERVER.into(),
    EnableBackendRequest: |request| backend(&request.upstream, &request.backend_id),
    KillStreamsRequest: |_| STREAMS.into(),
    ReloadConfigRequest: |_| EVERYTHING.into(),
    RemoveBackendRequest: |request| backend(&request.upstream, &request.backend_id),
    RemoveRouteRequest: |request| route(&request.route),
    RemoveUpstreamRequest: |request| upstream(&request.upstream),
    RollbackConfigRequest: |_| EVERYTHING.into(),
    SetLogLevelRequest: |_| LOG_LEVEL.into(),
    UpdateBackendRequest: |request| backend(&request.upstream, request.backend.as_ref().map_or("", |one| &one.id)),
    UpdateRouteRequest: |request| route(request.route.as_ref().map_or("", |one| &one.name)),
    UpdateUpstreamRequest: |request| upstream(request.upstream.as_ref().map_or("", |one| &one.name)),
);

fn backend(upstream: &str, id: &str) -> String {
    Object::backend(convert::upstream_name(upstream), id).to_string()
}

fn upstream(name: &str) -> String {
    Object::Upstream(name.to_owned()).to_string()
}

fn route(name: &str) -> String {
    Object::Route(name.to_owned()).to_string()
}
