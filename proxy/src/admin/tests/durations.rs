//! Durations that cannot be meant, in every call that takes one.

use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::stream_service_client::StreamServiceClient;
use speedmimi_proto::v1::upstream_service_client::UpstreamServiceClient;
use tonic::Status;

use super::*;

/// Makes the call that has a field of this name, with this duration in it. Nothing is done: it is refused, or a try.
async fn call(proxy: &Proxy, field: &str, given: prost_types::Duration) -> Result<(), Status> {
    let given = Some(given);
    let options = Some(v1::MutationOptions { validate_only: true, ..Default::default() });
    let (channel, backend_id) = (proxy.channel.clone(), ONE.to_owned());
    let watch = Some(v1::WatchOptions { heartbeat: given, ..Default::default() });
    let check = |interval, timeout| {
        let health_check = Some(v1::HealthCheck { interval, timeout, ..Default::default() });
        let backend = Some(v1::Backend { id: ONE.into(), health_check, ..Default::default() });
        v1::UpdateBackendRequest { backend, options: options.clone(), ..Default::default() }
    };
    let clocks = |wanted: &str| {
        let of = |name: &str| given.filter(|_| wanted.ends_with(name));
        let (connect, first_byte) = (of(".connect"), of(".first_byte"));
        Some(v1::Timeouts { connect, first_byte, idle: of(".idle"), total: of(".total") })
    };
    let filter = |min_age, min_idle| {
        let filter = Some(v1::StreamFilter { min_age, min_idle, ..Default::default() });
        v1::ListStreamsRequest { filter, ..Default::default() }
    };
    match field {
        "backend.health_check.interval" => proxy.backends().update_backend(check(given, None)).await.map(drop),
        "backend.health_check.timeout" => proxy.backends().update_backend(check(None, given)).await.map(drop),
        "ttl of a report" => {
            let request = v1::ReportPerformanceRequest { backend_id, ttl: given, ..Default::default() };
            proxy.backends().report_performance(request).await.map(drop)
        }
        "deadline" => {
            let request = v1::DrainBackendRequest { backend_id, deadline: given, options, ..Default::default() };
            proxy.backends().drain_backend(request).await.map(drop)
        }
        "upstream.pool.idle_timeout" => {
            let pool = Some(v1::Pool { idle_timeout: given, ..Default::default() });
            let upstream = Some(v1::Upstream { name: "default".into(), pool, ..Default::default() });
            let request = v1::UpdateUpstreamRequest { upstream, options, ..Default::default() };
            UpstreamServiceClient::new(channel).update_upstream(request).await.map(drop)
        }
        "ttl" => {
            let request =
                v1::SetLogLevelRequest { level: v1::LogLevel::Info.into(), ttl: given, options, ..Default::default() };
            ServerServiceClient::new(channel).set_log_level(request).await.map(drop)
        }
        "graceful_timeout" => {
            let request = v1::DrainServerRequest { graceful_timeout: given, options, ..Default::default() };
            ServerServiceClient::new(channel).drain_server(request).await.map(drop)
        }
        "interval" => {
            let request = v1::WatchStatsRequest { interval: given, ..Default::default() };
            StatsServiceClient::new(channel).watch_stats(request).await.map(drop)
        }
        "filter.min_age" => StreamServiceClient::new(channel).list_streams(filter(given, None)).await.map(drop),
        "filter.min_idle" => StreamServiceClient::new(channel).list_streams(filter(None, given)).await.map(drop),
        "watch.heartbeat of backends" => {
            let request = v1::WatchBackendsRequest { watch, ..Default::default() };
            proxy.backends().watch_backends(request).await.map(drop)
        }
        "watch.heartbeat of keys" => {
            ConfigServiceClient::new(channel).watch_config(v1::WatchConfigRequest { watch }).await.map(drop)
        }
        "heartbeat" => {
            let request = v1::WatchEventsRequest { heartbeat: given, ..Default::default() };
            ServerServiceClient::new(channel).watch_events(request).await.map(drop)
        }
        clock if clock.starts_with("upstream.timeouts.") => {
            let upstream = Some(v1::Upstream { name: "default".into(), timeouts: clocks(clock), ..Default::default() });
            let request = v1::UpdateUpstreamRequest { upstream, options, ..Default::default() };
            UpstreamServiceClient::new(channel).update_upstream(request).await.map(drop)
        }
        clock => {
            let route = Some(v1::Route { name: "r".into(), timeouts: clocks(clock), ..Default::default() });
            let request = v1::AddRouteRequest { route, options };
            Box::pin(RouteServiceClient::new(channel).add_route(request)).await.map(drop)
        }
    }
}

#[tokio::test]
async fn a_duration_that_cannot_be_is_refused_by_its_field_in_every_call() {
    let proxy = Proxy::start().await;
    for field in [
        "backend.health_check.interval",
        "backend.health_check.timeout",
        "ttl of a report",
        "deadline",
        "upstream.pool.idle_timeout",
        "upstream.timeouts.connect",
        "upstream.timeouts.first_byte",
        "upstream.timeouts.idle",
        "upstream.timeouts.total",
        "route.timeouts.connect",
        "route.timeouts.total",
        "ttl",
        "graceful_timeout",
        "interval",
        "filter.min_age",
        "filter.min_idle",
        "watch.heartbeat of backends",
        "watch.heartbeat of keys",
        "heartbeat",
    ] {
        let name = field.split(' ').next().unwrap_or_default();
        for (seconds, nanos) in [(i64::MIN, i32::MIN), (i64::MIN, 0), (0, i32::MIN), (1, -1), (i64::MIN, i32::MAX)] {
            let given = prost_types::Duration { seconds, nanos };
            let refused = call(&proxy, field, given).await.expect_err(field);
            assert_eq!(refused.code(), Code::InvalidArgument, "{field} {given:?}: {refused:?}");
            let details = refused.get_error_details();
            let fields = &details.bad_request().expect("fields").field_violations;
            assert!(fields.iter().any(|one| one.field == name), "{field} {given:?}: {refused:?}");
        }
        // Too long for most, and a fault of the proxy for none.
        let longest = prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX };
        if let Err(refused) = call(&proxy, field, longest).await {
            assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused:?}");
        }
    }
}
