//! Answers that come in one piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::streams;

/// How much of a request body `/echo` sends back; the rest is read and counted.
const ECHO_LIMIT: usize = 64 * 1024;
/// `/slow` waits no longer than this.
const LONGEST: Duration = Duration::from_secs(600);

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    id: String,
    port: u16,
    hits: AtomicU64,
    pub(super) stop: watch::Receiver<bool>,
}

/// The paths of one server.
pub(super) fn router(id: String, port: u16, stop: watch::Receiver<bool>) -> Router {
    let server = Arc::new(Server { id, port, hits: AtomicU64::new(0), stop });
    Router::new()
        .route("/", any(who))
        .route("/health", get(health))
        .route("/echo", any(echo))
        .route("/echo/{*rest}", any(echo))
        .route("/slow", any(slow))
        .route("/status/{code}", any(status))
        .route("/bytes/{n}", get(bytes))
        .route("/sse", get(streams::events))
        .route("/ws", any(streams::web_socket))
        .fallback(who)
        .layer(from_fn_with_state(server.clone(), sign))
        .with_state(server)
}

impl Server {
    /// Who answers, as every JSON answer says it.
    pub(super) fn who(&self) -> Value {
        json!({"id": self.id, "port": self.port, "hits": self.hits.load(Ordering::Relaxed)})
    }
}

async fn sign(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if request.uri().path() != "/health" {
        server.hits.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&server.id) {
        response.headers_mut().insert("x-backend-id", id);
    }
    response
}

async fn who(State(server): State<Arc<Server>>, request: Request) -> Json<Value> {
    let mut answer = server.who();
    answer["path"] = request.uri().path().into();
    Json(answer)
}

async fn health() -> Json<Value> {
    Json(json!({"status": "healthy"}))
}

async fn echo(State(server): State<Arc<Server>>, request: Request) -> Result<Json<Value>, StatusCode> {
    let (head, body) = request.into_parts();
    let mut kept = Vec::new();
    let mut length = 0_u64;
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        length += chunk.len() as u64;
        kept.extend_from_slice(&chunk[..chunk.len().min(ECHO_LIMIT - kept.len())]);
    }
    Ok(Json(json!({
        "backend": server.who(),
        "method": head.method.as_str(),
        "path": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": fields(&head.headers),
        "body": String::from_utf8_lossy(&kept),
        "body_bytes": length,
    })))
}

/// Field names to values; a name that came more than once has a list.
fn fields(headers: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Value> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect();
        let value = if values.len() == 1 { values.remove(0) } else { values.into() };
        map.insert(name.as_str().into(), value);
    }
    map
}

#[derive(Deserialize)]
struct Slow {
    #[serde(default = "a_second")]
    ms: u64,
}

fn a_second() -> u64 {
    1_000
}

async fn slow(State(server): State<Arc<Server>>, Query(slow): Query<Slow>) -> Json<Value> {
    let wait = Duration::from_millis(slow.ms).min(LONGEST);
    tokio::time::sleep(wait).await;
    let mut answer = server.who();
    answer["waited_ms"] = (wait.as_millis() as u64).into();
    Json(answer)
}

async fn status(State(server): State<Arc<Server>>, Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        // 1xx would not be an answer, and these two have no body.
        Ok(status @ (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) => status.into_response(),
        Ok(status) if !status.is_informational() => (status, Json(server.who())).into_response(),
        _ => (StatusCode::BAD_REQUEST, "CODE must be 200..=999\n").into_response(),
    }
}

/// `n` bytes, streamed: byte `i` is `a` + `i` modulo 26, so that a receiver can check each.
async fn bytes(Path(n): Path<u64>) -> Response {
    const BLOCK: u64 = 26 * 2_048;
    let block = Bytes::from_iter((0..BLOCK).map(|i| b'a' + (i % 26) as u8));
    let blocks = stream::iter((0..n.div_ceil(BLOCK)).map(move |i| {
        let length = (n - i * BLOCK).min(BLOCK) as usize;
        Ok::<_, std::convert::Infallible>(block.slice(..length))
    }));
    let head = [(header::CONTENT_TYPE, "text/plain".to_owned()), (header::CONTENT_LENGTH, n.to_string())];
    (head, Body::from_stream(blocks)).into_response()
}
