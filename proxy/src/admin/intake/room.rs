//! Room for requests: each says how long it is before it is read, and finds room or is refused. And for what is read by
//! them: an answer that nobody takes is memory, too.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::body::Frame;
use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;

use crate::admin::{DOCUMENT, MESSAGE, SMALL, status};

/// Requests up to this are not counted, in bytes: nearly all of them.
const FREE: usize = 4 * 1024;
/// Bytes of the requests that are being read, of all callers and of each: those up to [`SMALL`], and larger ones. A
/// caller that never finishes its requests leaves room for others.
const ROOMS: [(usize, usize); 2] = [(16 << 20, 4 << 20), (32 << 20, 16 << 20)];
/// Bytes of the answers to reads that wait to be taken, of all callers and of each. A caller has room for one in any
/// case, however large.
const ANSWERS: (usize, usize) = (64 << 20, 16 << 20);
/// Bytes before each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// The largest request of a method in bytes; none where the service itself bounds what is a stream.
pub(super) fn most(name: &str) -> Option<usize> {
    let (service, method) = name.strip_prefix("speedmimi.v1.")?.split_once('/')?;
    Some(match method {
        "ApplyConfig" => DOCUMENT,
        _ if service == "ConfigService" => SMALL,
        _ if method.starts_with("Add") || method.starts_with("Update") => MESSAGE,
        _ => SMALL,
    })
}

/// Whether a method only reads, so that not to answer loses nothing.
pub(super) fn reads(name: &str) -> bool {
    let method = name.strip_prefix("speedmimi.v1.").and_then(|name| name.split_once('/')).map(|(_, method)| method);
    method.is_some_and(|method| ["Get", "List", "Explain"].iter().any(|verb| method.starts_with(verb)))
}

/// Room of small requests, of large ones, and of answers.
#[derive(Debug)]
pub(super) struct Rooms {
    requests: [Arc<Room>; 2],
    answers: Arc<Room>,
}

impl Default for Rooms {
    fn default() -> Self {
        let room = |(all, each)| Arc::new(Room { all, each, taken: Mutex::default() });
        Self { requests: ROOMS.map(room), answers: room(ANSWERS) }
    }
}

#[derive(Debug)]
struct Room {
    all: usize,
    each: usize,
    taken: Mutex<(usize, HashMap<Arc<str>, usize>)>,
}

/// Room that is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    who: Arc<str>,
    bytes: usize,
}

impl Rooms {
    fn take(&self, who: &Arc<str>, bytes: usize) -> Result<Option<Held>, Status> {
        let room = &self.requests[usize::from(bytes > SMALL)];
        room.take(who, bytes, false).map_err(status::no_room)
    }

    /// Room for an answer.
    pub(super) fn answer(&self, who: &Arc<str>, bytes: usize) -> Result<Option<Held>, Status> {
        self.answers.take(who, bytes, true).map_err(status::unread)
    }
}

