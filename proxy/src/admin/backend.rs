//! `BackendService`.

use speedmimi_model::{Change, Object};
use speedmimi_proto::v1;
use speedmimi_proto::v1::backend_service_server::BackendService;
use tonic::{Request, Response, Status};

use super::entry::source;
use super::page::Page;
use super::status::{self, Violations};
use super::watch::{self, Stream};
use super::{caller, convert, drain, entry, report};
use crate::control::{Busy, Caller, Control, Done, Guard};

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Backends(pub(super) Control);

impl Backends {
    async fn change(&self, change: Change, guard: Guard) -> Result<(u64, v1::BackendEntry), Status> {
        let done = self.0.change(change, guard).await.map_err(|error| status::refused(&error))?;
        let Done { revision, object, store, .. } = done;
        let Some(Object::Backend { upstream, id }) = object else {
            return Err(Status::internal("a change of a backend names none"));
        };
        let backend = entry::find(&store, &upstream, &id)?;
        Ok((revision, entry::entry(&self.0, &store, &upstream, backend)))
    }

    async fn set_active(
        &self,
        by: Caller,
        upstream: &str,
        backend_id: &str,
        options: Option<v1::MutationOptions>,
        active: bool,
    ) -> Result<(u64, v1::BackendEntry), Status> {
        let named = Named::new(upstream, backend_id, by, options)?;
        let change = Change::set(named.object(), "active", active);
        self.change(change, named.guard).await
    }
}

/// A backend that a request names, and the conditions of the change.
struct Named {
    upstream: String,
    id: String,
    guard: Guard,
}

impl Named {
    fn new(upstream: &str, id: &str, by: Caller, options: Option<v1::MutationOptions>) -> Result<Self, Status> {
        let mut violations = Violations::default();
        let id = convert::needed("backend_id", id, &mut violations).to_owned();
        let guard = convert::guard(by, options, &mut violations);
        violations.check()?;
        Ok(Self { upstream: convert::upstream_name(upstream).to_owned(), id, guard })
    }

    fn object(&self) -> Object {
        Object::backend(&self.upstream, &self.id)
    }
}

#[tonic::async_trait]
impl BackendService for Backends {
    async fn list_backends(
        &self,
        request: Request<v1::ListBackendsRequest>,
    ) -> Result<Response<v1::ListBackendsResponse>, Status> {
        let v1::ListBackendsRequest { upstream, page_size, page_token } = request.into_inner();
        let view = self.0.view();
        let upstreams = &view.store.config().upstreams;
        if !upstream.is_empty() {
            entry::upstream::find(&view.store, &upstream)?;
        }
        let all: Vec<_> = upstreams
            .iter()
            .filter(|(name, _)| upstream.is_empty() || **name == upstream)
            .flat_map(|(name, group)| group.backends.iter().map(move |backend| (name, backend)))
            .collect();
        let token = |(name, backend): &(&String, &speedmimi_model::Backend)| format!("{name}/{}", backend.id);
        let mut violations = Violations::default();
        let page = Page::of(&all, page_size, &page_token, token, &mut violations);
        violations.check()?;
        let backends =
            page.entries.iter().map(|(name, backend)| entry::entry(&self.0, &view.store, name, backend)).collect();
        Ok(Response::new(v1::ListBackendsResponse {
            backends,
            next_page_token: page.next,
            revision: view.store.revision(),
        }))
    }

    async fn get_backend(
        &self,
        request: Request<v1::GetBackendRequest>,
    ) -> Result<Response<v1::GetBackendResponse>, Status> {
        let caller = caller::of(&request);
        let v1::GetBackendRequest { upstream, backend_id, explain } = request.into_inner();
        let named = Named::new(&upstream, &backend_id, caller, None)?;
        let view = self.0.view();
        let backend = entry::find(&view.store, &named.upstream, &named.id)?;
        let backend = Some(entry::entry(&self.0, &view.store, &named.upstream, backend));
        let fields = if explain { source::fields(view.store.layers(), &named.object()) } else { Vec::new() };
        Ok(Response::new(v1::GetBackendResponse { backend, fields }))
    }

