//! Disconnect cuts a backend's exchanges and keeps it out until Enable.

use speedmimi_proto::v1::AdminState;
use std::time::Duration;

use crate::harness::{Client, Config, Gate, Proxy, eventually, named, ticking};

fn streaming(proxy: &Proxy, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
            assert_eq!(client.head().status, 200);
            client
        })
        .collect()
}

#[test]
fn disconnect_cuts_exchanges_and_keeps_the_backend_out_until_enable() {
    let forever = Gate::default();
    let (first, second) = (ticking(Duration::from_millis(20), &forever), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()).backend("b2", second.address()));
    let management = proxy.management();
    management.disable("b2");
    let cut = streaming(&proxy, 10);
    management.enable("b2");
    let before = management.status("b1").revision;
    let answer = management.disconnect("b1", false);
    assert_eq!(answer.cut, 10);
    assert_eq!(management.status("b1").revision, before, "a disconnect makes no revision");
    for mut client in cut {
        client.try_response("GET").expect_err("the stream is cut, visibly");
    }
    eventually("the backend is left", || first.flight().current() == 0);
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "b2");
    }
    assert_ne!(management.status("b1").admin_state(), AdminState::Enabled);
    eventually("it is in the books", || management.status("b1").cancelled == 10);
    management.disable("b2");
    management.enable("b1");
    assert_eq!(proxy.get("/").text(), "not a stream");
    proxy.assert_at_rest();
}

#[test]
fn disconnect_that_keeps_enabled_only_cuts() {
    let forever = Gate::default();
    let backend = ticking(Duration::from_millis(20), &forever);
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let cut = streaming(&proxy, 3);
    assert_eq!(management.disconnect("b1", true).cut, 3);
    for mut client in cut {
        client.try_response("GET").expect_err("the stream is cut, visibly");
    }
    assert_eq!(management.status("b1").admin_state(), AdminState::Enabled);
    assert_eq!(proxy.get("/").text(), "not a stream");
}

#[test]
fn streams_of_other_backends_are_not_cut() {
    let forever = Gate::default();
    let backends = [ticking(Duration::from_millis(20), &forever), ticking(Duration::from_millis(20), &forever)];
    let config = Config::one(backends[0].address()).backend("b2", backends[1].address());
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    management.disable("b2");
    let cut = streaming(&proxy, 5);
    management.enable("b2");
    management.disable("b1");
    let mut kept = streaming(&proxy, 5);
    management.disconnect("b1", false);
    for mut client in cut {
        client.try_response("GET").expect_err("the stream is cut, visibly");
    }
    for client in &mut kept {
        for _ in 0..20 {
            assert!(!client.wire().chunk().expect("the stream goes on").is_empty());
        }
    }
    assert_eq!(backends[1].flight().closed(), 0);
}

#[test]
fn an_exchange_that_was_cut_before_its_answer_says_so() {
    let backend = crate::harness::silent();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    management.disconnect("b1", false);
    let response = client.response();
    assert_eq!(response.status, 503, "{response:#?}");
    eventually("the metric names it", || {
        proxy.metric("speedmimi_request_errors_total", &[("reason", "disconnected")]) == 1.0
    });
}
