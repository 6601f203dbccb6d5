//! The explained pick is the pick that is made.

use speedmimi_proto::v1::explain_pick_request::Subject;
use speedmimi_proto::v1::{
    AlgorithmSource, ExampleRequest, ExplainPickRequest, ExplainPickResponse, HeaderField, LoadBalancer, ScoreOrder,
    SkipReason, StreamProtocol,
};
use tonic::Code;

use crate::harness::{Backend, Config, Gate, Management, Proxy, eventually, gated, named, refused};

fn request(host: &str, path: &str, headers: &[(&str, &str)]) -> ExplainPickRequest {
    let headers = headers.iter().map(|&(name, value)| HeaderField { name: name.into(), value: value.into() }).collect();
    let example = ExampleRequest { method: String::new(), host: host.into(), path: path.into(), headers };
    ExplainPickRequest { subject: Some(Subject::Request(example)), ..ExplainPickRequest::default() }
}

fn about(subject: Subject) -> ExplainPickRequest {
    ExplainPickRequest { subject: Some(subject), ..ExplainPickRequest::default() }
}

fn upstream(management: &Management, name: &str) -> ExplainPickResponse {
    management.explain(about(Subject::Upstream(name.into()))).expect("it exists")
}

fn skipped(explained: &ExplainPickResponse) -> Vec<(&str, SkipReason)> {
    explained.candidates.iter().map(|candidate| (&*candidate.backend_id, candidate.skip())).collect()
}

#[test]
fn the_explained_winner_is_who_gets_the_next_request() {
    for algorithm in LoadBalancer::try_from(1).into_iter().chain((2..=9).filter_map(|n| LoadBalancer::try_from(n).ok()))
    {
        let name = algorithm.as_str_name().trim_start_matches("LOAD_BALANCER_").to_lowercase();
        let backends: Vec<Backend> = (0..3).map(|n| named(&format!("b{n}"))).collect();
        let mut config = Config::new().server("workers: 1").upstream(&format!("load_balancer: {name}"));
        for (n, backend) in backends.iter().enumerate() {
            config = config.backend_with(&format!("b{n}"), backend.address(), &format!("weight: {}", 50 * (n + 1)));
        }
        let proxy = Proxy::start(&config);
        let management = proxy.management();
        let mut client = proxy.client();
        for _ in 0..30 {
            let explained = upstream(&management, "default");
            let again = upstream(&management, "default");
            assert_eq!(explained.winner, again.winner, "{name}: asking changes nothing");
            assert_eq!(explained.load_balancer(), algorithm);
            assert_eq!(explained.source(), AlgorithmSource::Upstream);
            assert_eq!(client.get("/").text(), explained.winner, "{name}: {explained:#?}");
            // The answer is here before the slot is free.
            eventually("the slot is free", || {
                management.status("b0").in_flight
                    + management.status("b1").in_flight
                    + management.status("b2").in_flight
                    == 0
            });
        }
    }
}

#[test]
fn a_request_is_led_by_the_rules_of_traffic() {
    let backend = named("b1");
    let config = Config::one(backend.address())
        .backend_of("api", "a1", backend.address(), "")
        .route("all", "upstream: default")
        .route("all", "load_balancer: random")
        .route("api", "hosts: ['*.example.test']")
        .route("api", "path: /api/")
        .route("api", "upstream: api")
        .route("api", "protocols: {sse: round_robin, websocket: ip_hash}");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let explain = |request| management.explain(request).expect("a request");

    let plain = explain(request("A.Example.Test:80", "/x/../api/v1?q", &[]));
    assert_eq!((&*plain.route, &*plain.upstream, &*plain.winner), ("api", "api", "a1"));
    let rule = plain.rule.clone().expect("one matched");
    assert_eq!((&*rule.host, &*rule.path, rule.exact), ("*.example.test", "/api", false));
    assert_eq!(
        (plain.load_balancer, plain.source()),
        (LoadBalancer::LeastConnectionsWeight.into(), AlgorithmSource::Default)
    );
    assert_eq!(plain.revision, management.shown().revision);

    let events = explain(request("a.example.test", "/api", &[("Accept", "text/event-stream")]));
    assert_eq!((events.protocol(), events.load_balancer()), (StreamProtocol::Sse, LoadBalancer::RoundRobin));
    assert_eq!(events.source(), AlgorithmSource::Protocol);
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let socket = explain(request("a.example.test", "/api", &handshake));
    assert_eq!((socket.protocol(), socket.load_balancer()), (StreamProtocol::Websocket, LoadBalancer::IpHash));
    let candidate = &socket.candidates[0];
    assert!(candidate.score.is_some() && candidate.chance.is_none() && candidate.key.len() == 16, "{candidate:?}");

    let other = explain(request("other", "/api", &[]));
    assert_eq!((&*other.route, other.source(), other.order()), ("all", AlgorithmSource::Route, ScoreOrder::Drawn));
    assert_eq!(other.candidates[0].chance, Some(1.0));
    let by_route = ExplainPickRequest { protocol: StreamProtocol::Sse.into(), ..about(Subject::Route("api".into())) };
    assert_eq!(explain(by_route).load_balancer(), LoadBalancer::RoundRobin);
    assert_eq!(proxy.metric("speedmimi_client_requests_total", &[]), 0.0, "nobody sent any of them");
}

