//! Upstreams and routes.

use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::upstream_service_client::UpstreamServiceClient;

use super::*;

impl Proxy {
    pub(super) fn upstreams(&self) -> UpstreamServiceClient<Channel> {
        UpstreamServiceClient::new(self.channel.clone())
    }

    pub(super) fn routes(&self) -> RouteServiceClient<Channel> {
        RouteServiceClient::new(self.channel.clone())
    }

    pub(super) async fn add_upstream(&self, name: &str) -> Result<v1::AddUpstreamResponse, tonic::Status> {
        let upstream = v1::Upstream { name: name.into(), ..Default::default() };
        let request = v1::AddUpstreamRequest { upstream: Some(upstream), ..Default::default() };
        Ok(self.upstreams().add_upstream(request).await?.into_inner())
    }

    pub(super) async fn add_route(
        &self,
        name: &str,
        path: &str,
        upstream: &str,
    ) -> Result<v1::AddRouteResponse, tonic::Status> {
        let (path, upstream) = (Some(path.into()), Some(upstream.into()));
        let route = v1::Route { name: name.into(), path, upstream, ..Default::default() };
        let request = v1::AddRouteRequest { route: Some(route), ..Default::default() };
        Ok(Box::pin(self.routes().add_route(request)).await?.into_inner())
    }
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test]
async fn an_upstream_comes_changes_and_goes() {
    let proxy = Proxy::start().await;
    let added = proxy.add_upstream("api").await.expect("valid");
    let entry = added.upstream.expect("an entry");
    assert_eq!((added.revision, entry.status.map(|status| (status.revision, status.backends))), (2, Some((2, 0))));
    assert_eq!(proxy.add_upstream("api").await.expect_err("it exists").code(), Code::AlreadyExists);
    let timeouts = v1::Timeouts { connect: seconds(2), total: seconds(0), ..Default::default() };
    let change = v1::Upstream {
        name: "api".into(),
        load_balancer: Some(v1::LoadBalancer::Random.into()),
        timeouts: Some(timeouts),
        ..Default::default()
    };
    let request = v1::UpdateUpstreamRequest { upstream: Some(change), ..Default::default() };
    let updated = proxy.upstreams().update_upstream(request).await.expect("valid").into_inner();
    let upstream = updated.upstream.and_then(|entry| entry.upstream).expect("an entry");
    assert_eq!((updated.revision, upstream.load_balancer()), (3, v1::LoadBalancer::Random));
    let timeouts = upstream.timeouts.expect("clocks");
    assert_eq!((timeouts.connect, timeouts.first_byte, timeouts.total), (seconds(2), seconds(120), seconds(0)));

    let get = v1::GetUpstreamRequest { upstream: "api".into(), explain: true };
    let fields = proxy.upstreams().get_upstream(get).await.expect("there").into_inner().fields;
    let field = |name: &str| fields.iter().find(|field| field.field == name).expect("a field");
    let connect = field("timeouts.connect");
    assert_eq!((connect.layer(), connect.value.as_str(), &connect.file_value), (v1::Layer::Overlay, "\"2s\"", &None));
    assert_eq!(connect.origin.as_ref().map(|origin| (origin.who.as_str(), origin.revision)), Some(("api", 3)));
    assert_eq!(field("timeouts.idle").layer(), v1::Layer::Default);

    let reset = v1::UpdateUpstreamRequest {
        upstream: Some(v1::Upstream { name: "api".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["timeouts".into()] }),
        ..Default::default()
    };
    let updated = proxy.upstreams().update_upstream(reset).await.expect("valid").into_inner();
    let upstream = updated.upstream.and_then(|entry| entry.upstream).expect("an entry");
    assert_eq!(upstream.timeouts.and_then(|timeouts| timeouts.connect), seconds(10));
    assert_eq!(upstream.load_balancer(), v1::LoadBalancer::Random, "the mask does not name it");

    let remove = v1::RemoveUpstreamRequest { upstream: "api".into(), ..Default::default() };
    assert_eq!(proxy.upstreams().remove_upstream(remove).await.expect("unused").into_inner().revision, 5);
    let get = v1::GetUpstreamRequest { upstream: "api".into(), explain: false };
    assert_eq!(proxy.upstreams().get_upstream(get).await.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test]
async fn faults_of_an_upstream_are_named_as_in_the_api() {
    let proxy = Proxy::start().await;
    let timeouts = v1::Timeouts { connect: seconds(0), ..Default::default() };
    let pool = v1::Pool { idle_timeout: seconds(-1), ..Default::default() };
    let upstream =
        v1::Upstream { name: "api".into(), pool: Some(pool), timeouts: Some(timeouts), ..Default::default() };
    let faults = async |upstream: v1::Upstream| {
        let request = v1::AddUpstreamRequest { upstream: Some(upstream), ..Default::default() };
        let refused = proxy.upstreams().add_upstream(request).await.expect_err("it has faults");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let faults = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
    };
    assert_eq!(faults(upstream.clone()).await, ["upstream.pool.idle_timeout", "upstream.timeouts.connect"]);
    assert_eq!(faults(v1::Upstream { pool: None, ..upstream }).await, ["upstream.timeouts.connect"]);
    assert_eq!(faults(v1::Upstream::default()).await, ["upstream.name"]);
}

#[tokio::test]
async fn a_route_comes_changes_and_goes() {
    let proxy = Proxy::start().await;
    proxy.add_upstream("api").await.expect("valid");
    let missing = proxy.add_route("app", "/app", "nowhere").await.expect_err("no such upstream");
    assert_eq!(missing.code(), Code::InvalidArgument);
    proxy.add_route("all", "/", "default").await.expect("valid");
    let added = proxy.add_route("app", "/app", "api").await.expect("valid");
    assert_eq!((added.revision, added.route.map(|entry| entry.revision)), (4, Some(4)));

    let remove = v1::RemoveUpstreamRequest { upstream: "api".into(), force: true, ..Default::default() };
    let refused = proxy.upstreams().remove_upstream(remove).await.expect_err("a route leads to it");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("route app"), "{}", refused.message());
    let get = v1::GetUpstreamRequest { upstream: "api".into(), explain: false };
    let status = proxy.upstreams().get_upstream(get).await.expect("there").into_inner().upstream;
    assert_eq!(status.and_then(|entry| entry.status).map(|status| status.routes), Some(vec!["app".to_owned()]));

    let change = v1::Route { name: "app".into(), path_exact: Some("/app".into()), ..Default::default() };
    let request = v1::UpdateRouteRequest { route: Some(change), ..Default::default() };
    let updated = Box::pin(proxy.routes().update_route(request)).await.expect("valid").into_inner();
    let route = updated.route.and_then(|entry| entry.route).expect("an entry");
    assert_eq!((route.path.as_ref(), route.path_exact.as_deref(), route.upstream()), (None, Some("/app"), "api"));

    let list = v1::ListRoutesRequest { page_size: 1, ..Default::default() };
    let page = proxy.routes().list_routes(list).await.expect("a page").into_inner();
    assert_eq!((page.routes.len(), page.next_page_token.as_str(), page.revision), (1, "all", 5));

    let remove = v1::RemoveRouteRequest { route: "app".into(), ..Default::default() };
    let removed = proxy.routes().remove_route(remove.clone()).await.expect("there").into_inner();
    assert_eq!((removed.revision, removed.route.map(|entry| entry.revision)), (6, Some(5)));
    assert_eq!(proxy.routes().remove_route(remove).await.expect_err("gone").code(), Code::NotFound);
}
