//! Partial, atomic, checked beforehand, with a revision; and refusals that say everything.

use prost_types::FieldMask;
use speedmimi_proto::v1::{
    AddBackendRequest, Backend, DisableBackendRequest, MutationOptions, RemoveBackendRequest, UpdateBackendRequest,
    UpdateBackendResponse,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Config, Management, Proxy, named};

fn update(
    management: &Management,
    backend: Backend,
    mask: Option<&[&str]>,
    options: MutationOptions,
) -> Result<UpdateBackendResponse, Status> {
    let update_mask = mask.map(|paths| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let request =
        UpdateBackendRequest { upstream: String::new(), backend: Some(backend), update_mask, options: Some(options) };
    management.call(management.backends().update_backend(request))
}

fn b1() -> Backend {
    Backend { id: "b1".into(), ..Backend::default() }
}

#[test]
fn a_mask_chooses_the_fields_and_an_unset_one_goes_back_to_the_file() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "weight: 50, max_conn: 7"));
    let management = proxy.management();
    let change = Backend { weight: Some(60), max_conn: Some(70), ..b1() };
    update(&management, change.clone(), Some(&["weight"]), MutationOptions::default()).expect("a valid change");
    assert_eq!((management.backend("b1").weight, management.backend("b1").max_conn), (Some(60), Some(7)));
    update(&management, change, None, MutationOptions::default()).expect("a valid change");
    assert_eq!(management.backend("b1").max_conn, Some(70));
    update(&management, b1(), Some(&["weight", "max_conn"]), MutationOptions::default()).expect("a valid change");
    assert_eq!((management.backend("b1").weight, management.backend("b1").max_conn), (Some(50), Some(7)));
    let refusal =
        update(&management, b1(), Some(&["no_such_field"]), MutationOptions::default()).expect_err("a bad mask");
    assert_eq!(refusal.code(), Code::InvalidArgument);
}

#[test]
fn validate_only_checks_everything_and_changes_nothing() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let before = management.entry("b1");
    let only = || MutationOptions { validate_only: true, ..MutationOptions::default() };
    let answer = update(&management, Backend { weight: Some(77), ..b1() }, None, only()).expect("a valid change");
    let shown = answer.backend.and_then(|entry| entry.backend).expect("the backend as it would be");
    assert_eq!(shown.weight, Some(77), "the answer shows what would be");
    let bad = update(&management, Backend { weight: Some(0), ..b1() }, None, only()).expect_err("out of range");
    assert_eq!(bad.code(), Code::InvalidArgument);
    let request = AddBackendRequest {
        backend: Some(Backend { id: "b2".into(), host: Some("127.0.0.1".into()), port: Some(1), ..Backend::default() }),
        options: Some(only()),
        ..AddBackendRequest::default()
    };
    management.call(management.backends().add_backend(request)).expect("a valid backend");
    let request =
        RemoveBackendRequest { backend_id: "b1".into(), options: Some(only()), ..RemoveBackendRequest::default() };
    management.call(management.backends().remove_backend(request)).expect("it is there");
    let request =
        DisableBackendRequest { backend_id: "b1".into(), options: Some(only()), ..DisableBackendRequest::default() };
    management.call(management.backends().disable_backend(request)).expect("it is there");
    let after = management.entry("b1");
    assert_eq!((after.backend, after.status.map(|s| s.revision)), (before.backend, before.status.map(|s| s.revision)));
    proxy.get("/").assert_forwarded(200);
}

#[test]
fn revisions_grow_and_expected_revision_guards_the_object() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).backend("b2", backend.address()));
    let management = proxy.management();
    let at = |revision| MutationOptions { expected_revision: Some(revision), ..MutationOptions::default() };
    let first = management.status("b1").revision;
    let answer =
        update(&management, Backend { weight: Some(60), ..b1() }, None, at(first)).expect("it is at that revision");
    assert!(answer.revision > first);
    assert_eq!(management.status("b1").revision, answer.revision);

    let refusal =
        update(&management, Backend { weight: Some(70), ..b1() }, None, at(first)).expect_err("it has moved on");
    assert_eq!(refusal.code(), Code::Aborted, "{refusal:?}");
    assert_eq!(management.backend("b1").weight, Some(60));

    // A change to another object does not disturb: the object's revision counts, not the global one.
    management.set_max_conn("b2", 5);
    update(&management, Backend { weight: Some(80), ..b1() }, None, at(answer.revision)).expect("b1 did not change");
}

#[test]
fn bad_input_names_every_field_at_fault() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let change = Backend { weight: Some(0), port: Some(70_000), host: Some(String::new()), ..b1() };
    let refusal = management.update(change).expect_err("three faults");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let details = refusal.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "speedmimi.v1");
    assert!(!info.reason.is_empty());
    let fields: Vec<&str> = details
        .bad_request()
        .expect("a BadRequest")
        .field_violations
        .iter()
        .map(|found| found.field.as_str())
        .collect();
    for field in ["weight", "port", "host"] {
        assert!(fields.iter().any(|found| found.ends_with(field)), "{field} in {fields:?}");
    }
}

#[test]
fn every_refusal_has_one_error_info() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let known = Backend { host: Some("127.0.0.1".into()), port: Some(80), ..b1() };
    let stale = MutationOptions { expected_revision: Some(u64::MAX), ..MutationOptions::default() };
    let refusals = [
        (management.remove("nobody").expect_err("no such"), Code::NotFound),
        (management.add(known).expect_err("it exists"), Code::AlreadyExists),
        (management.update(Backend { weight: Some(5000), ..b1() }).expect_err("out of range"), Code::InvalidArgument),
        (update(&management, b1(), None, stale).expect_err("it never was"), Code::Aborted),
    ];
    for (refusal, code) in refusals {
        assert_eq!(refusal.code(), code, "{refusal:?}");
        let details = refusal.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {refusal:?}"));
        assert_eq!(info.domain, "speedmimi.v1");
    }
}

#[test]
fn a_mutation_with_one_fault_changes_nothing_at_all() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let before = management.backend("b1");
    management.update(Backend { weight: Some(77), max_conn: Some(3), port: Some(0), ..b1() }).expect_err("port 0");
    assert_eq!(management.backend("b1"), before);
}

#[test]
fn what_a_later_version_brings_is_refused_by_name() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let refusal = management.update(Backend { backup: Some(true), ..b1() }).expect_err("backup comes later");
    assert!(refusal.message().contains("backup") || format!("{:?}", refusal.get_error_details()).contains("backup"));
    management.update(Backend { backup: Some(false), ..b1() }).expect("its default is accepted");
}
