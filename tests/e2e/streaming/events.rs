//! Event streams and other answers that take their time.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use crate::harness::{Backend, Client, Config, EVENT_STREAM, Next, Proxy, chunk, eventually};

/// A stream whose events the test sends one by one; dropping the sender ends it.
fn fed(head: &'static str, frame: fn(&str) -> String, end: &'static str) -> (Sender<String>, Backend) {
    let (sender, receiver) = channel::<String>();
    let receiver = Arc::new(Mutex::new(receiver));
    let backend = Backend::serve(move |_, conn| {
        conn.write(head)?;
        let receiver = receiver.lock().expect("one stream at a time");
        while let Ok(event) = receiver.recv() {
            conn.write(frame(&event))?;
        }
        conn.write_last(end)?;
        Ok(if end.is_empty() { Next::Close } else { Next::Keep })
    });
    (sender, backend)
}

fn open(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/event-stream\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("content-type")), (200, "text/event-stream"));
    client
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let (events, backend) = fed(EVENT_STREAM, chunk, "0\r\n\r\n");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = open(&proxy);
    for n in 0..200 {
        let event = format!("id: {n}\ndata: {}\n\n", "x".repeat(n * 7 % 300));
        events.send(event.clone()).expect("the backend takes it");
        let mut got = Vec::new();
        while got.len() < event.len() {
            let more = client.wire().chunk().unwrap_or_else(|error| panic!("event {n} is held back: {error}"));
            assert!(!more.is_empty(), "the stream ended at event {n}");
            got.extend(more);
        }
        assert_eq!(String::from_utf8_lossy(&got), event);
    }
    drop(events);
    assert!(client.wire().chunk().expect("the end").is_empty());
    assert_eq!(client.wire().line().expect("the end of the trailers"), "");
    drop(backend);
}

#[test]
fn the_head_arrives_before_the_first_event() {
    let (events, backend) = fed(EVENT_STREAM, chunk, "0\r\n\r\n");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let _client = open(&proxy);
    drop(events);
}

#[test]
fn a_stream_until_close_flows_too_and_ends_visibly() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let (events, backend) = fed(head, str::to_owned, "");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 200);
    let chunked = head.fields.has_token("transfer-encoding", "chunked");
    let mut got = String::new();
    for n in 0..20 {
        let event = format!("data: {n}\n\n");
        events.send(event.clone()).expect("the backend takes it");
        while !got.ends_with(&event) {
            let more = if chunked { client.wire().chunk() } else { client.wire().some() };
            got += &String::from_utf8_lossy(&more.expect("the event arrives"));
        }
    }
    drop(events);
    if chunked {
        assert!(client.wire().chunk().expect("the last chunk").is_empty());
    } else {
        client.assert_closed();
    }
}

#[test]
fn the_connection_of_a_stream_that_ended_goes_on() {
    let (events, backend) = fed(EVENT_STREAM, chunk, "0\r\n\r\n");
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    events.send("data: 1\n\n".into()).expect("the backend takes it");
    drop(events);
    assert_eq!(client.response().text(), "data: 1\n\n");
    assert_eq!(client.get("/events").text(), "");
    assert_eq!(backend.accepted(), 1, "the upstream connection goes on as well");
}

#[test]
fn a_hundred_streams_flow_side_by_side() {
    let backend = Backend::serve(|seen, conn| {
        conn.write(EVENT_STREAM)?;
        for n in 0..50 {
            conn.write(chunk(&format!("data: {} {n}\n\n", seen.target)))?;
            conn.work(std::time::Duration::from_millis(5));
        }
        conn.write_last("0\r\n\r\n")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut clients: Vec<Client> = (0..100)
        .map(|id| {
            let mut client = proxy.client();
            client.send(format!("GET /{id} HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
            client
        })
        .collect();
    eventually("all streams are open", || backend.flight().peak() > 50);
    for (id, client) in clients.iter_mut().enumerate() {
        let expected: String = (0..50).map(|n| format!("data: /{id} {n}\n\n")).collect();
        assert_eq!(client.response().text(), expected);
    }
    proxy.assert_at_rest();
}
