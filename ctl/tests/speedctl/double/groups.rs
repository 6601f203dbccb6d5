//! Upstreams and routes as a [`Script`] serves them: `default` and `api`, `all` and `app`.

use speedmimi_proto::v1::route_service_server::RouteService;
use speedmimi_proto::v1::upstream_service_server::UpstreamService;

use super::services::{Answer, NEXT, explained};
use super::*;

fn upstream(name: &str) -> UpstreamEntry {
    let time = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    UpstreamEntry {
        upstream: Some(Upstream {
            name: name.to_owned(),
            load_balancer: Some(LoadBalancer::RoundRobin.into()),
            timeouts: Some(Timeouts { connect: time(10), first_byte: time(120), idle: time(300), total: time(0) }),
            pool: Some(Pool { max_idle: Some(50), idle_timeout: time(60), max_requests: Some(0) }),
            health_check: Some(HealthCheck { path: "/old".to_owned(), failures: 9, ..HealthCheck::default() }),
        }),
        status: Some(UpstreamStatus {
            backends: 3,
            available: 2,
            in_flight: 4,
            revision: 6,
            routes: vec!["all".to_owned(), "app".to_owned()],
        }),
    }
}

fn route(name: &str) -> RouteEntry {
    RouteEntry {
        route: Some(Route {
            name: name.to_owned(),
            hosts: Some(Hosts { names: if name == "app" { vec!["app.example".to_owned()] } else { vec![] } }),
            path: (name != "app").then(|| "/".to_owned()),
            path_exact: (name == "app").then(|| "/login".to_owned()),
            upstream: Some("default".to_owned()),
            protocols: Some(Protocols { websocket: Some(LoadBalancer::LeastConnections.into()), sse: None }),
            headers: Some(HeaderRules {
                request: Some(HeaderEdits {
                    set: BTreeMap::from([("x-a".to_owned(), "1".to_owned())]),
                    remove: vec!["x-b".to_owned()],
                    ..HeaderEdits::default()
                }),
                response: None,
            }),
            ..Route::default()
        }),
        revision: 6,
    }
}

/// The part of a list that a token asks for, two entries a page at most, and the next token.
fn page<T: Clone>(all: &[T], size: Option<usize>, token: &str) -> (Vec<T>, String) {
    let from = token.parse().unwrap_or(0);
    let until = size.map_or(all.len(), |size| all.len().min(from + size));
    (all[from..until].to_vec(), if until < all.len() { until.to_string() } else { String::new() })
}

#[tonic::async_trait]
impl UpstreamService for Script {
    async fn list_upstreams(&self, request: Request<ListUpstreamsRequest>) -> Answer<ListUpstreamsResponse> {
        let request = request.into_inner();
        self.hear(Call::ListUpstreams(request.clone())).await?;
        let all = [upstream("api"), upstream("default")];
        let (upstreams, next_page_token) = page(&all, self.page, &request.page_token);
        Ok(Response::new(ListUpstreamsResponse { upstreams, next_page_token, revision: 6 }))
    }

    async fn get_upstream(&self, request: Request<GetUpstreamRequest>) -> Answer<GetUpstreamResponse> {
        let request = request.into_inner();
        self.hear(Call::GetUpstream(request.clone())).await?;
        let fields = if request.explain { explained("pool.max_idle") } else { vec![] };
        Ok(Response::new(GetUpstreamResponse { upstream: Some(upstream(&request.upstream)), fields }))
    }

    async fn add_upstream(&self, request: Request<AddUpstreamRequest>) -> Answer<AddUpstreamResponse> {
        let request = request.into_inner();
        self.hear(Call::AddUpstream(request.clone())).await?;
        let upstream = Some(UpstreamEntry { upstream: request.upstream, status: None });
        Ok(Response::new(AddUpstreamResponse { revision: NEXT, upstream }))
    }

    async fn update_upstream(&self, request: Request<UpdateUpstreamRequest>) -> Answer<UpdateUpstreamResponse> {
        let request = request.into_inner();
        self.hear(Call::UpdateUpstream(request.clone())).await?;
        let upstream = Some(upstream(&request.upstream.unwrap_or_default().name));
        Ok(Response::new(UpdateUpstreamResponse { revision: NEXT, upstream }))
    }

    async fn remove_upstream(&self, request: Request<RemoveUpstreamRequest>) -> Answer<RemoveUpstreamResponse> {
        let request = request.into_inner();
        self.hear(Call::RemoveUpstream(request.clone())).await?;
        Ok(Response::new(RemoveUpstreamResponse { revision: NEXT, upstream: Some(upstream(&request.upstream)) }))
    }
}

#[tonic::async_trait]
impl RouteService for Script {
    async fn list_routes(&self, request: Request<ListRoutesRequest>) -> Answer<ListRoutesResponse> {
        let request = request.into_inner();
        self.hear(Call::ListRoutes(request.clone())).await?;
        let (routes, next_page_token) = page(&[route("all"), route("app")], self.page, &request.page_token);
        Ok(Response::new(ListRoutesResponse { routes, next_page_token, revision: 6 }))
    }

    async fn get_route(&self, request: Request<GetRouteRequest>) -> Answer<GetRouteResponse> {
        let request = request.into_inner();
        self.hear(Call::GetRoute(request.clone())).await?;
        let fields = if request.explain { explained("timeouts.connect") } else { vec![] };
        Ok(Response::new(GetRouteResponse { route: Some(route(&request.route)), fields }))
    }

    async fn add_route(&self, request: Request<AddRouteRequest>) -> Answer<AddRouteResponse> {
        let request = request.into_inner();
        self.hear(Call::AddRoute(request.clone())).await?;
        let route = Some(RouteEntry { route: request.route, revision: NEXT });
        Ok(Response::new(AddRouteResponse { revision: NEXT, route }))
    }

    async fn update_route(&self, request: Request<UpdateRouteRequest>) -> Answer<UpdateRouteResponse> {
        let request = request.into_inner();
        self.hear(Call::UpdateRoute(request.clone())).await?;
        let route = Some(route(&request.route.unwrap_or_default().name));
        Ok(Response::new(UpdateRouteResponse { revision: NEXT, route }))
    }

    async fn remove_route(&self, request: Request<RemoveRouteRequest>) -> Answer<RemoveRouteResponse> {
        let request = request.into_inner();
        self.hear(Call::RemoveRoute(request.clone())).await?;
        Ok(Response::new(RemoveRouteResponse { revision: NEXT, route: Some(route(&request.route)) }))
    }

    async fn explain_pick(&self, request: Request<ExplainPickRequest>) -> Answer<ExplainPickResponse> {
        let request = request.into_inner();
        self.hear(Call::Explain(request.clone())).await?;
        Ok(Response::new(streams::explained(&request)))
    }
}
