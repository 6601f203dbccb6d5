//! `RouteService`.

use speedmimi_model::{Change, Object, Route};
use speedmimi_proto::v1;
use speedmimi_proto::v1::route_service_server::RouteService;
use tonic::{Code, Request, Response, Status};

use super::entry::{route as entry, source};
use super::mutation::Mutation;
use super::page::Page;
use super::sight::Sight;
use super::status::Violations;
use super::{caller, convert, explain};
use crate::control::{Control, Done};

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Routes(pub(super) Control);

#[tonic::async_trait]
impl RouteService for Routes {
    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<v1::ListRoutesResponse>, Status> {
        let caller = caller::of(&request);
        let sight = Sight::of(&caller);
        let v1::ListRoutesRequest { page_size, page_token } = request.into_inner();
        let view = self.0.view();
        let own = |(_, route): &(&String, &Route)| caller.scope.has(&route.upstream);
        let all: Vec<_> = view.store.config().routes.iter().filter(own).collect();
        let mut violations = Violations::default();
        let page = Page::of(&all, page_size, &page_token, |(name, _)| (*name).clone(), &mut violations);
        violations.check()?;
        Ok(Response::new(v1::ListRoutesResponse {
            routes: page.entries.iter().map(|(name, route)| entry::entry(&view.store, name, route, sight)).collect(),
            next_page_token: page.next,
            revision: view.store.revision(),
        }))
    }

    async fn get_route(&self, request: Request<v1::GetRouteRequest>) -> Result<Response<v1::GetRouteResponse>, Status> {
        let caller = caller::of(&request);
        let v1::GetRouteRequest { route: name, explain } = request.into_inner();
        let mut violations = Violations::default();
        convert::needed("route", &name, &mut violations);
        violations.check()?;
        let view = self.0.view();
        // One that leads elsewhere, and one that is not there, are the same to a caller with limits.
        let own = |route: &Route| caller.scope.has(&route.upstream);
        if caller.scope.is_limited() && !view.store.config().routes.get(&name).is_some_and(own) {
            return Err(caller::leads_elsewhere(&caller, &Object::Route(name).to_string()));
        }
        let sight = Sight::of(&caller);
        let route = entry::entry(&view.store, &name, entry::find(&view.store, &name)?, sight);
        let object = Object::Route(name);
        let fields = if explain { source::fields(view.store.layers(), &object, sight) } else { Vec::new() };
        Ok(Response::new(v1::GetRouteResponse { route: Some(route), fields }))
    }

    async fn add_route(&self, request: Request<v1::AddRouteRequest>) -> Result<Response<v1::AddRouteResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, v1::AddRouteRequest { route, .. }) = Mutation::open("AddRoute", request, &mut violations);
        let route = route.unwrap_or_default();
        let name = convert::needed("route.name", &route.name, &mut violations).to_owned();
        let fields = convert::route::fields(route, &mut violations);
        let change = Change::Add { object: Object::Route(name.clone()), fields };
        violations.check_with(&self.0, &change)?;
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            Ok(v1::AddRouteResponse { revision: done.revision, route: Some(entry::named(&done.store, &name, sight)?) })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }

    async fn update_route(
        &self,
        request: Request<v1::UpdateRouteRequest>,
    ) -> Result<Response<v1::UpdateRouteResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("UpdateRoute", request, &mut violations);
        let v1::UpdateRouteRequest { route, update_mask, .. } = request;
        let route = route.unwrap_or_default();
        let name = convert::needed("route.name", &route.name, &mut violations).to_owned();
        let fields = convert::route::edits(route, update_mask, &mut violations);
        let change = Change::Update { object: Object::Route(name.clone()), fields };
        violations.check_with(&self.0, &change)?;
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            Ok(v1::UpdateRouteResponse {
                revision: done.revision,
                route: Some(entry::named(&done.store, &name, sight)?),
            })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }

    async fn remove_route(
        &self,
        request: Request<v1::RemoveRouteRequest>,
    ) -> Result<Response<v1::RemoveRouteResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("RemoveRoute", request, &mut violations);
        let v1::RemoveRouteRequest { route: name, .. } = request;
        convert::needed("route", &name, &mut violations);
        violations.check()?;
        let change = Change::Remove { object: Object::Route(name.clone()), cascade: false };
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            Ok(v1::RemoveRouteResponse {
                revision: done.revision,
                route: Some(entry::named(&done.before, &name, sight)?),
            })
        };
        mutation.perform(&self.0, change.into(), respond).await
    }

    async fn explain_pick(
        &self,
        request: Request<v1::ExplainPickRequest>,
    ) -> Result<Response<v1::ExplainPickResponse>, Status> {
        let by = caller::of(&request);
        let answer = explain::explain(&self.0, &by, request.into_inner()).await;
        // What leads elsewhere, and what leads nowhere, are the same to a caller with limits. That a question makes no
        // sense, or that nobody answers it, says nothing about what there is.
        let hidden = match &answer {
            Ok(found) => !by.scope.has(&found.upstream),
            Err(status) => status.code() == Code::NotFound,
        };
        if by.scope.is_limited() && hidden {
            return Err(caller::leads_elsewhere(&by, "this request"));
        }
        answer.map(Response::new)
    }
}
