//! A caller that is limited to some upstreams learns no name of anything else from a refusal.

use speedmimi_proto::v1::backend_service_server::BackendService as _;
use speedmimi_proto::v1::route_service_server::RouteService as _;
use speedmimi_proto::v1::upstream_service_server::UpstreamService as _;
use tonic::Request;

use super::*;
use crate::admin::backend::Backends;
use crate::admin::route::Routes;
use crate::admin::upstream::Upstreams;
use crate::control::{Caller, Scope};

/// A request of a caller that may do everything to `mine`, behind the gate.
fn asks<T>(asks: &'static str, request: T) -> Request<T> {
    let caller = Caller { scope: Scope::only(&["mine".to_owned()]), asks, ..Caller::api("here") };
    let mut request = Request::new(request);
    request.extensions_mut().insert(caller);
    request
}

fn reason(refused: &tonic::Status) -> String {
    assert!(!refused.message().contains("secret") && !refused.message().contains("default"), "{refused:?}");
    let details = refused.get_error_details();
    details.error_info().map(|info| info.reason.clone()).expect("a reason")
}

#[tokio::test]
async fn what_is_gone_is_not_told_beside_what_others_have() {
    let proxy = Proxy::start().await;
    proxy.add_upstream("secret").await.expect("valid");
    let backends = Backends(proxy.control.clone());
    let ask = async |request_id: &str, expected_revision| {
        let options =
            Some(v1::MutationOptions { expected_revision, request_id: request_id.into(), ..Default::default() });
        let request = v1::EnableBackendRequest { upstream: "mine".into(), backend_id: "b".into(), options };
        let request = asks("speedmimi.v1.BackendService/EnableBackend", request);
        backends.enable_backend(request).await.expect_err("it is gone")
    };
    assert_eq!(reason(&ask("", None).await), "UPSTREAM_NOT_FOUND");
    let first = ask("x", None).await;
    assert_eq!(reason(&first), "UPSTREAM_NOT_FOUND");
    assert_eq!(ask("x", None).await.message(), first.message(), "as it is remembered");
    assert_eq!(reason(&ask("", Some(7)).await), "REVISION_CONFLICT");
}

#[tokio::test]
async fn what_does_not_go_together_names_nothing_of_others() {
    let proxy = Proxy::start().await;
    proxy.add_upstream("secret").await.expect("valid");
    let remove = v1::RemoveUpstreamRequest { upstream: "default".into(), force: true, ..Default::default() };
    proxy.upstreams().remove_upstream(remove).await.expect("another is left");
    let open = proxy.add_upstream("mine").await.expect_err("there would be two, and no route");
    assert!(open.message().contains("mine, secret"), "{open:?}");
    let upstream = Some(v1::Upstream { name: "mine".into(), ..Default::default() });
    let request = v1::AddUpstreamRequest { upstream, ..Default::default() };
    let request = asks("speedmimi.v1.UpstreamService/AddUpstream", request);
    let refused = Upstreams(proxy.control.clone()).add_upstream(request).await.expect_err("no route");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "UNROUTABLE"));
}

#[tokio::test]
async fn a_route_that_leads_elsewhere_is_refused_as_one_that_is_nowhere() {
    let proxy = Proxy::start().await;
    proxy.add_route("main", "/", "default").await.expect("valid");
    let routes = Routes(proxy.control.clone());
    for name in ["main", "none"] {
        let request = v1::GetRouteRequest { route: name.into(), explain: false };
        let request = asks("speedmimi.v1.RouteService/GetRoute", request);
        let refused = routes.get_route(request).await.expect_err("it is not its own");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
        assert_eq!(refused.message(), format!("GetRoute: route {name} leads to no upstream of this caller"));
        let details = refused.get_error_details();
        let needed = details.error_info().map(|info| info.metadata["needed"].clone());
        assert_eq!(needed, Some(format!("an upstream that route {name} leads to")));
    }
}
