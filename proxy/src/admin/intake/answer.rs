//! An answer on its way: its connection knows since when nothing of it is taken, and it ends when its caller is no longer
//! known.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue};

use super::room::Held;
use crate::access::{Face, Peer, UnderWay, Unknown};
use crate::admin::status;
use crate::control::Caller;

/// Bytes that are handed out at once. What is handed out is out of sight once the first byte of it may be sent, so that
/// a large answer goes in pieces.
const PIECE: usize = 16 * 1024;

/// Who a call was let in for, to be looked at again when tokens and certificates are read anew.
pub(super) struct Standing {
    face: Arc<Face>,
    peer: Arc<Peer>,
    shown: Option<HeaderValue>,
    caller: Caller,
    renewals: watch::Receiver<u64>,
}

impl Standing {
    /// Of a caller that was let in just now by what it has shown.
    pub(super) fn new(face: Arc<Face>, peer: Arc<Peer>, shown: Option<HeaderValue>, caller: Caller) -> Self {
        let renewals = face.renewals();
        Self { face, peer, shown, caller, renewals }
    }

    /// Why it is not who it was, if it is not.
    fn lost(&mut self) -> Option<Status> {
        if !self.renewals.has_changed().unwrap_or_default() {
            return None;
        }
        self.renewals.mark_unchanged();
        let Caller { who, role, scope, .. } = &self.caller;
        match self.face.recognise(&self.peer, self.shown.iter().map(HeaderValue::as_bytes)) {
            Ok(now) if (&now.who, &now.role, &now.scope) == (who, role, scope) => None,
            // Somebody else now, or with other rights: it may call again as such.
            Ok(_) => Some(status::unknown(Unknown::Changed)),
            Err(why) => Some(status::unknown(why)),
        }
    }
}

/// What comes next of a body; nothing at its end.
type Next = Option<Result<Frame<Bytes>, Status>>;

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    /// What of its last data has not been handed out.
    rest: Bytes,
    under_way: Option<UnderWay>,
    standing: Option<Standing>,
    /// Resolves when the files are read again; there is none before an answer has to wait for what it tells.
    renewal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether there was nothing to tell for a moment: it is a stream, not the answer of a call that is done.
    waits: bool,
    over: bool,
    /// What was asked of the body before the answer was asked for it.
    first: Option<Next>,
    /// The room that it takes.
    _held: Option<Held>,
}

impl Answer {
    /// Of a call that goes on until it is dropped.
    pub(super) fn new(body: Body, under_way: Option<UnderWay>, standing: Option<Standing>) -> Self {
        // Nobody has asked for anything of it yet.
        under_way.iter().for_each(UnderWay::told);
        let rest = Bytes::new();
        Self { body, rest, under_way, standing, renewal: None, waits: false, over: false, first: None, _held: None }
    }

    /// Has the first message written, if it is there, and says how many bytes that is.
    pub(super) async fn written(&mut self) -> usize {
        if self.body.is_end_stream() {
            // A refusal is all in its head, which has to say that nothing follows.
            return 0;
        }
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.body).poll_frame(cx))).await;
        let Poll::Ready(first) = first else { return 0 };
        let bytes = match &first {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        self.first = Some(first);
        bytes
    }

    /// Takes room until it is dropped.
    pub(super) fn hold(&mut self, held: Option<Held>) {
        self._held = held;
    }

    /// Ends with a status, and lets go of what it was made of.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.over = true;
        (self.body, self.rest) = (Body::default(), Bytes::new());
        let mut trailers = HeaderMap::new();
        // What of it is no header is left out.
        let _ = status.add_header(&mut trailers);
        Frame::trailers(trailers)
    }

    /// The next piece of what is left.
    fn piece(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Whether the files were read again; if not, this task is told when they are.
    fn is_renewed(&mut self, cx: &mut Context<'_>) -> bool {
        self.waits = true;
        let Some(standing) = &self.standing else { return false };
        let renewal = self.renewal.get_or_insert_with(|| {
            let mut renewals = standing.renewals.clone();
            Box::pin(async move {
                if renewals.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        });
        let renewed = renewal.as_mut().poll(cx).is_ready();
        if renewed {
            self.renewal = None;
        }
        renewed
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        this.under_way.iter().for_each(UnderWay::taken);
        if this.over {
            return Poll::Ready(None);
        }
        loop {
            // What a call that is over has done is told to whoever made it; only what goes on ends.
            if this.waits
                && let Some(status) = this.standing.as_mut().and_then(Standing::lost)
            {
                return Poll::Ready(Some(Ok(this.end(&status))));
            }
            if !this.rest.is_empty() {
                this.under_way.iter().for_each(UnderWay::told);
                return this.piece();
            }
            let first = this.first.take().map(Poll::Ready);
            match first.unwrap_or_else(|| Pin::new(&mut this.body).poll_frame(cx)) {
                Poll::Pending if this.is_renewed(cx) => {}
                Poll::Ready(Some(Ok(frame))) => {
                    this.under_way.iter().for_each(UnderWay::told);
                    return match frame.into_data() {
                        Ok(data) => {
                            this.rest = data;
                            this.piece()
                        }
                        Err(other) => Poll::Ready(Some(Ok(other))),
                    };
                }
                other => return other,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || (self.rest.is_empty() && self.first.is_none() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.over { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
