//! What callers cannot take from others: memory, places, the time of tokens that are right.

use std::net::SocketAddr;

use speedmimi_proto::v1::backend_service_client::BackendServiceClient;
use speedmimi_proto::v1::{ListBackendsRequest, ListBackendsResponse};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use super::bench::Raw;
use super::{folder, speedctl, start};
use crate::harness::{Config, PATIENCE, Proxy, eventually, named, pss_kib, refused, write_secret};

mod frames;

use frames::Line;

const AUTH: &str = "auth: {tokens_file: tokens}";
/// Calls at once on a connection.
const STREAMS: usize = 32;

/// A message that says it is so long.
fn prefix(length: u32) -> Vec<u8> {
    [&[0][..], &length.to_be_bytes()].concat()
}

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
    request
}

async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("a URI").connect().await.expect("it listens")
}

async fn list(channel: Channel, token: &str) -> Result<Response<ListBackendsResponse>, Status> {
    BackendServiceClient::new(channel).list_backends(with(token, ListBackendsRequest::default())).await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

fn list_by_command(proxy: &Proxy) -> Option<i32> {
    write_secret(&proxy.path("token"), "token-read\n");
    let token = proxy.path("token").display().to_string();
    let endpoint = format!("http://{}", proxy.grpc_address());
    speedctl(&endpoint, &["--token-file", &token, "--timeout", "30s", "backend", "list"]).code
}

#[test]
fn requests_that_never_end_find_little_room_and_leave_some_to_others() {
    const CONNECTIONS: usize = 40;
    const SENT: usize = 48 * 1024;
    let proxy = start(folder(), &Config::one(refused()), AUTH, "");
    let flood = |path: &str, token: &str, length: u32, room: usize| {
        let mut lines: Vec<Line> = (0..CONNECTIONS).map(|_| Line::open(proxy.grpc_address())).collect();
        let before = pss_kib(proxy.pid());
        for line in &mut lines {
            for _ in 0..STREAMS {
                let stream = line.call(path, Some(token));
                line.data(stream, &prefix(length));
                line.data(stream, &vec![b'x'; SENT]);
            }
        }
        eventually("all but those that found room are refused", || {
            lines.iter_mut().for_each(Line::catch_up);
            lines.iter().map(|line| line.ended).sum::<usize>() >= CONNECTIONS * STREAMS - room
        });
        let grown = pss_kib(proxy.pid()).saturating_sub(before);
        eprintln!("{path}: {grown} KiB more");
        assert_eq!(list_by_command(&proxy), Some(0), "others are answered");
        grown
    };
    // 60 MiB are sent each time, half a GiB is announced.
    let reports = "/speedmimi.v1.BackendService/ReportPerformance";
    assert!(flood(reports, "token-report", 64 * 1024, 64) < 24 * 1024);
    let updates = "/speedmimi.v1.BackendService/UpdateBackend";
    assert!(flood(updates, "token-operate", 1024 * 1024, 16) < 24 * 1024);
}

#[test]
fn a_request_is_refused_before_it_is_read_and_bytes_that_are_none_are_the_callers_fault() {
    let backend = named("b1");
    let proxy = start(folder(), &Config::one(backend.address()), AUTH, "");
    let runtime = runtime();
    let call = |path: &'static str, token: &str, bytes: Vec<u8>| {
        runtime.block_on(async {
            let mut grpc = Grpc::new(connect(proxy.grpc_address()).await);
            grpc.ready().await.expect("it is there");
            let path = path.parse().expect("a path");
            grpc.unary(with(token, bytes), path, Raw).await.map(Response::into_inner).expect_err("it is refused")
        })
    };
    let reason = |status: &Status| status.get_error_details().error_info().map(|info| info.reason.clone());
    // A string where a number should be, and the other way round.
    for bytes in [vec![0x10, 0x05], vec![0x0a, 0xff], vec![0xff; 64]] {
        let status = call("/speedmimi.v1.BackendService/GetBackend", "token-read", bytes);
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::InvalidArgument, Some("MALFORMED_REQUEST")));
    }
    let report = "/speedmimi.v1.BackendService/ReportPerformance";
    let status = call(report, "token-report", vec![0; 64 * 1024 + 1]);
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::ResourceExhausted, Some("REQUEST_TOO_LARGE")));
    assert!(status.message().contains("65536"), "{status:?}");
    // An object may be larger: this is refused for what it says.
    let update = "/speedmimi.v1.BackendService/UpdateBackend";
    let status = call(update, "token-operate", vec![0xff; 64 * 1024 + 1]);
    assert_eq!(reason(&status).as_deref(), Some("MALFORMED_REQUEST"));
}

#[test]
fn whoever_shows_nothing_keeps_nobody_out_for_long() {
    let proxy = start(folder(), &Config::one(refused()), AUTH, AUTH);
    // Every place of the gRPC face, greeted as HTTP/2 wants it; half of them ask for health.
    let mut lines: Vec<Line> = (0..256).map(|_| Line::open(proxy.grpc_address())).collect();
    for line in lines.iter_mut().take(128) {
        let stream = line.call("/grpc.health.v1.Health/Watch", None);
        line.data(stream, &prefix(0));
    }
    assert_eq!(list_by_command(&proxy), Some(0), "a place is found");
    eventually("a quarter is free again", || {
        lines.iter_mut().for_each(Line::catch_up);
        lines.iter().filter(|line| line.closed).count() >= 60
    });
}

#[test]
fn where_wrong_tokens_wait_no_further_one_is_looked_at() {
    let proxy = start(folder(), &Config::one(refused()), AUTH, "");
    let address = proxy.grpc_address();
    runtime().block_on(async {
        let trusted = connect(address).await;
        list(trusted.clone(), "token-read").await.expect("it is known");
        let guesser = connect(address).await;
        let guesses: Vec<_> = (0..STREAMS)
            .map(|_| {
                let guesser = guesser.clone();
                tokio::spawn(async move {
                    loop {
                        let status = list(guesser.clone(), "token-nearly").await.expect_err("it is wrong");
                        assert!(matches!(status.code(), Code::Unauthenticated | Code::ResourceExhausted), "{status:?}");
                    }
                })
            })
            .collect();
        // Right or wrong, the answer is the same.
        let mut told = Vec::new();
        for token in ["token-read", "token-nearly"] {
            let refused = async {
                loop {
                    match list(connect(address).await, token).await {
                        Err(status) if status.code() == Code::ResourceExhausted => break status,
                        _ => tokio::task::yield_now().await,
                    }
                }
            };
            let status = tokio::time::timeout(PATIENCE, refused).await.expect("there are too many");
            assert_eq!(status.get_error_details().error_info().expect("a reason").reason, "TOO_MANY_GUESSES");
            told.push(status.message().to_owned());
        }
        assert_eq!(told[0], told[1]);
        list(trusted, "token-read").await.expect("whoever is known goes on");
        for guess in guesses {
            assert!(!guess.is_finished(), "no guess was right, and none was anything else than refused");
            guess.abort();
        }
    });
    eventually("it passes", || list_by_command(&proxy) == Some(0));
}
