//! The gate of the gRPC face: who calls, and whether they may, before anything of a request is read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response, StatusCode, header};
use tower::layer::util::{Identity, Stack};
use tower::{Layer, Service};

use super::attempt::Attempt;
use super::status;
use crate::access::{Denied, Face, Needed, Peer, Right, Unknown, Verb, authorise, browser, verb};
use crate::control::Caller;
use crate::control::audit::{self, Barred, Tried};

/// What a server with the gate has over its services.
pub(super) type Guarded = Stack<Gate, Identity>;

/// Puts the gate before a service.
#[derive(Debug, Clone)]
pub(super) struct Gate(pub(super) Arc<Face>);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { face: self.0.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    face: Arc<Face>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        if browser::is_browser(request.headers()) {
            let from = peer.as_ref().map(|peer| peer.from.clone()).unwrap_or_default();
            let (caller, why) = (Caller { from, ..Caller::nobody() }, browser::Refusal::Browser.to_string());
            audit::barred(&caller, request.uri().path(), Tried::default(), Barred::PermissionDenied, &why);
            let mut response = Status::permission_denied(why).into_http();
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Box::pin(async { Ok(response) });
        }
        let path = request.uri().path();
        let name = path.strip_prefix('/').unwrap_or(path);
        match admit(&self.face, peer.as_deref(), request.headers(), name) {
            Ok(caller) if verb(name).is_some_and(Verb::changes) => {
                let attempt = Attempt::default();
                request.extensions_mut().insert(attempt.clone());
                request.extensions_mut().insert(caller.clone());
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let response = answer.await?;
                    // A refusal has its status here; of what was done it comes after the answer.
                    if let Some(status) = Status::from_header_map(response.headers()) {
                        attempt.refused(&caller, &status);
                    }
                    Ok(response)
                })
            }
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Box::pin(self.inner.call(request))
            }
            Err(refusal) => {
                let face = self.face.clone();
                Box::pin(async move {
                    if let (Refusal::Unknown(Unknown::Token), Some(peer)) = (&refusal, &peer) {
                        face.hesitate(peer).await;
                    }
                    Ok(refusal.into_status().into_http())
                })
            }
        }
    }
}

/// Why a call is not let in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not known who calls.
    Unknown(Unknown),
    /// The caller may not.
    Denied(Denied),
}

impl Refusal {
    /// As gRPC says it.
    pub(super) fn into_status(self) -> Status {
        match self {
            Self::Unknown(why) => status::unknown(why),
            Self::Denied(why) => status::denied(&why),
        }
    }
}

/// Who calls, if it may ask for what the name stands for, and that is here. What is refused is put down in the audit log.
pub(super) fn admit(face: &Face, peer: Option<&Peer>, headers: &HeaderMap, name: &str) -> Result<Caller, Refusal> {
    let known = verb(name);
    let tried = Tried { object: known.map_or("", Verb::object), ..Tried::default() };
    let shown = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let found = peer.map_or(Err(Unknown::Silent), |peer| face.identify(peer, shown));
    let from = || peer.map(|peer| peer.from.clone()).unwrap_or_default();
    let caller = match found {
        Ok(caller) => caller,
        // Health is answered to anybody, also with an old token.
        Err(_) if known.is_some_and(|verb| verb.right == Right::Open) => Caller { from: from(), ..Caller::nobody() },
        Err(why) => {
            let caller = Caller { from: from(), ..Caller::nobody() };
            audit::barred(&caller, name, tried, Barred::Unauthenticated, &why.to_string());
            return Err(Refusal::Unknown(why));
        }
    };
    let caller = Caller { asks: known.map_or("", |verb| verb.name), ..caller };
    let later = || Denied { verb: name.to_owned(), had: caller.role, needed: Needed::Nothing };
    let allowed = authorise(&caller, name, None);
    let allowed = allowed.and_then(|()| if known.is_some_and(|verb| verb.later) { Err(later()) } else { Ok(()) });
    if let Err(denied) = allowed {
        let why = if denied.needed == Needed::Nothing { Barred::Unimplemented } else { Barred::PermissionDenied };
        audit::barred(&caller, name, tried, why, &denied.to_string());
        return Err(Refusal::Denied(denied));
    }
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::access::VERBS;

    #[test]
    fn every_method_that_exists_has_its_row_and_the_others_come_later() {
        let sets = [
            speedmimi_proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut there = BTreeSet::new();
        for set in sets {
            let pool = DescriptorPool::decode(set).expect("descriptors");
            let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
            there.extend(methods.map(|method| format!("{}/{}", method.parent_service().full_name(), method.name())));
        }
        // The rest of the table is about the admin face.
        let rows = VERBS.iter().filter(|row| !row.later && !row.name.starts_with('/'));
        assert_eq!(there, rows.map(|row| row.name.to_owned()).collect(), "exactly these may be called");
        assert!(VERBS.iter().all(|row| !row.later || !there.contains(row.name)), "what is there is there now");
    }

    #[test]
    fn what_has_options_of_a_mutation_changes_something_and_nothing_else_does() {
        let pool = DescriptorPool::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).expect("descriptors");
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let name = format!("{}/{}", method.parent_service().full_name(), method.name());
            let options = method.input().get_field_by_name("options");
            let options = options.and_then(|field| Some(field.kind().as_message()?.name() == "MutationOptions"));
            assert_eq!(verb(&name).map(Verb::changes), Some(options.unwrap_or_default()), "{name}");
        }
    }
}
