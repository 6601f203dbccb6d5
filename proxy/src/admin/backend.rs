//! `BackendService`.

use std::sync::Arc;

use speedmimi_model::{Backend, Change, Object};
use speedmimi_proto::v1;
use speedmimi_proto::v1::backend_service_server::BackendService;
use tonic::{Request, Response, Status};

use super::entry::source;
use super::mutation::Mutation;
use super::page::Page;
use super::sight::Sight;
use super::status::Violations;
use super::watch::{self, Stream};
use super::{caller, convert, drain, entry, report};
use crate::control::{Busy, Control, Done, Operation};

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Backends(pub(super) Control);

impl Backends {
    /// Makes a change to a backend, and answers with what `shape` makes of the revision and the backend as it is then.
    async fn change<R: prost::Message + Default + 'static>(
        &self,
        mutation: Mutation,
        change: Change,
        shape: fn(u64, Option<v1::BackendEntry>) -> R,
    ) -> Result<Response<R>, Status> {
        let respond = move |control: &Control, done: &Done| Ok(shape(done.revision, Some(shown(control, done)?)));
        mutation.perform(&self.0, change.into(), respond).await
    }
}

/// The backend that was changed; as it was, where it is gone.
fn shown(control: &Control, done: &Done) -> Result<v1::BackendEntry, Status> {
    let Some(Object::Backend { upstream, id }) = &done.object else {
        return Err(Status::internal("a change of a backend names none"));
    };
    if let Ok(backend) = entry::find(&done.store, upstream, id) {
        return Ok(entry::entry(control, &done.store, upstream, backend));
    }
    let mut was = entry::entry(control, &done.before, upstream, entry::find(&done.before, upstream, id)?);
    if let Some(status) = &mut was.status {
        // What was in flight may have been ended by now.
        status.in_flight = status.in_flight.max(done.cut);
    }
    Ok(was)
}

/// The backend that a request names.
fn named(upstream: &str, id: &str, violations: &mut Violations) -> Object {
    Object::backend(convert::upstream_name(upstream), convert::needed("backend_id", id, violations))
}

#[tonic::async_trait]
impl BackendService for Backends {
    async fn list_backends(
        &self,
        request: Request<v1::ListBackendsRequest>,
    ) -> Result<Response<v1::ListBackendsResponse>, Status> {
        let caller = match request.get_ref().upstream.as_str() {
            "" => caller::of(&request),
            upstream => caller::on(&self.0, &request, upstream)?,
        };
        let v1::ListBackendsRequest { upstream, page_size, page_token } = request.into_inner();
        let view = self.0.view();
        let upstreams = &view.store.config().upstreams;
        if !upstream.is_empty() {
            entry::upstream::find(&view.store, &upstream)?;
        }
        let all: Vec<_> = upstreams
            .iter()
            .filter(|(name, _)| caller.scope.has(name) && (upstream.is_empty() || **name == upstream))
            .flat_map(|(name, group)| group.backends.iter().map(move |backend| (name, backend)))
            .collect();
        let token = |(name, backend): &(&String, &Arc<Backend>)| format!("{name}/{}", backend.id);
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
        let sight = Sight::of(&caller::on(&self.0, &request, &request.get_ref().upstream)?);
        let v1::GetBackendRequest { upstream, backend_id, explain } = request.into_inner();
        let mut violations = Violations::default();
        let object = named(&upstream, &backend_id, &mut violations);
        violations.check()?;
        let view = self.0.view();
        let upstream = convert::upstream_name(&upstream);
        let backend = entry::find(&view.store, upstream, &backend_id)?;
        let backend = Some(entry::entry(&self.0, &view.store, upstream, backend));
        let fields = if explain { source::fields(view.store.layers(), &object, sight) } else { Vec::new() };
        Ok(Response::new(v1::GetBackendResponse { backend, fields }))
    }

