//! The HTTP face of management: metrics and the two questions of a load balancer or an orchestrator.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::control::{Control, Phase};
use crate::telemetry::prometheus::{self, Facts};

/// Connections open at once; more wait in the kernel.
const CONNECTIONS: usize = 100;
/// Time for a request head.
const HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection: a reader that takes no byte must not hold its place for ever.
const CONNECTION: Duration = Duration::from_secs(300);


/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, control: Control) {
    let router = router(control);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: they come back when connections end, asking at once would only spin.
                tracing::warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            // How a client of the admin face leaves concerns nobody.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(place);
        });
    }
}

fn router(control: Control) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(control)
        .layer(middleware::from_fn(check_host))
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

/// A page of the web can make a browser send requests here under a name of its own that resolves to loopback
/// (DNS rebinding). Such a request carries that name, so only names that nobody can give away are accepted.
async fn check_host(request: Request, next: Next) -> Result<Response, Infallible> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_own_name) {
        return Ok(next.run(request).await);
    }
    let message = "Host must be an IP address or localhost\n";
    Ok((StatusCode::MISDIRECTED_REQUEST, message).into_response())
}

fn is_own_name(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colons of an address in brackets are no separators of a port.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_can_give_away_are_own() {
        for own in ["127.0.0.1", "127.0.0.1:9091", "[::1]:9091", "[::1]", "localhost", "LOCALHOST:9091", "a.localhost"] {
            assert!(is_own_name(own), "{own}");
        }
        for foreign in ["", "evil.example", "evil.example:9091", "localhost.evil.example", "localhost:x", "127.0.0.1.x"] {
            assert!(!is_own_name(foreign), "{foreign}");
        }
    }
}
