//! What answers may cost that nobody takes.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, timeout};
use tonic::codegen::http::Request;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
const BACKENDS: u16 = 4000;
/// Calls at once: what they answer is far more than one caller has room for.
const CALLS: usize = 30;

async fn read(channel: Channel) -> Result<usize, tonic::Status> {
    let request = v1::GetConfigRequest { explain: true, ..Default::default() };
    let mut config = ConfigServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    config.get_config(request).await.map(|answer| answer.into_inner().sources.len())
}

#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_and_leave_room_for_small_ones() {
    let proxy = Proxy::start_over(BACKENDS).await;
    let shut = tonic::transport::Endpoint::from_shared(proxy.uri.clone()).expect("a URI").initial_stream_window_size(0);
    let shut = shut.connect().await.expect("it listens");
    let mut calls: FuturesUnordered<_> = (0..CALLS).map(|_| read(shut.clone())).collect();
    // A refusal has no message, and is told however little is taken. The others wait for ever.
    let refused = timeout(PATIENCE, calls.next()).await.expect("not all of them have room").expect("there were some");
    let refused = refused.expect_err("nothing of an answer was taken");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let info = refused.get_details_error_info().expect("it says why");
    assert_eq!((&*info.domain, &*info.reason), ("speedmimi.v1", "NO_ROOM_FOR_ANSWER"));
    // What is small is answered meanwhile, to the same caller.
    assert!(proxy.get(ONE).await.is_ok());
    drop(calls);
    drop(shut);
    let whole = async {
        loop {
            match read(proxy.channel.clone()).await {
                Ok(sources) => return sources,
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
            }
        }
    };
    let sources = timeout(PATIENCE, whole).await.expect("room is given back with the connection");
    assert!(sources > usize::from(BACKENDS), "{sources}");
}

/// Clients other than ours take a refusal only as a head that ends the stream (gRPC over HTTP/2, "Trailers-Only").
#[tokio::test]
async fn a_refusal_is_a_head_that_nothing_follows() {
    let proxy = Proxy::start().await;
    for method in ["BackendService/GetBackend", "BackendService/UpdateBackend", "ConfigService/GetConfig"] {
        let uri = format!("{}/speedmimi.v1.{method}", proxy.uri);
        let request = Request::post(uri).header("content-type", "application/grpc");
        // Five bytes of a message of nothing, or half of them.
        let message = "\0".repeat(if method.ends_with("GetConfig") { 2 } else { 5 });
        let request = request.header("te", "trailers").body(Body::new(message)).expect("a request");
        let mut channel = proxy.channel.clone();
        let service = tower::ServiceExt::ready(&mut channel).await.expect("it is connected");
        let response = tower::Service::call(service, request).await.expect("it answers");
        assert!(response.headers().contains_key("grpc-status"), "{method}: {response:?}");
        assert!(hyper::body::Body::is_end_stream(response.body()), "{method}: {response:?}");
    }
}
