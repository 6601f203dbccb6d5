//! The HTTP face of management: metrics and the two questions of a load balancer or an orchestrator.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::incoming::{self, LOOK};
use super::places::{Place, Places};
use crate::access::{Face, Peer};
use crate::control::{Caller, Control, Phase};
use crate::telemetry::prometheus::{self, Facts};

mod gate;

/// Connections open at once; more wait in the kernel.
const CONNECTIONS: usize = 100;
/// Time for a request head.
const HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection: a reader that takes no byte must not hold its place for ever.
const CONNECTION: Duration = Duration::from_secs(300);

/// Serves until the task is dropped.
pub(super) async fn serve(listener: TcpListener, control: Control, face: Arc<Face>) {
    let places = Places::new(CONNECTIONS);
    let router = router(control, &face, &places);
    loop {
        let place = places.free().await;
        let (stream, peer) = match listener.accept().await {
            Ok((stream, address)) => (stream, Peer::tcp(address)),
            Err(error) => {
                // Out of descriptors: they come back when connections end, asking at once would only spin.
                tracing::warn!(%error, "the admin listener cannot accept");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = places.give(place, peer.ip) else {
            tracing::debug!(from = %peer.from, "too many connections of the admin face from there");
            continue;
        };
        let (router, face) = (router.clone(), face.clone());
        tokio::spawn(async move {
            match face.tls() {
                None => Box::pin(converse(stream, peer, router, &place)).await,
                Some(secured) => {
                    if let Some((stream, peer)) = incoming::shake_hands(stream, peer, secured, &face).await {
                        Box::pin(converse(stream, peer, router, &place)).await;
                    }
                }
            }
            drop(place);
        });
    }
}

/// Serves the requests of a connection.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router, place: &Place) {
    let line = peer.line.clone();
    let service = TowerToHyperService::new(router.layer(Extension(Arc::new(peer))));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let has_to_go = async {
        loop {
            sleep(LOOK).await;
            if line.verdict(place.is_scarce(), false).is_some() {
                return;
            }
        }
    };
    // How a client of the admin face leaves concerns nobody.
    let conversation = async {
        tokio::select! {
            _ = connection => {}
            () = has_to_go => {}
        }
    };
    let _ = timeout(CONNECTION, conversation).await;
}

fn router(control: Control, face: &Arc<Face>, places: &Arc<Places>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(control)
        .layer(middleware::from_fn(count))
        .layer(middleware::from_fn_with_state(face.clone(), gate::pass))
        .layer(middleware::from_fn_with_state(places.clone(), make_room))
}

/// Tells the connection that a request was let in, and whose.
async fn count(Extension(peer): Extension<Arc<Peer>>, request: Request, next: Next) -> Response {
    let known = request.extensions().get::<Caller>().is_some_and(|caller| !caller.is_nobody());
    let _under_way = peer.line.admit(known);
    next.run(request).await
}

/// Where places are scarce, whoever is not known is answered and let go.
async fn make_room(
    State(places): State<Arc<Places>>,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if places.are_scarce() && !peer.line.is_known() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn metrics(State(control): State<Control>) -> Response {
    let lifecycle = control.lifecycle();
    let (reloads_applied, reloads_refused) = lifecycle.reloads();
    let facts = Facts {
        revision: control.view().store.revision(),
        started: lifecycle.started,
        reloads_applied,
        reloads_refused,
        ready: lifecycle.phase() == Phase::Serving,
        now_ms: control.live().origin.elapsed().as_millis() as u64,
    };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], prometheus::render(control.live(), &facts)).into_response()
}

async fn readyz(State(control): State<Control>) -> (StatusCode, &'static str) {
    match control.lifecycle().phase() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}