    async fn add_backend(
        &self,
        request: Request<v1::AddBackendRequest>,
    ) -> Result<Response<v1::AddBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::AddBackendRequest { upstream, backend, options } = request.into_inner();
        let mut violations = Violations::default();
        let guard = convert::guard(by, options, &mut violations);
        let backend = backend.unwrap_or_default();
        let object = Object::backend(convert::upstream_name(&upstream), &backend.id);
        let fields = convert::backend::fields(backend, &mut violations);
        violations.check()?;
        let (revision, backend) = self.change(Change::Add { object, fields }, guard).await?;
        Ok(Response::new(v1::AddBackendResponse { revision, backend: Some(backend) }))
    }

    async fn update_backend(
        &self,
        request: Request<v1::UpdateBackendRequest>,
    ) -> Result<Response<v1::UpdateBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::UpdateBackendRequest { upstream, backend, update_mask, options } = request.into_inner();
        let mut violations = Violations::default();
        let guard = convert::guard(by, options, &mut violations);
        let backend = backend.unwrap_or_default();
        let id = convert::needed("backend.id", &backend.id, &mut violations);
        let object = Object::backend(convert::upstream_name(&upstream), id);
        let fields = convert::backend::edits(backend, update_mask, &mut violations);
        violations.check()?;
        let (revision, backend) = self.change(Change::Update { object, fields }, guard).await?;
        Ok(Response::new(v1::UpdateBackendResponse { revision, backend: Some(backend) }))
    }

    async fn remove_backend(
        &self,
        request: Request<v1::RemoveBackendRequest>,
    ) -> Result<Response<v1::RemoveBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::RemoveBackendRequest { upstream, backend_id, force, options } = request.into_inner();
        let named = Named::new(&upstream, &backend_id, by, options)?;
        // What is observed of it is gone when it is.
        let view = self.0.view();
        let backend = entry::find(&view.store, &named.upstream, &named.id)?;
        let was = entry::entry(&self.0, &view.store, &named.upstream, backend);
        let change = Change::Remove { object: named.object(), cascade: false };
        let guard = Guard { busy: if force { Busy::Cut } else { Busy::Refuse }, ..named.guard };
        let done = self.0.change(change, guard).await.map_err(|error| status::refused(&error))?;
        Ok(Response::new(v1::RemoveBackendResponse { revision: done.revision, backend: Some(was) }))
    }

    async fn enable_backend(
        &self,
        request: Request<v1::EnableBackendRequest>,
    ) -> Result<Response<v1::EnableBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::EnableBackendRequest { upstream, backend_id, options } = request.into_inner();
        let (revision, backend) = self.set_active(by, &upstream, &backend_id, options, true).await?;
        Ok(Response::new(v1::EnableBackendResponse { revision, backend: Some(backend) }))
    }

    async fn disable_backend(
        &self,
        request: Request<v1::DisableBackendRequest>,
    ) -> Result<Response<v1::DisableBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::DisableBackendRequest { upstream, backend_id, options } = request.into_inner();
        let (revision, backend) = self.set_active(by, &upstream, &backend_id, options, false).await?;
        Ok(Response::new(v1::DisableBackendResponse { revision, backend: Some(backend) }))
    }

    async fn disconnect_backend(
        &self,
        request: Request<v1::DisconnectBackendRequest>,
    ) -> Result<Response<v1::DisconnectBackendResponse>, Status> {
        let by = caller::of(&request);
        let v1::DisconnectBackendRequest { upstream, backend_id, keep_enabled, options } = request.into_inner();
        let Named { upstream, id, guard } = Named::new(&upstream, &backend_id, by, options)?;
        let done = self.0.disconnect(&upstream, &id, keep_enabled, guard).await;
        let done = done.map_err(|error| status::refused(&error))?;
        let view = self.0.view();
        let backend = entry::find(&view.store, &upstream, &id)?;
        let backend = Some(entry::entry(&self.0, &view.store, &upstream, backend));
        Ok(Response::new(v1::DisconnectBackendResponse { revision: done.revision, backend, cut: done.cut }))
    }

    type DrainBackendStream = Stream<v1::DrainBackendResponse>;

    async fn drain_backend(
        &self,
        request: Request<v1::DrainBackendRequest>,
    ) -> Result<Response<Self::DrainBackendStream>, Status> {
        let by = caller::of(&request);
        drain::drain(&self.0, by, request.into_inner()).await.map(Response::new)
    }

    type WatchBackendsStream = Stream<v1::WatchBackendsResponse>;

    async fn watch_backends(
        &self,
        request: Request<v1::WatchBackendsRequest>,
    ) -> Result<Response<Self::WatchBackendsStream>, Status> {
        watch::backends::watch(&self.0, request.into_inner()).map(Response::new)
    }

    async fn report_performance(
        &self,
        request: Request<v1::ReportPerformanceRequest>,
    ) -> Result<Response<v1::ReportPerformanceResponse>, Status> {
        report::take(&self.0, request.into_inner()).map(Response::new)
    }
}
