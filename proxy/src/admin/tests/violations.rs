//! Bad input is told whole: what cannot be converted, and what the model finds in the rest.

use super::*;

fn options() -> Option<v1::MutationOptions> {
    Some(v1::MutationOptions { request_id: "x".repeat(129), ..Default::default() })
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|&path| path.into()).collect() })
}

/// The fields that a refusal names, sorted: each of them once.
fn named<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Vec<String> {
    let refused = answer.expect_err("it has faults");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let details = refused.get_error_details();
    let faults = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let mut fields: Vec<String> = faults.into_iter().map(|fault| fault.field).collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn every_fault_of_a_backend_is_told_at_once() {
    let proxy = Proxy::start().await;
    let one = || v1::Backend { id: ONE.into(), ..Default::default() };
    let update = |backend: v1::Backend, update_mask, options| v1::UpdateBackendRequest {
        backend: Some(backend),
        update_mask,
        options,
        ..Default::default()
    };
    let zero = Some(0);
    for (request, expected) in [
        (
            update(v1::Backend { weight: zero, port: Some(70_000), ..Default::default() }, None, None),
            &["backend.id", "backend.port", "backend.weight"][..],
        ),
        (
            update(v1::Backend { weight: zero, ..one() }, mask(&["weight", "zork"]), None),
            &["backend.weight", "update_mask.paths[1]"],
        ),
        // What the mask leaves out is not looked at.
        (update(v1::Backend { weight: zero, ..one() }, mask(&["port", "zork"]), None), &["update_mask.paths[1]"]),
        (update(v1::Backend { weight: zero, ..one() }, None, options()), &["backend.weight", "options.request_id"]),
        // One that is not there is not blamed for what only it could say.
        (
            update(v1::Backend { id: "nobody".into(), weight: zero, ..one() }, None, options()),
            &["backend.id", "backend.weight", "options.request_id"][1..],
        ),
        (
            update(v1::Backend { backup: Some(true), weight: zero, ..one() }, None, None),
            &["backend.backup", "backend.weight"],
        ),
    ] {
        assert_eq!(named(proxy.backends().update_backend(request.clone()).await), expected, "{request:?}");
    }
    let add = |backend| v1::AddBackendRequest { backend: Some(backend), options: options(), ..Default::default() };
    let all = v1::Backend {
        id: "bad id!".into(),
        host: Some("x y".into()),
        weight: zero,
        scheme: Some(7),
        ..Default::default()
    };
    let expected =
        ["backend.host", "backend.id", "backend.port", "backend.scheme", "backend.weight", "options.request_id"];
    assert_eq!(named(proxy.backends().add_backend(add(all)).await), expected);
    let check = v1::HealthCheck { r#type: 9, path: "up".into(), interval: seconds(-1), ..Default::default() };
    let checked = v1::Backend { health_check: Some(check), ..one() };
    let expected = ["health_check.interval", "health_check.path", "health_check.type"].map(|f| format!("backend.{f}"));
    assert_eq!(named(proxy.backends().update_backend(update(checked, None, None)).await), expected);
    assert_eq!(proxy.get(ONE).await.expect("it exists").status.map(|status| status.revision), Some(1));
}

#[tokio::test]
async fn every_fault_of_an_upstream_is_told_at_once() {
    let proxy = Proxy::start().await;
    let timeouts = v1::Timeouts { connect: seconds(0), first_byte: seconds(-1), ..Default::default() };
    let upstream =
        v1::Upstream { name: "a b".into(), load_balancer: Some(6_000), timeouts: Some(timeouts), ..Default::default() };
    let faults =
        ["upstream.load_balancer", "upstream.name", "upstream.timeouts.connect", "upstream.timeouts.first_byte"];
    let add = v1::AddUpstreamRequest { upstream: Some(upstream.clone()), ..Default::default() };
    assert_eq!(named(proxy.upstreams().add_upstream(add).await), faults);
    let unnamed = v1::Upstream { name: String::new(), ..upstream.clone() };
    let add = v1::AddUpstreamRequest { upstream: Some(unnamed), ..Default::default() };
    assert_eq!(named(proxy.upstreams().add_upstream(add).await), faults);
    let default = v1::Upstream { name: "default".into(), ..upstream };
    let update = v1::UpdateUpstreamRequest { upstream: Some(default), options: options(), ..Default::default() };
    let expected = ["options.request_id", faults[0], faults[2], faults[3]];
    assert_eq!(named(proxy.upstreams().update_upstream(update).await), expected);
}

#[tokio::test]
async fn every_fault_of_a_route_is_told_at_once() {
    let proxy = Proxy::start().await;
    let empty = v1::AddRouteRequest { route: Some(v1::Route::default()), ..Default::default() };
    assert_eq!(named(Box::pin(proxy.routes().add_route(empty)).await), ["route.name", "route.upstream"]);
    let nothing = v1::AddRouteRequest { options: options(), ..Default::default() };
    let expected = ["options.request_id", "route.name", "route.upstream"];
    assert_eq!(named(Box::pin(proxy.routes().add_route(nothing)).await), expected);
    let route = v1::Route {
        name: "nobody".into(),
        path: Some("no path".into()),
        upstream: Some("nowhere".into()),
        load_balancer: Some(6_000),
        ..Default::default()
    };
    let update = v1::UpdateRouteRequest { route: Some(route.clone()), ..Default::default() };
    let faults = ["route.load_balancer", "route.path", "route.upstream"];
    assert_eq!(named(Box::pin(proxy.routes().update_route(update)).await), faults);
    let add = v1::AddRouteRequest { route: Some(route), ..Default::default() };
    assert_eq!(named(Box::pin(proxy.routes().add_route(add)).await), faults);
}

#[tokio::test]
async fn every_fault_of_a_document_or_a_field_is_told_at_once() {
    let proxy = Proxy::start().await;
    let mut config = ConfigServiceClient::new(proxy.channel.clone());
    let apply = v1::ApplyConfigRequest { document: "nonsense: 1\n".into(), options: options() };
    let faults = named(config.apply_config(apply).await);
    assert!(faults.contains(&"options.request_id".into()) && faults.contains(&"nonsense".into()), "{faults:?}");
    let object = format!("backends.default.{ONE}");
    let clear = v1::ClearOverlayRequest { object, field: "zork".into(), options: options() };
    assert_eq!(named(config.clear_overlay(clear).await), ["backend.zork", "options.request_id"]);
}
