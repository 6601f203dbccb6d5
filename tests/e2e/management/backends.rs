//! List, get, add, update, remove, enable, disable.

use std::net::SocketAddr;

use speedmimi_proto::v1::{AdminState, Backend, GetBackendRequest, HealthState, Labels, ListBackendsRequest};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Config, Gate, Proxy, eventually, gated, named};

fn at(id: &str, address: SocketAddr) -> Backend {
    Backend {
        id: id.into(),
        host: Some(address.ip().to_string()),
        port: Some(address.port().into()),
        ..Backend::default()
    }
}

#[test]
fn list_shows_every_backend_with_what_is_observed() {
    let (first, second) = (named("b1"), named("b2"));
    let config = Config::new()
        .backend_with("b1", first.address(), "weight: 50, max_conn: 7, name: First")
        .backend_of("other", "b2", second.address(), "active: false")
        .route("all", "path: /")
        .route("all", "upstream: default");
    let proxy = Proxy::start(&config);
    proxy.get("/").assert_forwarded(200);
    let management = proxy.management();
    let list = |upstream: &str| {
        let request = ListBackendsRequest { upstream: upstream.into(), ..ListBackendsRequest::default() };
        management.call(management.backends().list_backends(request))
    };
    let all = list("").expect("a list").backends;
    let names: Vec<(&str, &str)> = all
        .iter()
        .map(|entry| (entry.upstream.as_str(), entry.backend.as_ref().map_or("", |backend| backend.id.as_str())))
        .collect();
    assert_eq!(names, [("default", "b1"), ("other", "b2")]);
    let backend = all[0].backend.as_ref().expect("what is configured");
    assert_eq!((backend.weight, backend.max_conn, backend.name.as_deref()), (Some(50), Some(7), Some("First")));
    assert_eq!(backend.port, Some(first.address().port().into()));
    let status = all[0].status.as_ref().expect("what is observed");
    assert_eq!((status.admin_state(), status.health()), (AdminState::Enabled, HealthState::Up));
    assert_eq!((status.in_flight, status.effective_max_conn), (0, 7));
    assert_eq!(all[1].status.as_ref().map(|status| status.admin_state()), Some(AdminState::Disabled));
    assert_eq!(list("other").expect("a list").backends.len(), 1);
    assert_eq!(list("nowhere").expect_err("no such upstream").code(), Code::NotFound);
}

#[test]
fn lists_come_in_pages() {
    let backend = named("b");
    let mut config = Config::new();
    for n in 0..7 {
        config = config.backend(&format!("b{n}"), backend.address());
    }
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListBackendsRequest { page_size: 3, page_token: token, ..ListBackendsRequest::default() };
        let page = management.call(management.backends().list_backends(request)).expect("a page");
        assert!(page.backends.len() <= 3);
        ids.extend(page.backends.into_iter().filter_map(|entry| entry.backend).map(|backend| backend.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["b0", "b1", "b2", "b3", "b4", "b5", "b6"]);
}

#[test]
fn get_shows_one_backend_and_not_found_for_no_such() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    assert_eq!(management.backend("b1").host.as_deref(), Some("127.0.0.1"));
    let request = GetBackendRequest { backend_id: "nobody".into(), ..GetBackendRequest::default() };
    let refusal = management.call(management.backends().get_backend(request)).expect_err("no such backend");
    assert_eq!(refusal.code(), Code::NotFound);
}

#[test]
fn an_added_backend_takes_traffic_before_the_answer_to_the_call_ends() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()).upstream("load_balancer: round_robin"));
    let management = proxy.management();
    let answer = management.add(at("b2", second.address())).expect("a valid backend");
    let entry = answer.backend.expect("the backend as it is now");
    assert_eq!(entry.status.expect("what is observed").revision, answer.revision);
    // On every worker: each connection may land on another one.
    for _ in 0..20 {
        let mut client = proxy.client();
        let answers = [client.get("/").text(), client.get("/").text()];
        assert!(answers.contains(&"b2".to_owned()), "{answers:?}");
    }
    let refusal = management.add(at("b2", second.address())).expect_err("it exists");
    assert_eq!(refusal.code(), Code::AlreadyExists);
}

#[test]
fn the_id_of_an_added_backend_defaults_to_host_and_port() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let other = named("b2");
    management.add(at("", other.address())).expect("a valid backend");
    assert_eq!(management.backend(&other.address().to_string()).port, Some(other.address().port().into()));
}

#[test]
fn an_added_backend_with_a_check_waits_for_one_success() {
    let gate = Gate::default();
    let (first, second) = (named("b1"), gated("b2", &gate));
    let config = Config::one(first.address())
        .upstream("load_balancer: round_robin")
        .upstream("health_check: {path: /, interval: 100ms, timeout: 60s}");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    management.add(at("b2", second.address())).expect("a valid backend");
    assert_eq!(management.status("b2").health(), HealthState::Unknown);
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "b1");
    }
    gate.open();
    eventually("the first check passed", || management.status("b2").health() == HealthState::Up);
    eventually("it takes traffic", || proxy.get("/").text() == "b2");
}

