//! What a caller learns and keeps: a role that sees nothing sees nothing, and rights that are withdrawn are gone from what
//! goes on already.

use rustix::process::Signal;
use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::explain_pick_request::Subject;
use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::*;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

use super::{audit, folder, start};
use crate::harness::{Authority, Config, PATIENCE, Proxy, Validity, named, refused, token_line, write_secret};

const AUTH: &str = "auth: {tokens_file: tokens}";

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
    request
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

async fn connect(proxy: &Proxy) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", proxy.grpc_address())).expect("a URI");
    endpoint.connect().await.expect("it listens")
}

/// What a watch ends with.
async fn ending<T>(stream: &mut Streaming<T>) -> Status {
    let end = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => break Status::ok(""),
                Err(status) => break status,
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.expect("it ends")
}

#[test]
fn a_watch_ends_with_its_token_and_others_go_on() {
    let proxy = start(folder(), &Config::one(refused()), AUTH, "");
    runtime().block_on(async {
        let mut client = BackendServiceClient::new(connect(&proxy).await);
        let request = || WatchBackendsRequest::default();
        let mut gone = client.watch_backends(with("token-read", request())).await.expect("it begins").into_inner();
        let mut other = client.watch_backends(with("token-operate", request())).await.expect("it begins").into_inner();
        let mut stays = client.watch_backends(with("token-admin", request())).await.expect("it begins").into_inner();
        for stream in [&mut gone, &mut other, &mut stays] {
            stream.message().await.expect("it goes on").expect("everything first");
        }
        // Another token under the old name, another role for the second.
        let tokens = token_line("read", "read", "token-new", "")
            + &token_line("operate", "read", "token-operate", "")
            + &token_line("admin", "admin", "token-admin", "");
        write_secret(&proxy.path("tokens"), &tokens);
        proxy.signal(Signal::HUP);
        for stream in [&mut gone, &mut other] {
            let ended = ending(stream).await;
            assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
        }
        let add = Backend { id: "n".into(), host: Some("127.0.0.1".into()), port: Some(1), ..Backend::default() };
        let add = AddBackendRequest { backend: Some(add), ..AddBackendRequest::default() };
        client.add_backend(with("token-admin", add)).await.expect("a new one");
        let told = tokio::time::timeout(PATIENCE, stays.message()).await.expect("in time");
        assert!(told.expect("it goes on").is_some());
    });
}

#[test]
fn a_connection_ends_with_the_authority_of_its_certificate() {
    let dir = folder();
    let (server, old, new) = (Authority::new("server"), Authority::new("old"), Authority::new("new"));
    server.issue(dir.path(), "m", &["127.0.0.1"], Validity::Current);
    old.issue(dir.path(), "ops", &["ops.example"], Validity::Current);
    server.write(&dir.path().join("ca.crt"));
    old.write(&dir.path().join("clients.crt"));
    let grpc = "tls: {cert_file: m.crt, key_file: m.key, client_ca_file: clients.crt}, \
                auth: {tokens_file: tokens, clients: [{san: ops.example, role: operate}]}";
    let proxy = start(dir, &Config::one(refused()), grpc, "");
    let read = |name: &str| std::fs::read(proxy.path(name)).expect("it was written");
    runtime().block_on(async {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("ca.crt")))
            .identity(Identity::from_pem(read("ops.crt"), read("ops.key")));
        let endpoint = Endpoint::from_shared(format!("https://{}", proxy.grpc_address())).expect("a URI");
        let channel = endpoint.tls_config(tls).expect("good files").connect().await.expect("it is let in");
        let mut client = BackendServiceClient::new(channel);
        let mut watch = client.watch_backends(WatchBackendsRequest::default()).await.expect("it begins").into_inner();
        watch.message().await.expect("it goes on").expect("everything first");
        new.write(&proxy.path("clients.crt"));
        proxy.signal(Signal::HUP);
        let ended = ending(&mut watch).await;
        assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
        let refused = client.list_backends(ListBackendsRequest::default()).await.expect_err("it is outdated");
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::Unavailable), "{refused:?}");
    });
    proxy.wait_log("the authorities of client certificates were replaced");
}

