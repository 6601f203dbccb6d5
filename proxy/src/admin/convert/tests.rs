use tonic_types::StatusExt as _;

use super::*;

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|&path| path.into()).collect() })
}

fn at_fault(violations: Violations) -> Vec<String> {
    let Err(status) = violations.check() else { return Vec::new() };
    let details = status.get_error_details();
    details.bad_request().map(|bad| bad.field_violations.iter().map(|v| v.field.clone()).collect()).unwrap_or_default()
}

#[test]
fn without_a_mask_what_is_set_is_changed() {
    let mut violations = Violations::default();
    let backend = v1::Backend { max_conn: Some(0), weight: Some(5), ..v1::Backend::default() };
    let edits = backend::edits(backend, None, &mut violations);
    let expected = [("max_conn", Edit::Set(0.into())), ("weight", Edit::Set(5.into()))];
    assert_eq!(edits, expected.map(|(field, edit)| (field.to_owned(), edit)).into());
    assert!(at_fault(violations).is_empty());
}

#[test]
fn a_mask_decides_and_what_it_names_unset_is_reset() {
    let mut violations = Violations::default();
    let backend = v1::Backend { max_conn: Some(7), weight: Some(5), ..v1::Backend::default() };
    let edits = backend::edits(backend, mask(&["max_conn", "name", "health_check"]), &mut violations);
    // The weight is set, but the mask does not name it.
    let expected = [("health_check", Edit::Reset), ("max_conn", Edit::Set(7.into())), ("name", Edit::Reset)];
    assert_eq!(edits, expected.map(|(field, edit)| (field.to_owned(), edit)).into());
    assert!(at_fault(violations).is_empty());
}

#[test]
fn every_fault_is_named() {
    let mut violations = Violations::default();
    let health_check = v1::HealthCheck {
        r#type: 9,
        expect_status: "abc".into(),
        interval: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..v1::HealthCheck::default()
    };
    let backend = v1::Backend {
        scheme: Some(42),
        backup: Some(true),
        health_check: Some(health_check),
        ..v1::Backend::default()
    };
    let _ = backend::edits(backend, mask(&["scheme", "backup", "colour", "health_check", "id"]), &mut violations);
    assert_eq!(
        at_fault(violations),
        [
            "update_mask.paths[2]",
            "update_mask.paths[4]",
            "backend.backup",
            "backend.scheme",
            "backend.health_check.type",
            "backend.health_check.interval",
        ]
    );
}

#[test]
fn a_check_is_written_as_in_the_file() {
    let mut violations = Violations::default();
    let time = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let check = v1::HealthCheck {
        path: "/up".into(),
        interval: time(1, 500_000_000),
        timeout: time(0, 1),
        failures: 2,
        ..v1::HealthCheck::default()
    };
    let written = serde_json::json!({ "path": "/up", "interval": "1500ms", "timeout": "1ns", "failures": 2 });
    assert_eq!(check::health_check("backend", check, &mut violations), written);
    assert!(at_fault(violations).is_empty());
}

#[test]
fn a_check_that_is_off_is_written_so_and_says_nothing_else() {
    let off = v1::HealthCheck { r#type: v1::HealthCheckType::Off.into(), ..v1::HealthCheck::default() };
    let mut violations = Violations::default();
    assert_eq!(check::health_check("upstream", off.clone(), &mut violations), "off");
    assert!(at_fault(violations).is_empty());
    let mut violations = Violations::default();
    let both = v1::HealthCheck { path: "/up".into(), ..off };
    check::health_check("upstream", both, &mut violations);
    assert_eq!(at_fault(violations), ["upstream.health_check"]);
}

#[test]
fn a_path_of_a_mask_may_stand_for_several_fields() {
    let mut violations = Violations::default();
    let time = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let upstream = v1::Upstream {
        load_balancer: Some(v1::LoadBalancer::Random.into()),
        timeouts: Some(v1::Timeouts { connect: time(2), total: time(0), ..v1::Timeouts::default() }),
        pool: Some(v1::Pool { max_idle: Some(3), ..v1::Pool::default() }),
        ..v1::Upstream::default()
    };
    let edits = upstream::edits(upstream, mask(&["timeouts", "pool.max_idle", "load_balancer"]), &mut violations);
    let expected = [
        ("load_balancer", Edit::Set("random".into())),
        ("pool.max_idle", Edit::Set(3.into())),
        ("timeouts.connect", Edit::Set("2000ms".into())),
        ("timeouts.first_byte", Edit::Reset),
        ("timeouts.idle", Edit::Reset),
        ("timeouts.total", Edit::Set("off".into())),
    ];
    assert_eq!(edits, expected.map(|(field, edit)| (field.to_owned(), edit)).into());
    assert!(at_fault(violations).is_empty());
}

#[test]
fn what_is_replaced_as_a_whole_cannot_be_named_in_part() {
    let mut violations = Violations::default();
    let _ = route::edits(v1::Route::default(), mask(&["headers.request.set", "protocols", "tim"]), &mut violations);
    assert_eq!(at_fault(violations), ["update_mask.paths[0]", "update_mask.paths[2]"]);
}

#[test]
fn a_route_is_written_as_in_the_file() {
    let mut violations = Violations::default();
    let edits =
        v1::HeaderEdits { remove: vec!["x-b".into()], set: [("x-a".into(), "1".into())].into(), add: [].into() };
    let route = v1::Route {
        hosts: Some(v1::Hosts { names: vec!["a.example".into()] }),
        path_exact: Some("/p".into()),
        upstream: Some("api".into()),
        protocols: Some(v1::Protocols { sse: Some(v1::LoadBalancer::LeastConnections.into()), websocket: Some(77) }),
        headers: Some(v1::HeaderRules { request: Some(edits), response: None }),
        ..v1::Route::default()
    };
    let fields = route::fields(route, &mut violations);
    let expected = [
        ("headers.request", serde_json::json!({ "set": { "x-a": "1" }, "add": {}, "remove": ["x-b"] })),
        ("hosts", serde_json::json!(["a.example"])),
        ("path_exact", "/p".into()),
        ("protocols.sse", "least_connections".into()),
        ("upstream", "api".into()),
    ];
    assert_eq!(fields, expected.map(|(field, value)| (field.to_owned(), value)).into());
    assert_eq!(at_fault(violations), ["route.protocols.websocket"]);
}

#[test]
fn algorithms_have_the_names_of_the_file() {
    for algorithm in speedmimi_model::Algorithm::ALL {
        let name = format!("LOAD_BALANCER_{}", algorithm.as_str().to_ascii_uppercase());
        let wire = v1::LoadBalancer::from_str_name(&name);
        assert_eq!(wire.is_some(), algorithm.is_available(), "{name}");
        let mut violations = Violations::default();
        let written = wire.and_then(|wire| load_balancer("f", Some(wire.into()), &mut violations));
        assert_eq!(written, algorithm.is_available().then(|| algorithm.as_str().into()));
    }
}

#[test]
fn a_duration_is_read_or_refused_whatever_its_parts_are() {
    for seconds in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        for nanos in [i32::MIN, -1, 0, 999_999_999, 1_000_000_000, i32::MAX] {
            let read = duration(prost_types::Duration { seconds, nanos });
            assert_eq!(read.is_ok(), seconds >= 0 && nanos >= 0, "{seconds} s {nanos} ns: {read:?}");
        }
    }
    assert_eq!(duration(prost_types::Duration { seconds: 1, nanos: 5 }), Ok(Duration::new(1, 5)));
}