#[test]
fn update_changes_the_fields_that_are_set_and_no_other() {
    let backend = named("b1");
    let proxy =
        Proxy::start(&Config::new().backend_with("b1", backend.address(), "weight: 50, max_conn: 7, name: First"));
    let management = proxy.management();
    let before = management.backend("b1");
    management.set_max_conn("b1", 200);
    assert_eq!(management.backend("b1"), Backend { max_conn: Some(200), ..before });
    assert_eq!(management.status("b1").effective_max_conn, 200);
}

#[test]
fn update_can_move_a_backend_to_another_address() {
    let (first, second) = (named("old"), named("new"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "old");
    management.update(at("b1", second.address())).expect("a valid change");
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "new");
        assert_eq!(proxy.get("/").text(), "new");
    }
}

#[test]
fn labels_are_kept_for_people_and_scripts() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let labels = Labels { entries: [("zone".to_owned(), "a".to_owned())].into() };
    management.update(Backend { id: "b1".into(), labels: Some(labels.clone()), ..Backend::default() }).expect("valid");
    assert_eq!(management.backend("b1").labels, Some(labels));
}

#[test]
fn a_backend_at_work_is_removed_when_it_is_done_or_by_force() {
    let gate = Gate::default();
    let (first, second) = (gated("b1", &gate), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || first.flight().current() == 1);
    management.add(at("b2", second.address())).expect("a valid backend");
    let before = management.shown();
    let refusal = management.remove("b1").expect_err("it is at work");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert!(refusal.message().contains("1 exchange in flight"), "{refusal:?}");
    let details = refusal.get_error_details();
    assert_eq!(details.error_info().expect("a reason").metadata["in_flight"], "1");
    let after = management.shown();
    assert_eq!((after.revision, after.hash), (before.revision, before.hash), "a refused call changes nothing");
    management.disable("b1");
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "b2");
    }
    gate.open();
    assert_eq!(client.response().text(), "b1");
    eventually("it is done", || management.status("b1").in_flight == 0);
    management.remove("b1").expect("it is done");
    assert_eq!(management.remove("b1").expect_err("it is gone").code(), Code::NotFound);
    eventually("its idle connections are closed", || first.open() == 0);
}

#[test]
fn a_forced_removal_ends_what_is_in_flight_and_admits_nothing_new() {
    let gate = Gate::default();
    let (first, second) = (gated("b1", &gate), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || first.flight().current() == 1);
    management.add(at("b2", second.address())).expect("a valid backend");
    let was = management.force_remove("b1").backend.and_then(|entry| entry.status).expect("it as it was");
    assert_eq!(was.in_flight, 1);
    assert_eq!(client.response().status, 503, "its exchange is ended");
    eventually("it is left", || first.flight().current() == 0 && first.open() == 0);
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "b2");
    }
    proxy.assert_at_rest();
}

#[test]
fn a_backend_that_comes_back_with_exchanges_in_flight_keeps_its_limit() {
    let gate = Gate::default();
    let (backend, other) = (gated("b1", &gate), named("b2"));
    let with = Config::new().backend_with("b1", backend.address(), "max_conn: 1");
    let proxy = Proxy::start(&with);
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the slot is taken", || backend.flight().current() == 1);
    // A reload takes backends out that are at work: they finish what they have.
    proxy.rewrite(&Config::new().backend("b2", other.address()).yaml());
    management.reload().expect("a valid file");
    assert_eq!(proxy.get("/").text(), "b2");
    proxy.rewrite(&with.yaml());
    management.reload().expect("a valid file");
    proxy.get("/").assert_refused(503, "connection_limit");
    gate.open();
    client.response().assert_forwarded(200);
    // The client may have its answer a moment before the other worker sees the slot free.
    eventually("the slot is free", || proxy.get("/").status == 200);
    assert_eq!(backend.flight().peak(), 1);
}

#[test]
fn enable_and_disable_are_visible_on_every_worker_before_the_answer() {
    let (first, second) = (named("b1"), named("b2"));
    let config = Config::one(first.address()).backend("b2", second.address()).upstream("load_balancer: round_robin");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    for _ in 0..10 {
        management.disable("b2");
        assert_eq!(management.status("b2").admin_state(), AdminState::Disabled);
        for _ in 0..8 {
            assert_eq!(proxy.get("/").text(), "b1");
        }
        management.enable("b2");
        assert_eq!(management.status("b2").admin_state(), AdminState::Enabled);
        let mut client = proxy.client();
        let answers = [client.get("/").text(), client.get("/").text()];
        assert!(answers.contains(&"b2".to_owned()), "{answers:?}");
    }
}
