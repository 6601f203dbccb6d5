//! What a call that was let in may cost: the size of its request, the room that requests have together, the time that an
//! answer is held for a reader, and for how long a caller stays known.
//!
//! It stands behind the gate and before the services. [`room`] bounds what is read, [`answer`] what is told.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, header};
use tonic::{Code, Status};
use tower::layer::util::Stack;
use tower::{Layer, Service};

use super::gate::Guarded;
use super::status;
use crate::access::{Face, Peer};
use crate::control::Caller;

mod answer;
mod room;

use answer::{Answer, Standing};
use room::{Metered, Rooms};

/// What a server with the gate and the intake has over its services.
pub(super) type Admitted = Stack<Intake, Guarded>;

/// Puts the intake before a service.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    face: Arc<Face>,
    rooms: Arc<Rooms>,
}

impl Intake {
    /// For the callers of a face.
    pub(super) fn new(face: Arc<Face>) -> Self {
        Self { face, rooms: Arc::default() }
    }
}

impl<S> Layer<S> for Intake {
    type Service = Taking<S>;

    fn layer(&self, inner: S) -> Taking<S> {
        Taking { intake: self.clone(), inner }
    }
}

/// A service behind the intake.
#[derive(Debug, Clone)]
pub(super) struct Taking<S> {
    intake: Intake,
    inner: S,
}

impl<S> Service<Request<Body>> for Taking<S>
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Intake { face, rooms } = &self.intake;
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::nobody);
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let under_way = peer.as_ref().map(|peer| peer.line.admit(!caller.is_nobody()));
        let standing = peer.filter(|_| !caller.is_nobody()).map(|peer| {
            let shown = request.headers().get(header::AUTHORIZATION).cloned();
            Standing::new(face.clone(), peer, shown, caller.clone())
        });
        let path = request.uri().path();
        let name = path.strip_prefix('/').unwrap_or(path);
        let (most, reads, rooms) = (room::most(name), room::reads(name), rooms.clone());
        let (parts, body) = request.into_parts();
        // Held until the call is answered: what was read lives on in what is made of it.
        let held = Arc::new(Mutex::new(None));
        let body = match most {
            Some(most) => Body::new(Metered::new(body, most, rooms.clone(), caller.who.clone(), held.clone())),
            None => body,
        };
        let answer = self.inner.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let response = answer.await?;
            *held.lock() = None;
            let (parts, body) = explained(response).into_parts();
            let mut answer = Answer::new(body, under_way, standing);
            if reads {
                // Written now, so that it is known how much waits.
                match rooms.answer(&caller.who, answer.written().await) {
                    Ok(held) => answer.hold(held),
                    Err(status) => return Ok(status.into_http()),
                }
            }
            Ok(Response::from_parts(parts, Body::new(answer)))
        })
    }
}

/// Says INVALID_ARGUMENT where the library below says INTERNAL of bytes that are no request: the fault is the caller's.
fn explained(response: Response<Body>) -> Response<Body> {
    let Some(refusal) = Status::from_header_map(response.headers()) else { return response };
    let told = refusal.message();
    let undecodable = ["failed to decode Protobuf", "protocol error", "Missing request message", "Unexpected EOF"];
    if refusal.code() == Code::Internal && undecodable.iter().any(|begin| told.starts_with(begin)) {
        return status::malformed(told).into_http();
    }
    response
}
