//! `UpstreamService`.

use speedmimi_model::{Change, Object};
use speedmimi_proto::v1;
use speedmimi_proto::v1::upstream_service_server::UpstreamService;
use tonic::{Request, Response, Status};

use super::entry::{source, upstream as entry};
use super::mutation::Mutation;
use super::page::Page;
use super::sight::Sight;
use super::status::Violations;
use super::{caller, convert};
use crate::control::{Control, Done};

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Upstreams(pub(super) Control);

#[tonic::async_trait]
impl UpstreamService for Upstreams {
    async fn list_upstreams(
        &self,
        request: Request<v1::ListUpstreamsRequest>,
    ) -> Result<Response<v1::ListUpstreamsResponse>, Status> {
        let caller = caller::of(&request);
        let v1::ListUpstreamsRequest { page_size, page_token } = request.into_inner();
        let view = self.0.view();
        let all: Vec<_> = view.store.config().upstreams.iter().filter(|(name, _)| caller.scope.has(name)).collect();
        let mut violations = Violations::default();
        let page = Page::of(&all, page_size, &page_token, |(name, _)| (*name).clone(), &mut violations);
        violations.check()?;
        let entry = |(name, upstream): &(&String, &_)| entry::entry(&self.0, &view.store, name, upstream);
        Ok(Response::new(v1::ListUpstreamsResponse {
            upstreams: page.entries.iter().map(entry).collect(),
            next_page_token: page.next,
            revision: view.store.revision(),
        }))
    }

    async fn get_upstream(
        &self,
        request: Request<v1::GetUpstreamRequest>,
    ) -> Result<Response<v1::GetUpstreamResponse>, Status> {
        let sight = Sight::of(&caller::on(&self.0, &request, &request.get_ref().upstream)?);
        let v1::GetUpstreamRequest { upstream, explain } = request.into_inner();
        let name = convert::upstream_name(&upstream);
        let view = self.0.view();
        let upstream = entry::entry(&self.0, &view.store, name, entry::find(&view.store, name)?);
        let object = Object::Upstream(name.to_owned());
        let fields = if explain { source::fields(view.store.layers(), &object, sight) } else { Vec::new() };
        Ok(Response::new(v1::GetUpstreamResponse { upstream: Some(upstream), fields }))
    }

    async fn add_upstream(
        &self,
        request: Request<v1::AddUpstreamRequest>,
    ) -> Result<Response<v1::AddUpstreamResponse>, Status> {
        let by = caller::of(&request);
        caller::may(&by, named(&request.get_ref().upstream))?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("AddUpstream", request, &mut violations);
        let v1::AddUpstreamRequest { upstream, .. } = request;
        let upstream = upstream.unwrap_or_default();
        let name = convert::needed("upstream.name", &upstream.name, &mut violations).to_owned();
        let fields = convert::upstream::fields(upstream, &mut violations);
        let change = Change::Add { object: Object::Upstream(name.clone()), fields };
        violations.check_with(&self.0, &change)?;
        let respond = move |control: &Control, done: &Done| {
            let upstream = Some(entry::named(control, &done.store, &name)?);
            Ok(v1::AddUpstreamResponse { revision: done.revision, upstream })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }

    async fn update_upstream(
        &self,
        request: Request<v1::UpdateUpstreamRequest>,
    ) -> Result<Response<v1::UpdateUpstreamResponse>, Status> {
        caller::over(&request, named(&request.get_ref().upstream))?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("UpdateUpstream", request, &mut violations);
        let v1::UpdateUpstreamRequest { upstream, update_mask, .. } = request;
        let upstream = upstream.unwrap_or_default();
        let name = convert::upstream_name(&upstream.name).to_owned();
        let fields = convert::upstream::edits(upstream, update_mask, &mut violations);
        let change = Change::Update { object: Object::Upstream(name.clone()), fields };
        violations.check_with(&self.0, &change)?;
        let respond = move |control: &Control, done: &Done| {
            let upstream = Some(entry::named(control, &done.store, &name)?);
            Ok(v1::UpdateUpstreamResponse { revision: done.revision, upstream })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }

    async fn remove_upstream(
        &self,
        request: Request<v1::RemoveUpstreamRequest>,
    ) -> Result<Response<v1::RemoveUpstreamResponse>, Status> {
        caller::over(&request, &request.get_ref().upstream)?;
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("RemoveUpstream", request, &mut violations);
        let v1::RemoveUpstreamRequest { upstream: name, force, .. } = request;
        convert::needed("upstream", &name, &mut violations);
        violations.check()?;
        let change = Change::Remove { object: Object::Upstream(name.clone()), cascade: force };
        let respond = move |control: &Control, done: &Done| {
            let upstream = Some(entry::named(control, &done.before, &name)?);
            Ok(v1::RemoveUpstreamResponse { revision: done.revision, upstream })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }
}

/// What an upstream is called; empty where there is none.
fn named(upstream: &Option<v1::Upstream>) -> &str {
    upstream.as_ref().map(|upstream| upstream.name.as_str()).unwrap_or_default()
}
