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
    let edits = edits(backend, None, &mut violations);
    let expected = [("max_conn", Edit::Set(0.into())), ("weight", Edit::Set(5.into()))];
    assert_eq!(edits, expected.map(|(field, edit)| (field.to_owned(), edit)).into());
    assert!(at_fault(violations).is_empty());
}

#[test]
fn a_mask_decides_and_what_it_names_unset_is_reset() {
    let mut violations = Violations::default();
    let backend = v1::Backend { max_conn: Some(7), weight: Some(5), ..v1::Backend::default() };
    let edits = edits(backend, mask(&["max_conn", "name", "health_check"]), &mut violations);
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
    let _ = edits(backend, mask(&["scheme", "backup", "colour", "health_check", "id"]), &mut violations);
    let options = v1::MutationOptions { request_id: "x".into(), ..v1::MutationOptions::default() };
    let _ = guard(Some(options), &mut violations);
    assert_eq!(
        at_fault(violations),
        [
            "update_mask.paths[2]",
            "update_mask.paths[4]",
            "backend.backup",
            "backend.scheme",
            "backend.health_check.type",
            "backend.health_check.interval",
            "options.request_id",
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
    assert_eq!(health_check(check, &mut violations), written);
    assert!(at_fault(violations).is_empty());
}

#[test]
fn options_become_conditions() {
    let mut violations = Violations::default();
    let options = v1::MutationOptions { validate_only: true, expected_revision: Some(0), request_id: String::new() };
    let guard = guard(Some(options), &mut violations);
    assert_eq!(guard, Guard { validate_only: true, expected_revision: Some(0) });
    assert!(violations.check().is_ok());
}
