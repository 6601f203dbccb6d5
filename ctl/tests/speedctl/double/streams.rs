//! Exchanges and explained picks as a [`Script`] serves them.

use speedmimi_proto::v1::stream_service_server::StreamService;

use super::services::Answer;
use super::*;

/// An exchange as the proxy shows it.
fn stream(id: &str) -> Stream {
    let time = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    Stream {
        id: id.to_owned(),
        client: "192.0.2.7".to_owned(),
        upstream: "default".to_owned(),
        backend_id: "b1".to_owned(),
        protocol: StreamProtocol::Sse.into(),
        age: time(90),
        idle: time(3),
        bytes_received: 120,
        bytes_sent: 4096,
        method: "GET".to_owned(),
        path: "/events".to_owned(),
        ..Stream::default()
    }
}

#[tonic::async_trait]
impl StreamService for Script {
    async fn list_streams(&self, request: Request<ListStreamsRequest>) -> Answer<ListStreamsResponse> {
        let request = request.into_inner();
        self.hear(Call::ListStreams(request.clone())).await?;
        let first = request.page_token.is_empty();
        let (id, next) = if first { ("0-3", "0-3") } else { ("1-9", "") };
        Ok(Response::new(ListStreamsResponse { streams: vec![stream(id)], next_page_token: next.to_owned(), total: 2 }))
    }

    async fn kill_streams(&self, request: Request<KillStreamsRequest>) -> Answer<KillStreamsResponse> {
        let request = request.into_inner();
        self.hear(Call::KillStreams(request)).await?;
        Ok(Response::new(KillStreamsResponse { killed: 3, streams: vec![stream("0-3")] }))
    }
}

/// A pick of the first of two.
pub(super) fn explained(request: &ExplainPickRequest) -> ExplainPickResponse {
    let candidate = |id: &str, winner: bool| PickCandidate {
        backend_id: id.to_owned(),
        skip: if winner { SkipReason::Unspecified } else { SkipReason::Full }.into(),
        in_flight: 1,
        max_conn: 1,
        weight: 100,
        factor: 1.0,
        key: "00000000000000ff".to_owned(),
        share: 100.0,
        score: Some(0.02),
        chance: Some(if winner { 1.0 } else { 0.0 }),
        winner,
    };
    ExplainPickResponse {
        worker: request.worker,
        revision: 6,
        client: "192.0.2.7".to_owned(),
        protocol: StreamProtocol::Http.into(),
        route: "app".to_owned(),
        rule: Some(MatchedRule { host: "*.example".to_owned(), path: "/app".to_owned(), exact: false }),
        upstream: "default".to_owned(),
        load_balancer: LoadBalancer::LeastConnectionsWeight.into(),
        source: AlgorithmSource::Default.into(),
        order: ScoreOrder::LowestWins.into(),
        candidates: vec![candidate("b1", true), candidate("b2", false)],
        winner: "b1".to_owned(),
        ..ExplainPickResponse::default()
    }
}