    async fn add_backend(
        &self,
        request: Request<v1::AddBackendRequest>,
    ) -> Result<Response<v1::AddBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("AddBackend", request, &mut violations);
        let v1::AddBackendRequest { upstream, backend, .. } = request;
        let backend = backend.unwrap_or_default();
        let object = Object::backend(convert::upstream_name(&upstream), &backend.id);
        let fields = convert::backend::fields(backend, &mut violations);
        let change = Change::Add { object, fields };
        violations.check_with(&self.0, &change)?;
        self.change(mutation, change, |revision, backend| v1::AddBackendResponse { revision, backend }).await
    }

    async fn update_backend(
        &self,
        request: Request<v1::UpdateBackendRequest>,
    ) -> Result<Response<v1::UpdateBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("UpdateBackend", request, &mut violations);
        let v1::UpdateBackendRequest { upstream, backend, update_mask, .. } = request;
        let backend = backend.unwrap_or_default();
        let id = convert::needed("backend.id", &backend.id, &mut violations);
        let object = Object::backend(convert::upstream_name(&upstream), id);
        let fields = convert::backend::edits(backend, update_mask, &mut violations);
        let change = Change::Update { object, fields };
        violations.check_with(&self.0, &change)?;
        self.change(mutation, change, |revision, backend| v1::UpdateBackendResponse { revision, backend }).await
    }

    async fn remove_backend(
        &self,
        request: Request<v1::RemoveBackendRequest>,
    ) -> Result<Response<v1::RemoveBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mut mutation, request) = Mutation::open("RemoveBackend", request, &mut violations);
        let v1::RemoveBackendRequest { upstream, backend_id, force, .. } = request;
        let object = named(&upstream, &backend_id, &mut violations);
        violations.check()?;
        mutation.guard.busy = if force { Busy::Cut } else { Busy::Refuse };
        let change = Change::Remove { object, cascade: false };
        self.change(mutation, change, |revision, backend| v1::RemoveBackendResponse { revision, backend }).await
    }

    async fn enable_backend(
        &self,
        request: Request<v1::EnableBackendRequest>,
    ) -> Result<Response<v1::EnableBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("EnableBackend", request, &mut violations);
        let object = named(&request.upstream, &request.backend_id, &mut violations);
        violations.check()?;
        let change = Change::set(object, "active", true);
        self.change(mutation, change, |revision, backend| v1::EnableBackendResponse { revision, backend }).await
    }

    async fn disable_backend(
        &self,
        request: Request<v1::DisableBackendRequest>,
    ) -> Result<Response<v1::DisableBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("DisableBackend", request, &mut violations);
        let object = named(&request.upstream, &request.backend_id, &mut violations);
        violations.check()?;
        let change = Change::set(object, "active", false);
        self.change(mutation, change, |revision, backend| v1::DisableBackendResponse { revision, backend }).await
    }

    async fn disconnect_backend(
        &self,
        request: Request<v1::DisconnectBackendRequest>,
    ) -> Result<Response<v1::DisconnectBackendResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("DisconnectBackend", request, &mut violations);
        let v1::DisconnectBackendRequest { upstream, backend_id, keep_enabled, .. } = request;
        named(&upstream, &backend_id, &mut violations);
        violations.check()?;
        let upstream = convert::upstream_name(&upstream).to_owned();
        let operation = Operation::Disconnect { upstream, id: backend_id, keep_enabled };
        let respond = |control: &Control, done: &Done| {
            let backend = Some(shown(control, done)?);
            Ok(v1::DisconnectBackendResponse { revision: done.revision, backend, cut: done.cut })
        };
        mutation.perform(&self.0, operation, respond).await
    }

    type DrainBackendStream = Stream<v1::DrainBackendResponse>;

    async fn drain_backend(
        &self,
        request: Request<v1::DrainBackendRequest>,
    ) -> Result<Response<Self::DrainBackendStream>, Status> {
        match request.get_ref().watch_only {
            true => caller::on(&self.0, &request, &request.get_ref().upstream)?,
            false => caller::over(&request, &request.get_ref().upstream)?,
        };
        drain::drain(&self.0, request).await.map(Response::new)
    }

    type WatchBackendsStream = Stream<v1::WatchBackendsResponse>;

    async fn watch_backends(
        &self,
        request: Request<v1::WatchBackendsRequest>,
    ) -> Result<Response<Self::WatchBackendsStream>, Status> {
        watch::backends::watch(&self.0, &caller::of(&request), request.into_inner()).map(Response::new)
    }

    async fn report_performance(
        &self,
        request: Request<v1::ReportPerformanceRequest>,
    ) -> Result<Response<v1::ReportPerformanceResponse>, Status> {
        let by = caller::on(&self.0, &request, &request.get_ref().upstream)?;
        report::take(&self.0, &by, request.into_inner())
            .map(Response::new)
            .map_err(|status| caller::unseen(&by, status))
    }
}