impl Room {
    /// Room of somebody, who may always have one where `one` is true. An error says whether it is the caller's own share
    /// that is full.
    fn take(self: &Arc<Self>, who: &Arc<str>, bytes: usize, one: bool) -> Result<Option<Held>, bool> {
        if bytes <= FREE {
            return Ok(None);
        }
        let mut taken = self.taken.lock();
        let own = taken.1.get(who).copied().unwrap_or_default();
        let full = own + bytes > self.each;
        if (full || taken.0 + bytes > self.all) && !(one && own == 0) {
            return Err(full);
        }
        taken.0 += bytes;
        taken.1.insert(who.clone(), own + bytes);
        Ok(Some(Held { room: self.clone(), who: who.clone(), bytes }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        taken.0 -= self.bytes;
        if let Some(own) = taken.1.get_mut(&self.who) {
            *own -= self.bytes;
            if *own == 0 {
                taken.1.remove(&self.who);
            }
        }
    }
}

/// Where the room of a call is kept.
pub(super) type Keep = Arc<Mutex<Option<Held>>>;

/// The body of a request of one message.
pub(super) struct Metered {
    body: Body,
    most: usize,
    rooms: Arc<Rooms>,
    who: Arc<str>,
    keep: Keep,
    /// The beginning of the message, until its length is known.
    begun: BytesMut,
    /// Bytes that are to come, once its length is known.
    left: Option<usize>,
}

impl Metered {
    /// At most so many bytes of a caller; the room that they take is put where it is kept.
    pub(super) fn new(body: Body, most: usize, rooms: Arc<Rooms>, who: Arc<str>, keep: Keep) -> Self {
        Self { body, most, rooms, who, keep, begun: BytesMut::new(), left: None }
    }

    /// What of these bytes may be read now.
    fn meter(&mut self, data: Bytes) -> Result<Option<Bytes>, Status> {
        let data = match self.left {
            Some(_) => data,
            None => {
                self.begun.extend_from_slice(&data);
                let Some(mut length) = self.begun.get(1..PREFIX) else { return Ok(None) };
                let length = usize::try_from(length.get_u32()).unwrap_or(usize::MAX);
                if length > self.most {
                    return Err(status::too_large(length, self.most));
                }
                *self.keep.lock() = self.rooms.take(&self.who, length)?;
                self.left = Some(PREFIX + length);
                self.begun.split().freeze()
            }
        };
        let left = self.left.unwrap_or_default().checked_sub(data.len());
        self.left = Some(left.ok_or_else(|| status::malformed("more than one message"))?);
        Ok(Some(data))
    }
}

impl hyper::body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) if !this.begun.is_empty() => {
                    // It ended within its prefix: whoever reads finds that out.
                    return Poll::Ready(Some(Ok(Frame::data(this.begun.split().freeze()))));
                }
                other => return other,
            };
            match frame.into_data().map(|data| this.meter(data)) {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Err(status)) => return Poll::Ready(Some(Err(status))),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn metered(most: usize, rooms: &Arc<Rooms>, who: &str) -> Metered {
        Metered::new(Body::empty(), most, rooms.clone(), who.into(), Keep::default())
    }

    fn prefix(length: usize) -> Bytes {
        let length = u32::try_from(length).expect("it fits").to_be_bytes();
        Bytes::from([&[0][..], &length].concat())
    }

    #[test]
    fn large_requests_are_those_that_may_hold_much() {
        let most = |name: &str| most(&format!("speedmimi.v1.{name}"));
        assert_eq!(most("ConfigService/ApplyConfig"), Some(DOCUMENT));
        assert_eq!(most("BackendService/AddBackend"), Some(MESSAGE));
        assert_eq!(most("RouteService/UpdateRoute"), Some(MESSAGE));
        assert_eq!(most("BackendService/ReportPerformance"), Some(SMALL));
        assert_eq!(super::most("grpc.health.v1.Health/Check"), None);
    }

    #[test]
    fn a_request_is_refused_by_what_it_says_of_itself() {
        let rooms = Arc::new(Rooms::default());
        let mut request = metered(SMALL, &rooms, "a");
        let refused = request.meter(prefix(SMALL + 1)).expect_err("too long");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let mut request = metered(SMALL, &rooms, "a");
        // A byte at a time is as good.
        for byte in prefix(3) {
            assert!(request.meter(Bytes::copy_from_slice(&[byte])).is_ok());
        }
        assert!(request.meter(Bytes::from_static(b"abc")).is_ok());
        assert_eq!(request.meter(Bytes::from_static(b"d")).expect_err("no second one").code(), Code::InvalidArgument);
    }

    #[test]
    fn answers_have_room_of_their_own_and_everybody_may_have_one() {
        let rooms = Rooms::default();
        let [one, two] = ["a", "b"].map(Arc::from);
        let large = rooms.answer(&one, 3 * ANSWERS.1).expect("the first is answered, however large");
        let refused = rooms.answer(&one, FREE + 1).expect_err("it has taken more than its share");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(rooms.answer(&one, FREE).is_ok(), "small ones are not counted");
        let other: Vec<_> = (0..4).map(|_| rooms.answer(&two, ANSWERS.1 / 4).expect("its own share")).collect();
        assert!(rooms.answer(&two, FREE + 1).is_err());
        drop((large, other));
        assert!(rooms.answer(&one, ANSWERS.1).is_ok());
        assert_eq!(rooms.answers.taken.lock().0, 0);
        assert!(reads("speedmimi.v1.ConfigService/GetConfig") && !reads("speedmimi.v1.ConfigService/ApplyConfig"));
        assert!(!reads("grpc.health.v1.Health/Check"));
    }

    #[test]
    fn room_is_bounded_shared_and_given_back() {
        let rooms = Arc::new(Rooms::default());
        let mut of_one = Vec::new();
        let refused = loop {
            let mut request = metered(DOCUMENT, &rooms, "a");
            match request.meter(prefix(DOCUMENT)) {
                Ok(_) => of_one.push(request),
                Err(status) => break status,
            }
        };
        assert_eq!((of_one.len(), refused.code()), (2, Code::ResourceExhausted));
        let others: Vec<_> = (0..2)
            .map(|n| {
                let mut request = metered(DOCUMENT, &rooms, &n.to_string());
                request.meter(prefix(DOCUMENT)).expect("there is room for others");
                request
            })
            .collect();
        assert!(metered(DOCUMENT, &rooms, "c").meter(prefix(DOCUMENT)).is_err(), "32 MiB are all");
        assert!(metered(DOCUMENT, &rooms, "c").meter(prefix(SMALL)).is_ok(), "small ones have a room of their own");
        drop((of_one, others));
        assert!(metered(DOCUMENT, &rooms, "c").meter(prefix(DOCUMENT)).is_ok());
        assert!(rooms.requests[1].taken.lock().1.is_empty(), "nobody is remembered");
    }
}
