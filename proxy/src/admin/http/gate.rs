//! The gate of the admin face: whose name was asked for, which page wants it, who calls, and whether they may.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::access::{Face, NOWHERE, Peer, Unknown, browser};
use crate::admin::gate::{Refusal, admit};
use crate::control::Caller;
use crate::control::audit::{self, Barred, Tried};

/// Lets a request on, with its caller, or refuses it.
pub(super) async fn pass(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Arc<Peer>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Infallible> {
    // A page of the web can make a browser send requests here under a name of its own that resolves to this address
    // (DNS rebinding). Such a request carries that name, so only names that are ours are accepted.
    let own = |host: &str| is_own_name(host, &face);
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(own) {
        let message = "Host must be an IP address, localhost, or a name of the certificate";
        let caller = Caller { from: peer.from.clone(), ..Caller::nobody() };
        audit::barred(&caller, request.uri().path(), Tried::default(), Barred::PermissionDenied, message);
        return Ok(refuse(StatusCode::MISDIRECTED_REQUEST, "HOST", message));
    }
    if let Err(refusal) = browser::check(request.method(), request.headers(), own) {
        let caller = Caller { from: peer.from.clone(), ..Caller::nobody() };
        let message = refusal.to_string();
        audit::barred(&caller, request.uri().path(), Tried::default(), Barred::PermissionDenied, &message);
        return Ok(refuse(StatusCode::FORBIDDEN, "BROWSER", &message));
    }
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let name = matched.as_ref().map_or(NOWHERE, MatchedPath::as_str);
    match admit(&face, Some(&peer), request.headers(), name) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.run(request).await)
        }
        Err(Refusal::Denied(denied)) => Ok(refuse(StatusCode::FORBIDDEN, "PERMISSION_DENIED", &denied.to_string())),
        Err(Refusal::Unknown(why)) => {
            if why == Unknown::Token {
                face.hesitate(&peer).await;
            }
            if why == Unknown::Crowded {
                return Ok(refuse(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_GUESSES", &why.to_string()));
            }
            let mut response = refuse(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &why.to_string());
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Ok(response)
        }
    }
}

fn refuse(status: StatusCode, reason: &str, message: &str) -> Response {
    (status, Json(json!({ "success": false, "reason": reason, "message": message }))).into_response()
}

/// Whether a host, as it stands in a request, is this machine: an address, `localhost`, or a name of the face.
fn is_own_name(host: &str, face: &Face) -> bool {
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
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost") || face.is_named(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_can_give_away_are_own() {
        let face = Face::open();
        for own in ["127.0.0.1", "127.0.0.1:9091", "[::1]:9091", "[::1]", "localhost", "LOCALHOST:9091", "a.localhost"]
        {
            assert!(is_own_name(own, &face), "{own}");
        }
        for foreign in ["", "evil.example", "evil.example:9091", "localhost.evil.example", "localhost:x", "127.0.0.1.x"]
        {
            assert!(!is_own_name(foreign, &face), "{foreign}");
        }
    }
}
