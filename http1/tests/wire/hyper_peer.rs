//! hyper, as a server for requests and as a client for answers, over an in-memory connection.

use crate::corpus::{self, Entry};
use crate::reading::{self, End, Message, Reading};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use speedmimi_http1::Method;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// More than any entry has.
const PIPE: usize = 1 << 20;

#[test]
fn hyper_reads_requests_as_we_do_or_the_entry_says_how() {
    compare(corpus::requests(), |entry| reading::requests(&entry.bytes), |entry| block_on(serve(entry.bytes.clone())));
}

#[test]
fn hyper_reads_answers_as_we_do_or_the_entry_says_how() {
    compare(
        corpus::responses(),
        |entry| reading::response(&entry.bytes, Method::of_name(entry.method.as_bytes())),
        |entry| block_on(ask(entry)),
    );
}

fn compare(entries: Vec<Entry>, ours: impl Fn(&Entry) -> Reading, hypers: impl Fn(&Entry) -> Reading) {
    let mut faults = Vec::new();
    for entry in entries {
        let (ours, hypers) = (ours(&entry), hypers(&entry));
        let expected = entry.hyper.clone().unwrap_or_else(|| ours.for_peers());
        if hypers.for_peers() != expected {
            faults.push(format!("{}\n  expected {expected}\n  hyper    {}", entry.name, hypers.for_peers()));
        } else if entry.hyper.as_ref().is_some_and(|hyper| *hyper == ours.for_peers()) {
            faults.push(format!("{}\n  is no difference any more", entry.name));
        }
        for (our, hyper) in ours.messages.iter().zip(&hypers.messages) {
            if sorted(our) != sorted(hyper) {
                faults.push(format!("{}\n  our fields   {:?}\n  hyper's {:?}", entry.name, our.fields, hyper.fields));
            }
        }
    }
    assert!(faults.is_empty(), "{} entries:\n{}", faults.len(), faults.join("\n"));
}

/// A header map groups fields by name.
fn sorted(message: &Message) -> Vec<(String, Vec<u8>)> {
    let mut fields = message.fields.clone();
    fields.sort_by(|left, right| left.0.cmp(&right.0));
    fields
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// What a hyper server makes of these bytes and their end.
async fn serve(bytes: Vec<u8>) -> Reading {
    let (near, far) = tokio::io::duplex(PIPE);
    let (mut answers, mut requests) = tokio::io::split(near);
    let messages = Rc::new(RefCell::new(Vec::new()));
    let seen = messages.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            let start = format!("{} {}", parts.method, parts.uri);
            seen.borrow_mut().push(Message { start, fields: fields(&parts.headers), body });
            Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .max_headers(100)
        .serve_connection(TokioIo::new(far), service);
    let feed = async {
        // A refused connection may be closed before it has taken everything.
        let _ = requests.write_all(&bytes).await;
        let _ = requests.shutdown().await;
        let mut sink = Vec::new();
        let _ = answers.read_to_end(&mut sink).await;
        sink
    };
    let (served, answers) = tokio::join!(connection, feed);
    // hyper answers a faulty head by itself and calls the connection well served.
    let refused = served.is_err() || answers.windows(13).any(|window| window.starts_with(b"HTTP/1.1 4"));
    let messages = messages.borrow().clone();
    Reading { messages, end: if refused { End::Refused(String::new()) } else { End::Clean } }
}

/// What a hyper client makes of these bytes as an answer.
async fn ask(entry: &Entry) -> Reading {
    let (near, far) = tokio::io::duplex(PIPE);
    let peer = tokio::task::spawn_local(answer(near, entry.bytes.clone()));
    let result = exchange(far, &entry.method).await;
    peer.abort();
    match result {
        Ok(message) => Reading { messages: vec![message], end: End::Clean },
        Err(error) => Reading { messages: Vec::new(), end: End::Refused(error.to_string()) },
    }
}

async fn answer(mut stream: DuplexStream, bytes: Vec<u8>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("the client sends a whole request"));
    }
    // A client that refuses the answer closes before it has taken everything.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

async fn exchange(stream: DuplexStream, method: &str) -> hyper::Result<Message> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::task::spawn_local(async move {
        // Its error reaches the caller through the answer or its body.
        let _ = connection.await;
        Ok::<_, Infallible>(())
    });
    let request = Request::builder().method(method).uri("/").header("host", "a").body(Empty::<Bytes>::new());
    let response = sender.send_request(request.expect("a valid request")).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    driver.abort();
    Ok(Message { start: parts.status.as_str().to_owned(), fields: fields(&parts.headers), body })
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
