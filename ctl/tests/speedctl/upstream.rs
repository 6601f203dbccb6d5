//! Upstreams: what is sent and what is said.

use speedmimi_proto::v1::{HealthCheckType, LoadBalancer, MutationOptions, UpdateUpstreamRequest};

use crate::double::{Call, Double, Script};
use crate::{columns, on};

fn update(double: &Double, words: &str) -> UpdateUpstreamRequest {
    let out = on(double, &format!("upstream update {words}")).done();
    assert!(out.ends_with(" updated (revision 7)\n"), "{out}");
    match double.last() {
        Call::UpdateUpstream(request) => request,
        other => unreachable!("an update was asked for, not {other:?}"),
    }
}

fn double() -> Double {
    Double::start(Script::with(vec![]))
}

#[test]
fn a_list_has_plain_columns_and_is_gathered_from_its_pages() {
    let double = Double::start(Script { page: Some(1), ..Script::with(vec![]) });
    let out = on(&double, "upstream list").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["UPSTREAM", "ALGORITHM", "BACKENDS", "AVAILABLE", "IN-FLIGHT", "ROUTES", "REVISION"]);
    assert_eq!(rows[1], ["api", "round_robin", "3", "2", "4", "all app", "6"]);
    assert_eq!((rows[2][0], rows.len(), double.calls().len()), ("default", 3, 2));
    let list = on(&double, "-o json upstream list").json();
    assert_eq!(list["upstreams"][1]["upstream"]["pool"]["max_idle"], 50);
}

#[test]
fn one_upstream_is_a_list_of_properties() {
    let double = double();
    let out = on(&double, "upstream get").done();
    let rows = columns(&out);
    for row in [["upstream", "default"], ["connect timeout", "10s"], ["total timeout", "-"], ["available", "2"]] {
        assert!(rows.iter().any(|cells| *cells == row), "{row:?} in {out}");
    }
    assert_eq!(on(&double, "-o json upstream get api").json()["upstream"]["status"]["routes"][0], "all");
}

#[test]
fn each_field_says_where_it_comes_from() {
    let double = double();
    let out = on(&double, "upstream get api --explain").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["FIELD", "VALUE", "LAYER", "FILE", "WHO", "WHEN", "REVISION"]);
    assert_eq!(rows[1], ["pool.max_idle", "200", "overlay", "100", "ann", "2001-09-09T01:46:40Z", "5"]);
    assert!(matches!(double.last(), Call::GetUpstream(request) if request.explain && request.upstream == "api"));
}

#[test]
fn add_sends_what_it_is_given() {
    let double = double();
    let words = "upstream add api --load-balancer random --connect-timeout 2s --total-timeout off --pool-max-idle 0";
    assert_eq!(on(&double, words).done(), "api added (revision 7)\n");
    let Call::AddUpstream(request) = double.last() else { panic!("{:?}", double.last()) };
    let upstream = request.upstream.expect("an upstream is sent");
    assert_eq!((upstream.name.as_str(), upstream.load_balancer()), ("api", LoadBalancer::Random));
    let timeouts = upstream.timeouts.expect("clocks are sent");
    assert_eq!((timeouts.connect.map(|time| time.seconds), timeouts.idle), (Some(2), None));
    assert_eq!(timeouts.total, Some(prost_types::Duration::default()), "off");
    assert_eq!(upstream.pool.and_then(|pool| pool.max_idle), Some(0));
    assert_eq!((upstream.health_check, request.options), (None, None));
}

#[test]
fn only_what_is_named_is_changed() {
    let request = update(&double(), "api --first-byte-timeout 5s --pool-idle-timeout 1m --reset load_balancer");
    let paths = request.update_mask.expect("a mask is sent").paths;
    assert_eq!(paths, ["timeouts.first_byte", "pool.idle_timeout", "load_balancer"]);
    let upstream = request.upstream.expect("an upstream is sent");
    assert_eq!((upstream.name.as_str(), upstream.load_balancer), ("api", None));
    on(&double(), "upstream update api").failed(2);
    let err = on(&double(), "upstream update api --connect-timeout 1s --reset timeouts").failed(2);
    assert!(err.contains("timeouts is given twice"), "{err}");
}

#[test]
fn parts_of_a_check_keep_the_rest_of_it_and_off_does_not() {
    let double = double();
    let request = update(&double, "--health-path /new");
    let check = request.upstream.and_then(|upstream| upstream.health_check).expect("a check is sent");
    assert_eq!((check.path.as_str(), check.failures), ("/new", 9));
    assert_eq!(request.options.and_then(|options| options.expected_revision), Some(6));
    let request = update(&double, "--health-type off");
    let check = request.upstream.and_then(|upstream| upstream.health_check).expect("a check is sent");
    assert_eq!((check.r#type(), check.failures), (HealthCheckType::Off, 0));
    assert_eq!(request.options, None, "nothing was looked up");
}

#[test]
fn remove_can_be_tried_and_forced() {
    let double = double();
    let words = "upstream remove api --force --dry-run --expected-revision 3";
    assert_eq!(on(&double, words).done(), "api would be removed (dry run, revision 7)\n");
    let Call::RemoveUpstream(request) = double.last() else { panic!("{:?}", double.last()) };
    assert!(request.force);
    let options = MutationOptions { validate_only: true, expected_revision: Some(3), request_id: String::new() };
    assert_eq!(request.options, Some(options));
    assert_eq!(on(&double, "-o json upstream remove api").json()["upstream"]["upstream"]["name"], "api");
    on(&double, "upstream remove").failed(2);
}