#[test]
fn whoever_reports_does_not_see_what_others_reported() {
    let backend = named("b1");
    let proxy = start(folder(), &Config::one(backend.address()), AUTH, "");
    runtime().block_on(async {
        let mut client = BackendServiceClient::new(connect(&proxy).await);
        let mut report = async |token: &str, sequence, cpu| {
            let performance = Performance { cpu_usage: Some(cpu), ..Performance::default() };
            let (backend_id, source) = ("b1".to_owned(), "agent".to_owned());
            let performance = Some(performance);
            let request = ReportPerformanceRequest { backend_id, source, performance, sequence, ..Default::default() };
            client.report_performance(with(token, request)).await.expect("a valid report").into_inner()
        };
        let first = report("token-operate", 5, 42.0).await;
        assert!(first.accepted && first.report.is_some());
        let late = report("token-report", 1, 1.0).await;
        assert!(!late.accepted && late.report.is_none(), "{late:?}");
        let late = report("token-operate", 1, 1.0).await;
        assert!(!late.accepted && late.report.is_some(), "{late:?}");
        let next = report("token-report", 6, 43.0).await;
        assert!(next.accepted && next.report.is_some(), "its own it may see");
    });
}

#[test]
fn new_names_of_figures_are_refused_once_there_are_enough() {
    let backend = named("b1");
    let proxy = start(folder(), &Config::one(backend.address()), AUTH, "");
    runtime().block_on(async {
        let mut client = BackendServiceClient::new(connect(&proxy).await);
        let mut report = async |from: u32| {
            let custom = (from..from + 32).map(|n| (format!("figure{n}"), f64::from(n))).collect();
            let performance = Some(Performance { custom, ..Performance::default() });
            let request = ReportPerformanceRequest { backend_id: "b1".into(), performance, ..Default::default() };
            client.report_performance(with("token-report", request)).await
        };
        report(0).await.expect("32 are allowed");
        report(0).await.expect("the same again");
        let refused = report(1).await.expect_err("there would be 33");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("33 figures") && refused.message().contains("epoch"), "{refused:?}");
    });
}

#[test]
fn what_is_wrong_with_a_question_is_told_to_limited_callers_too() {
    let backend = named("b1");
    let mut config = Config::new();
    for name in ["owned", "other"] {
        config = config.backend_of(name, "b1", backend.address(), "");
        config = config.route(name, &format!("path: /{name}")).route(name, &format!("upstream: {name}"));
    }
    let proxy = start(folder(), &config, AUTH, "");
    let code = |request: ExplainPickRequest| {
        runtime().block_on(async {
            let mut client = RouteServiceClient::new(connect(&proxy).await);
            client.explain_pick(with("token-limited", request)).await.map_or_else(|status| status.code(), |_| Code::Ok)
        })
    };
    let about = |name: &str| ExplainPickRequest {
        subject: Some(Subject::Upstream(name.into())),
        ..ExplainPickRequest::default()
    };
    assert_eq!(code(about("owned")), Code::Ok);
    assert_eq!(code(ExplainPickRequest { client: "foo".into(), ..about("owned") }), Code::InvalidArgument);
    assert_eq!(code(ExplainPickRequest { worker: 99, ..about("owned") }), Code::InvalidArgument);
    assert_eq!(code(ExplainPickRequest::default()), Code::InvalidArgument);
    assert!(audit(&proxy).iter().all(|line| line["result"] != "PERMISSION_DENIED"), "nobody was kept out");
    for hidden in ["other", "lacks"] {
        assert_eq!(code(about(hidden)), Code::PermissionDenied);
    }
}