#[test]
fn a_trusted_proxy_names_the_client_that_is_hashed() {
    let backends = [named("b0"), named("b1"), named("b2")];
    let mut config = Config::new().server("trusted_proxies: [127.0.0.1/32]").upstream("load_balancer: ip_hash");
    for (n, backend) in backends.iter().enumerate() {
        config = config.backend(&format!("b{n}"), backend.address());
    }
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    for n in 1..20 {
        let address = format!("192.0.2.{n}");
        let explained = management.explain(request("e2e.test", "/", &[("X-Forwarded-For", &address)])).expect("valid");
        assert_eq!(explained.client, address);
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: e2e.test\r\nX-Forwarded-For: {address}\r\n\r\n"));
        assert_eq!(client.response().text(), explained.winner);
        let direct = ExplainPickRequest { client: address, ..about(Subject::Upstream("default".into())) };
        assert_eq!(management.explain(direct).expect("valid").winner, explained.winner);
    }
}

#[test]
fn who_is_skipped_says_why() {
    let gate = Gate::default();
    let (busy, idle) = (gated("busy", &gate), named("idle"));
    let config = Config::new()
        .backend_with("full", busy.address(), "max_conn: 1")
        .backend("off", idle.address())
        .backend_with("down", refused(), "health_check: {type: tcp, interval: 1s, failures: 1}");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    management.disable("off");
    eventually("its check fails", || skipped(&upstream(&management, "default"))[2] == ("down", SkipReason::Down));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || busy.flight().current() == 1);
    let explained = upstream(&management, "default");
    let expected = [("full", SkipReason::Full), ("off", SkipReason::Disabled), ("down", SkipReason::Down)];
    assert_eq!(skipped(&explained), expected);
    assert_eq!((&*explained.winner, &*explained.refusal), ("", "connection_limit"));
    assert_eq!((explained.candidates[0].in_flight, explained.candidates[0].max_conn), (1, 1));
    proxy.get("/").assert_refused(503, "connection_limit");
    management.enable("off");
    let explained = upstream(&management, "default");
    assert_eq!((&*explained.winner, &*explained.refusal), ("off", ""));
    assert_eq!(explained.candidates[1].skip(), SkipReason::Unspecified);
    gate.open();
}

#[test]
fn a_question_that_fits_nothing_is_refused_or_answered_as_traffic_would_be() {
    let backend = named("b1");
    let config = Config::one(backend.address()).route("one", "path: /one").route("one", "upstream: default");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let lost = management.explain(request("h", "/two", &[])).expect("it is a request");
    assert_eq!((&*lost.refusal, &*lost.upstream, lost.candidates.len()), ("route_not_found", "", 0));
    let code = |request| management.explain(request).expect_err("nothing fits").code();
    assert_eq!(code(about(Subject::Upstream("nobody".into()))), Code::NotFound);
    assert_eq!(code(about(Subject::Route("nobody".into()))), Code::NotFound);
    assert_eq!(code(ExplainPickRequest::default()), Code::InvalidArgument);
    assert_eq!(code(request("h", "/x y", &[])), Code::InvalidArgument);
    assert_eq!(code(request("h", "/", &[("content-length", "x")])), Code::InvalidArgument);
    let nobody = ExplainPickRequest { worker: 99, ..about(Subject::Upstream("default".into())) };
    assert_eq!(code(nobody), Code::InvalidArgument);
    let address = ExplainPickRequest { client: "host".into(), ..about(Subject::Upstream("default".into())) };
    assert_eq!(code(address), Code::InvalidArgument);
    proxy.get("/one").assert_forwarded(200);
}
