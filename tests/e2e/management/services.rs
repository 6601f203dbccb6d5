//! The other services, reflection and health.

use speedmimi_proto::v1::*;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::harness::{Backend, Config, Management, Next, Proxy, eventually, named};

#[test]
fn server_info_says_what_runs_and_where_changes_are_kept() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("max_conn: 500"));
    let management = proxy.management();
    let info = management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("an answer");
    assert_eq!((info.pid, info.workers), (proxy.pid(), 2));
    assert_eq!(info.listeners, [Listener { name: "main".into(), address: proxy.address().to_string() }]);
    assert_eq!((info.grpc, info.admin), (proxy.grpc_address().to_string(), proxy.admin_address().to_string()));
    assert!(!info.changes_are_volatile && !info.draining);
    assert!(info.state_dir.contains("speedmimi") && info.state_problem.is_empty(), "{:?}", info.state_dir);
    assert!(!info.version.is_empty() && !info.note.is_empty());
    assert_eq!(info.max_conn, 500);
    assert!(info.config_path.ends_with("config.yaml"), "{}", info.config_path);
}

#[test]
fn get_config_shows_what_is_in_force() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let get = |format: ConfigFormat| {
        let request = GetConfigRequest { format: format.into(), ..GetConfigRequest::default() };
        management.call(management.config().get_config(request)).expect("the configuration")
    };
    let before = get(ConfigFormat::Json);
    assert!(!before.has_overlay);
    management.set_max_conn("b1", 321);
    let after = get(ConfigFormat::Json);
    assert!(after.has_overlay && after.revision > before.revision);
    let document: serde_json::Value = serde_json::from_str(&after.document).expect("JSON");
    assert_eq!(document.pointer("/backends/default/0/max_conn"), Some(&321.into()), "{document:#}");
    let yaml = get(ConfigFormat::Yaml).document;
    assert!(yaml.contains("max_conn: 321"), "{yaml}");
}

#[test]
fn the_configuration_shown_starts_the_same_proxy() {
    let backend = named("b1");
    let config = Config::one(backend.address()).upstream("load_balancer: random").route("r", "upstream: default");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let document = management.call(management.config().get_config(GetConfigRequest::default())).expect("it").document;
    let again = Proxy::start_in(tempfile::tempdir().expect("a temporary folder can be made"), &document);
    assert_eq!(again.get("/").text(), "b1");
    let other = again.management();
    assert_eq!(other.call(other.config().get_config(GetConfigRequest::default())).expect("it").document, document);
}

#[test]
fn reload_that_only_validates_changes_nothing() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    proxy.rewrite(&Config::new().backend("b2", second.address()).yaml());
    let options = MutationOptions { validate_only: true, ..MutationOptions::default() };
    let by_options = ReloadConfigRequest { options: Some(options), ..ReloadConfigRequest::default() };
    // As clients say it that were made before there were options.
    let by_field = ReloadConfigRequest { validate_only: true, ..ReloadConfigRequest::default() };
    for request in [by_options, by_field] {
        let answer = management.call(management.config().reload_config(request)).expect("a valid file");
        let came = answer.differences.iter().any(|one| one.before.is_none() && one.path.contains("b2"));
        let went = answer.differences.iter().any(|one| one.after.is_none() && one.path.contains("b1"));
        assert!(came && went, "{answer:#?}");
        let has = |keys: &[String], part: &str| keys.iter().any(|key| key.contains(part));
        assert!(has(&answer.added, "b2") && has(&answer.removed, "b1"), "{answer:#?}");
        assert_eq!(proxy.get("/").text(), "b1");
    }
}

#[test]
fn stats_count_and_have_windows_with_quantiles() {
    let backend = Backend::serve(|seen, conn| {
        conn.respond(if seen.target == "/500" { "500 Oops" } else { "200 OK" }, "", "0123456789")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    (0..50).for_each(|_| client.get("/").assert_forwarded(200));
    (0..5).for_each(|_| client.get("/500").assert_forwarded(500));
    let of_backend = || {
        let request = GetBackendStatsRequest { upstream: String::new(), backend_id: "b1".into() };
        management.call(management.stats().get_backend_stats(request)).expect("stats")
    };
    eventually("all are counted", || of_backend().finished == 55);
    let stats = of_backend();
    let totals = stats.totals.expect("totals");
    assert_eq!((totals.status_2xx, totals.status_5xx), (50, 5));
    assert!(totals.bytes_received > 550 && totals.bytes_sent > 550);
    assert_eq!((stats.admitted, stats.failed, stats.cancelled, stats.in_flight), (55, 0, 0, 0));
    assert_eq!(stats.connects + stats.reuses, 55);

    eventually("windows show them", || {
        let windows = of_backend().windows;
        let lengths: Vec<i64> =
            windows.iter().filter_map(|window| window.length).map(|length| length.seconds).collect();
        assert_eq!(lengths, [10, 60, 300]);
        windows.iter().all(|w| w.requests == 55 && w.server_errors == 5 && w.p50.is_some() && w.p99.is_some())
    });

    let upstream =
        management.call(management.stats().get_upstream_stats(GetUpstreamStatsRequest::default())).expect("stats");
    assert_eq!((upstream.backends, upstream.available, upstream.in_flight), (1, 1, 0));
    let server = management.call(management.stats().get_server_stats(GetServerStatsRequest {})).expect("stats");
    assert!(server.requests >= 55 && server.accepted >= 1 && server.connections >= 1, "{server:#?}");

    let request = GetBackendStatsRequest { upstream: String::new(), backend_id: "nobody".into() };
    let refusal = management.call(management.stats().get_backend_stats(request)).expect_err("no such backend");
    assert_eq!(refusal.code(), Code::NotFound);
}

#[test]
fn grpc_health_answers_serving() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    for service in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.into() };
        let answer = management.call(HealthClient::new(management.channel()).check(request)).expect("an answer");
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
}

const SERVICES: [&str; 6] = [
    "speedmimi.v1.BackendService",
    "speedmimi.v1.ConfigService",
    "speedmimi.v1.RouteService",
    "speedmimi.v1.ServerService",
    "speedmimi.v1.StatsService",
    "speedmimi.v1.UpstreamService",
];

#[test]
fn reflection_v1_lists_every_service() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(management.channel());
    let answer = first(&management, async move {
        let stream = client.server_reflection_info(futures_util::stream::iter([request])).await?;
        stream.into_inner().message().await
    });
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("not a list") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(SERVICES.iter().all(|service| names.iter().any(|name| name == service)), "{names:?}");
}

#[test]
fn reflection_v1alpha_lists_every_service_for_older_clients() {
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1alpha::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(management.channel());
    let answer = first(&management, async move {
        let stream = client.server_reflection_info(futures_util::stream::iter([request])).await?;
        stream.into_inner().message().await
    });
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("not a list") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(SERVICES.iter().all(|service| names.iter().any(|name| name == service)), "{names:?}");
}

/// The first message of a stream.
fn first<T>(management: &Management, call: impl Future<Output = Result<Option<T>, tonic::Status>>) -> T {
    let answer = management.call(async { call.await.map(tonic::Response::new) });
    answer.expect("the stream opens").expect("a message")
}
