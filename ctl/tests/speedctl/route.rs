//! Routes: what is sent and what is said.

use speedmimi_proto::v1::{LoadBalancer, UpdateRouteRequest};

use crate::double::{Call, Double, Script};
use crate::{columns, on};

fn double() -> Double {
    Double::start(Script::with(vec![]))
}

fn update(double: &Double, words: &str) -> UpdateRouteRequest {
    assert_eq!(on(double, &format!("route update app {words}")).done(), "app updated (revision 7)\n");
    match double.last() {
        Call::UpdateRoute(request) => request,
        other => unreachable!("an update was asked for, not {other:?}"),
    }
}

#[test]
fn a_list_has_plain_columns_and_is_gathered_from_its_pages() {
    let double = Double::start(Script { page: Some(1), ..Script::with(vec![]) });
    let out = on(&double, "route list").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["ROUTE", "HOSTS", "PATH", "UPSTREAM", "ALGORITHM", "REVISION"]);
    assert_eq!(rows[1], ["all", "*", "/", "default", "-", "6"]);
    assert_eq!(rows[2], ["app", "app.example", "=/login", "default", "-", "6"]);
    assert_eq!(double.calls().len(), 2);
    assert_eq!(on(&double, "-o json route list").json()["routes"][1]["route"]["path_exact"], "/login");
}

#[test]
fn one_route_is_a_list_of_properties() {
    let double = double();
    let out = on(&double, "route get app").done();
    let rows = columns(&out);
    for row in [["websocket", "least_connections"], ["sse", "-"], ["request headers", "set x-a=1, remove x-b"]] {
        assert!(rows.iter().any(|cells| *cells == row), "{row:?} in {out}");
    }
    let out = on(&double, "route get app --explain").done();
    assert!(columns(&out)[1].starts_with(&["timeouts.connect", "200", "overlay"]), "{out}");
    assert!(matches!(double.last(), Call::GetRoute(request) if request.explain && request.route == "app"));
    on(&double, "route get").failed(2);
}

#[test]
fn add_sends_what_it_is_given() {
    let double = double();
    let words = "route add app --upstream api --host a.example --host b.example --path /v1 --sse random \
                 --response-add x-served-by=me --dry-run";
    assert_eq!(on(&double, words).done(), "app would be added (dry run, revision 7)\n");
    let Call::AddRoute(request) = double.last() else { panic!("{:?}", double.last()) };
    let route = request.route.expect("a route is sent");
    assert_eq!((route.name.as_str(), route.upstream(), route.path()), ("app", "api", "/v1"));
    assert_eq!(route.hosts.expect("hosts are sent").names, ["a.example", "b.example"]);
    assert_eq!(route.protocols.map(|protocols| protocols.sse()), Some(LoadBalancer::Random));
    let headers = route.headers.expect("edits are sent");
    assert_eq!(headers.request, None);
    assert_eq!(headers.response.expect("this direction").add["x-served-by"], "me");
    assert!(request.options.is_some_and(|options| options.validate_only));
}

#[test]
fn only_what_is_named_is_changed() {
    let request = update(&double(), "--path-exact /login --request-remove x-b --idle-timeout 1m --reset protocols.sse");
    let paths = request.update_mask.expect("a mask is sent").paths;
    assert_eq!(paths, ["path_exact", "timeouts.idle", "headers.request", "protocols.sse"]);
    on(&double(), "route update app").failed(2);
    on(&double(), "route update app --path / --path-exact /").failed(2);
    let err = on(&double(), "route update app --sse random --reset protocols").failed(2);
    assert!(err.contains("protocols is given twice"), "{err}");
    let err = on(&double(), "route update app --reset colour").failed(2);
    assert!(err.contains("timeouts.connect"), "{err}");
}

#[test]
fn remove_names_the_route() {
    let double = double();
    assert_eq!(on(&double, "route remove app --expected-revision 6").done(), "app removed (revision 7)\n");
    let Call::RemoveRoute(request) = double.last() else { panic!("{:?}", double.last()) };
    assert_eq!(request.options.and_then(|options| options.expected_revision), Some(6));
    assert_eq!(on(&double, "-o json route remove app").json()["route"]["route"]["name"], "app");
}
