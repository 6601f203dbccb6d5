//! Upstreams while traffic flows.

use prost_types::{Duration, FieldMask};
use speedmimi_proto::v1::{
    AddBackendRequest, Backend, GetUpstreamRequest, HealthCheck, HealthCheckType, ListUpstreamsRequest, Route,
    Timeouts, UpdateUpstreamRequest, Upstream,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Config, Gate, Load, Proxy, eventually, gated, named, silent};

fn called(name: &str) -> Upstream {
    Upstream { name: name.into(), ..Upstream::default() }
}

fn to(upstream: &str, address: std::net::SocketAddr) -> AddBackendRequest {
    let backend = Backend {
        id: "n1".into(),
        host: Some(address.ip().to_string()),
        port: Some(address.port().into()),
        ..Backend::default()
    };
    AddBackendRequest { upstream: upstream.into(), backend: Some(backend), options: None }
}

#[test]
fn an_upstream_a_backend_and_a_route_are_added_under_load_and_take_their_requests() {
    let (old, new) = (named("old"), named("new"));
    let config = Config::one(old.address()).route("all", "path: /").route("all", "upstream: default");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let load = Load::start(proxy.address(), 4, "/new/page");
    load.wait_for(100);
    management.add_upstream(called("api")).expect("a new name");
    management.call(management.backends().add_backend(to("api", new.address()))).expect("a valid backend");
    load.wait_for(100);
    assert_eq!(proxy.get("/new/page").text(), "old", "nothing leads there yet");
    let route =
        Route { name: "new".into(), path: Some("/new".into()), upstream: Some("api".into()), ..Route::default() };
    management.add_route(route).expect("a valid route");
    for _ in 0..20 {
        assert_eq!(proxy.get("/new/page").text(), "new", "every worker knows it before the answer");
    }
    assert_eq!(proxy.get("/newer").text(), "old");
    load.wait_for(100);
    management.remove_route("new").expect("it is there");
    assert_eq!(proxy.get("/new/page").text(), "old");
    load.wait_for(100);
    let report = load.stop();
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.bodies["old"] > 0 && report.bodies["new"] > 0, "{:?}", report.bodies);
    management.remove_upstream("api", false).expect_err("it has a backend");
    management.remove_upstream("api", true).expect("forced");
    let get = GetUpstreamRequest { upstream: "api".into(), explain: false };
    assert_eq!(management.call(management.upstreams().get_upstream(get)).expect_err("gone").code(), Code::NotFound);
}

#[test]
fn a_changed_clock_acts_on_the_next_exchange() {
    let backend = silent();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let timeouts = Timeouts { first_byte: Some(Duration { seconds: 0, nanos: 200_000_000 }), ..Timeouts::default() };
    management.update_upstream(Upstream { timeouts: Some(timeouts), ..called("default") }).expect("a valid change");
    proxy.get("/").assert_refused(504, "first_byte_timeout");
    let request = UpdateUpstreamRequest {
        upstream: Some(called("default")),
        update_mask: Some(FieldMask { paths: vec!["timeouts.first_byte".into()] }),
        options: None,
    };
    let back = management.call(management.upstreams().update_upstream(request)).expect("a valid change");
    let clocks = back.upstream.and_then(|entry| entry.upstream).and_then(|upstream| upstream.timeouts).expect("clocks");
    assert_eq!(clocks.first_byte, Some(Duration { seconds: 120, nanos: 0 }), "back to what is so without the change");
}

#[test]
fn what_is_in_use_stays_and_says_by_whom() {
    let (first, second) = (named("b1"), named("b2"));
    let config = Config::one(first.address()).backend_of("api", "a1", second.address(), "");
    let config = config.route("all", "upstream: default").route("app", "path: /app").route("app", "upstream: api");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let before = management.shown();
    for force in [false, true] {
        let refusal = management.remove_upstream("api", force).expect_err("a route leads to it");
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        assert!(refusal.message().contains("route app"), "{refusal:?}");
        assert_eq!(refusal.get_error_details().error_info().expect("a reason").metadata["by"], "route app");
    }
    management.remove_route("app").expect("nothing needs it");
    let refusal = management.remove_upstream("api", false).expect_err("it has a backend");
    assert!(refusal.message().contains("backend api/a1"), "{refusal:?}");
    assert_eq!(management.shown().revision, before.revision + 1, "refused calls made none");
    management.remove_upstream("api", true).expect("forced");
}

#[test]
fn exchanges_in_flight_outlive_their_upstream() {
    let gate = Gate::default();
    let (first, second) = (named("b1"), gated("a1", &gate));
    let config = Config::one(first.address()).backend_of("api", "a1", second.address(), "");
    let config = config.route("all", "upstream: default").route("app", "path: /app").route("app", "upstream: api");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET /app HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || second.flight().current() == 1);
    management.remove_route("app").expect("nothing needs it");
    management.remove_upstream("api", true).expect("forced");
    assert_eq!(proxy.get("/app").text(), "b1");
    gate.open();
    assert_eq!(client.response().text(), "a1");
}

#[test]
fn a_check_is_given_and_taken_away() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let fast = Duration { seconds: 0, nanos: 100_000_000 };
    let check = HealthCheck { path: "/up".into(), interval: Some(fast), ..HealthCheck::default() };
    let change = |check| Upstream { health_check: Some(check), ..called("default") };
    management.update_upstream(change(check)).expect("a valid check");
    eventually("it is checked", || !management.status("b1").health_detail.is_empty());
    let off = HealthCheck { r#type: HealthCheckType::Off.into(), ..HealthCheck::default() };
    let answer = management.update_upstream(change(off)).expect("a check can be off");
    assert_eq!(answer.upstream.and_then(|entry| entry.upstream).and_then(|upstream| upstream.health_check), None);
}

#[test]
fn lists_show_what_is_observed_and_come_in_pages() {
    let backend = named("b1");
    let config = Config::one(backend.address()).backend_of("api", "a1", backend.address(), "active: false");
    let config = config.route("all", "upstream: default").route("app", "path: /app").route("app", "upstream: api");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let list = |page_size, token: &str| {
        let request = ListUpstreamsRequest { page_size, page_token: token.into() };
        management.call(management.upstreams().list_upstreams(request))
    };
    let first = list(1, "").expect("a page");
    let status = first.upstreams[0].status.clone().expect("what is observed");
    assert_eq!((status.backends, status.available, status.routes), (1, 0, vec!["app".to_owned()]));
    let second = list(1, &first.next_page_token).expect("a page");
    assert_eq!(second.upstreams[0].upstream.as_ref().map(|upstream| upstream.name.as_str()), Some("default"));
    assert_eq!(second.next_page_token, "");
    assert_eq!(list(1, "nowhere").expect_err("no such place").code(), Code::InvalidArgument);
}
