//! `RouteService`.

use speedmimi_model::{Change, Object};
use speedmimi_proto::v1;
use speedmimi_proto::v1::route_service_server::RouteService;
use tonic::{Request, Response, Status};

use super::entry::{route as entry, source};
use super::page::Page;
use super::status::{self, Violations};
use super::{caller, convert, explain};
use crate::control::{Control, Guard};

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Routes(pub(super) Control);

impl Routes {
    async fn change(&self, name: &str, change: Change, guard: Guard) -> Result<(u64, v1::RouteEntry), Status> {
        let done = self.0.change(change, guard).await.map_err(|error| status::refused(&error))?;
        Ok((done.revision, entry::entry(&done.store, name, entry::find(&done.store, name)?)))
    }
}

#[tonic::async_trait]
impl RouteService for Routes {
    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<v1::ListRoutesResponse>, Status> {
        let v1::ListRoutesRequest { page_size, page_token } = request.into_inner();
        let view = self.0.view();
        let all: Vec<_> = view.store.config().routes.iter().collect();
        let mut violations = Violations::default();
        let page = Page::of(&all, page_size, &page_token, |(name, _)| (*name).clone(), &mut violations);
        violations.check()?;
        Ok(Response::new(v1::ListRoutesResponse {
            routes: page.entries.iter().map(|(name, route)| entry::entry(&view.store, name, route)).collect(),
            next_page_token: page.next,
            revision: view.store.revision(),
        }))
    }

    async fn get_route(&self, request: Request<v1::GetRouteRequest>) -> Result<Response<v1::GetRouteResponse>, Status> {
        let v1::GetRouteRequest { route: name, explain } = request.into_inner();
        let mut violations = Violations::default();
        convert::needed("route", &name, &mut violations);
        violations.check()?;
        let view = self.0.view();
        let route = entry::entry(&view.store, &name, entry::find(&view.store, &name)?);
        let object = Object::Route(name);
        let fields = if explain { source::fields(view.store.layers(), &object) } else { Vec::new() };
        Ok(Response::new(v1::GetRouteResponse { route: Some(route), fields }))
    }

    async fn add_route(&self, request: Request<v1::AddRouteRequest>) -> Result<Response<v1::AddRouteResponse>, Status> {
        let by = caller::of(&request);
        let v1::AddRouteRequest { route, options } = request.into_inner();
        let mut violations = Violations::default();
        let route = route.unwrap_or_default();
        let name = convert::needed("route.name", &route.name, &mut violations).to_owned();
        let guard = convert::guard(by, options, &mut violations);
        let fields = convert::route::fields(route, &mut violations);
        violations.check()?;
        let change = Change::Add { object: Object::Route(name.clone()), fields };
        let (revision, route) = self.change(&name, change, guard).await?;
        Ok(Response::new(v1::AddRouteResponse { revision, route: Some(route) }))
    }

    async fn update_route(
        &self,
        request: Request<v1::UpdateRouteRequest>,
    ) -> Result<Response<v1::UpdateRouteResponse>, Status> {
        let by = caller::of(&request);
        let v1::UpdateRouteRequest { route, update_mask, options } = request.into_inner();
        let mut violations = Violations::default();
        let route = route.unwrap_or_default();
        let name = convert::needed("route.name", &route.name, &mut violations).to_owned();
        let guard = convert::guard(by, options, &mut violations);
        let fields = convert::route::edits(route, update_mask, &mut violations);
        violations.check()?;
        let change = Change::Update { object: Object::Route(name.clone()), fields };
        let (revision, route) = self.change(&name, change, guard).await?;
        Ok(Response::new(v1::UpdateRouteResponse { revision, route: Some(route) }))
    }

    async fn remove_route(
        &self,
        request: Request<v1::RemoveRouteRequest>,
    ) -> Result<Response<v1::RemoveRouteResponse>, Status> {
        let by = caller::of(&request);
        let v1::RemoveRouteRequest { route: name, options } = request.into_inner();
        let mut violations = Violations::default();
        convert::needed("route", &name, &mut violations);
        let guard = convert::guard(by, options, &mut violations);
        violations.check()?;
        let change = Change::Remove { object: Object::Route(name.clone()), cascade: false };
        let done = self.0.change(change, guard).await.map_err(|error| status::refused(&error))?;
        let route = entry::entry(&done.before, &name, entry::find(&done.before, &name)?);
        Ok(Response::new(v1::RemoveRouteResponse { revision: done.revision, route: Some(route) }))
    }

    async fn explain_pick(
        &self,
        request: Request<v1::ExplainPickRequest>,
    ) -> Result<Response<v1::ExplainPickResponse>, Status> {
        explain::explain(&self.0, request.into_inner()).await.map(Response::new)
    }
}
