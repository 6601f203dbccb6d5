//! Routes while traffic flows.

use prost_types::FieldMask;
use speedmimi_proto::v1::{
    GetRouteRequest, HeaderEdits, HeaderRules, Hosts, Layer, MutationOptions, Route, UpdateRouteRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Config, Proxy, named};

fn called(name: &str) -> Route {
    Route { name: name.into(), ..Route::default() }
}

fn two() -> (crate::harness::Backend, crate::harness::Backend, Proxy) {
    let (first, second) = (named("b1"), named("a1"));
    let config = Config::one(first.address()).backend_of("api", "a1", second.address(), "");
    let config = config.route("all", "upstream: default").route("app", "path: /app").route("app", "upstream: api");
    let proxy = Proxy::start(&config);
    (first, second, proxy)
}

#[test]
fn a_route_is_led_elsewhere() {
    let (_first, _second, proxy) = two();
    let management = proxy.management();
    assert_eq!(proxy.get("/app").text(), "a1");
    management.update_route(Route { upstream: Some("default".into()), ..called("app") }).expect("it exists");
    assert_eq!(proxy.get("/app").text(), "b1");
    let request = UpdateRouteRequest {
        route: Some(called("app")),
        update_mask: Some(FieldMask { paths: vec!["upstream".into()] }),
        options: None,
    };
    management.call(management.routes().update_route(request)).expect("back to the file");
    assert_eq!(proxy.get("/app").text(), "a1");
}

#[test]
fn a_path_becomes_exact_and_hosts_and_headers_act() {
    let (_first, second, proxy) = two();
    let management = proxy.management();
    management.update_route(Route { path_exact: Some("/app".into()), ..called("app") }).expect("valid");
    assert_eq!((proxy.get("/app").text(), proxy.get("/app/x").text()), ("a1".to_owned(), "b1".to_owned()));
    let edits = HeaderEdits { set: [("x-from".to_owned(), "route".to_owned())].into(), ..HeaderEdits::default() };
    let headers = HeaderRules { request: Some(edits), response: None };
    let hosts = Hosts { names: vec!["e2e.test".into()] };
    management.update_route(Route { hosts: Some(hosts), headers: Some(headers), ..called("app") }).expect("valid");
    let mut client = proxy.client();
    client.send("GET /app HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_eq!(client.response().text(), "b1", "another host");
    client.send("GET /app HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.response().text(), "a1");
    let seen = second.seen().pop().expect("it has seen a request");
    assert_eq!(seen.fields.get("x-from"), Some("route"), "{seen:?}");
}

#[test]
fn a_route_that_cannot_be_is_refused_and_changes_nothing() {
    let (_first, _second, proxy) = two();
    let management = proxy.management();
    let before = management.shown();
    let nowhere = Route { upstream: Some("nowhere".into()), path: Some("x".into()), ..called("new") };
    let refusal = management.add_route(nowhere).expect_err("no such upstream, no such path");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let details = refusal.get_error_details();
    let faults = &details.bad_request().expect("fields").field_violations;
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["route.path", "route.upstream"]);
    let twice = Route { upstream: Some("api".into()), path: Some("/app".into()), ..called("new") };
    assert_eq!(management.add_route(twice).expect_err("the same target").code(), Code::InvalidArgument);
    let again = Route { upstream: Some("api".into()), path: Some("/b".into()), ..called("app") };
    assert_eq!(management.add_route(again).expect_err("it exists").code(), Code::AlreadyExists);
    assert_eq!(management.remove_route("nobody").expect_err("no such").code(), Code::NotFound);
    let after = management.shown();
    assert_eq!((after.revision, after.hash), (before.revision, before.hash));
}

#[test]
fn of_two_writers_one_wins_and_the_other_learns_the_revision() {
    let (_first, _second, proxy) = two();
    let (one, two) = (proxy.management(), proxy.management());
    let get = || GetRouteRequest { route: "app".into(), explain: false };
    let revision = |management: &crate::harness::Management| {
        management.call(management.routes().get_route(get())).expect("there").route.expect("it").revision
    };
    let (seen, also) = (revision(&one), revision(&two));
    let write = |management: &crate::harness::Management, path: &str, revision| {
        let options = MutationOptions { expected_revision: Some(revision), ..MutationOptions::default() };
        let route = Route { path: Some(path.into()), ..called("app") };
        let request = UpdateRouteRequest { route: Some(route), update_mask: None, options: Some(options) };
        management.call(management.routes().update_route(request))
    };
    let won = write(&one, "/one", seen).expect("it is at that revision");
    let lost = write(&two, "/two", also).expect_err("it has moved on");
    assert_eq!(lost.code(), Code::Aborted);
    let details = lost.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!(info.metadata["current_revision"], won.revision.to_string());
    assert_eq!(info.metadata["object"], "routing.app");
    assert_eq!((proxy.get("/one").text(), proxy.get("/two").text()), ("a1".to_owned(), "b1".to_owned()));
}

#[test]
fn each_field_says_which_layer_it_comes_from() {
    let (_first, _second, proxy) = two();
    let management = proxy.management();
    let changed = management.update_route(Route { path: Some("/other".into()), ..called("app") }).expect("valid");
    let request = GetRouteRequest { route: "app".into(), explain: true };
    let fields = management.call(management.routes().get_route(request)).expect("there").fields;
    let field = |name: &str| fields.iter().find(|field| field.field == name).expect(name);
    let path = field("path");
    assert_eq!((path.layer(), path.value.as_str()), (Layer::Overlay, "\"/other\""));
    assert_eq!(path.file_value.as_deref(), Some("\"/app\""));
    assert_eq!(path.origin.as_ref().map(|origin| origin.revision), Some(changed.revision));
    assert_eq!((field("upstream").layer(), field("upstream").value.as_str()), (Layer::File, "\"api\""));
    assert_eq!((field("hosts").layer(), &field("hosts").origin), (Layer::Default, &None));
}
