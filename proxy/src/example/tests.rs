use std::future::Future;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Runs a test against a server that stops, and must stop, when the test is over.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr, watch::Sender<bool>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let body = async {
        let server = Bound::bind("127.0.0.1", 0, |_| "b1".into()).await.expect("a free port");
        let address = server.address();
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(server.serve(stopping));
        test(address, stop.clone()).await;
        stop.send_replace(true);
        serving.await.expect("no panic").expect("serves until stopped");
    };
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), body).await.expect("in time") });
}

/// Sends one request with `Connection: close`; answers head and body.
async fn exchange(address: SocketAddr, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let length = body.len();
    let request = format!("{head}\r\nHost: b\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (String, String) {
    exchange(address, &format!("GET {path} HTTP/1.1"), "").await
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn it_says_who_it_is_and_counts_what_is_not_a_health_check() {
    with_server(|address, _| async move {
        get(address, "/health").await;
        get(address, "/").await;
        let (head, body) = get(address, "/some/page").await;
        assert!(head.starts_with("http/1.1 200") && head.contains("x-backend-id: b1"), "{head}");
        let answer = json(&body);
        assert_eq!((&answer["id"], &answer["hits"]), (&"b1".into(), &2.into()));
        assert_eq!((&answer["port"], &answer["path"]), (&address.port().into(), &"/some/page".into()));
    });
}

#[test]
fn it_echoes_what_it_received_and_counts_the_rest_of_a_big_body() {
    with_server(|address, _| async move {
        let body = "x".repeat(100_000);
        let (_, answer) = exchange(address, "PUT /echo?a=b HTTP/1.1\r\nA: 1\r\nA: 2", &body).await;
        let answer = json(&answer);
        assert_eq!((&answer["method"], &answer["path"]), (&"PUT".into(), &"/echo?a=b".into()));
        assert_eq!(answer["headers"]["a"], serde_json::json!(["1", "2"]));
        assert_eq!(answer["body_bytes"], 100_000);
        assert_eq!(answer["body"].as_str().map(str::len), Some(64 * 1024));
    });
}

#[test]
fn it_waits_fails_and_sends_bytes_on_demand() {
    with_server(|address, _| async move {
        let begin = std::time::Instant::now();
        assert_eq!(json(&get(address, "/slow?ms=50").await.1)["waited_ms"], 50);
        assert!(begin.elapsed() >= Duration::from_millis(50));
        assert!(get(address, "/status/503").await.0.starts_with("http/1.1 503"));
        assert!(get(address, "/status/204").await.0.starts_with("http/1.1 204"));
        assert!(get(address, "/status/101").await.0.starts_with("http/1.1 400"));
        let (head, body) = get(address, "/bytes/100001").await;
        assert!(head.contains("content-length: 100001"), "{head}");
        assert!(body.bytes().enumerate().all(|(i, byte)| byte == b'a' + (i % 26) as u8));
        assert_eq!(body.len(), 100_001);
        assert_eq!(get(address, "/bytes/0").await.1, "");
    });
}

#[test]
fn events_are_numbered_and_end() {
    with_server(|address, _| async move {
        let (head, body) = get(address, "/sse?events=3&interval_ms=1").await;
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        for number in 1..=3 {
            assert!(body.contains(&format!("id: {number}\n")), "{body}");
        }
        assert!(!body.contains("id: 4"), "{body}");
    });
}

#[test]
fn stopping_ends_an_endless_stream() {
    with_server(|address, stop| async move {
        let mut stream = TcpStream::connect(address).await.expect("listening");
        stream.write_all(b"GET /sse?events=0 HTTP/1.1\r\nHost: b\r\n\r\n").await.expect("sent");
        let mut answer = Vec::new();
        while !answer.windows(5).any(|window| window == b"id: 1") {
            assert_ne!(stream.read_buf(&mut answer).await.expect("events"), 0);
        }
        stop.send_replace(true);
        stream.read_to_end(&mut answer).await.expect("a proper end");
        assert!(answer.ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn a_web_socket_echoes_and_is_told_of_a_stop() {
    with_server(|address, stop| async move {
        let mut stream = TcpStream::connect(address).await.expect("listening");
        let head = "GET /ws HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("a head"));
        }
        // The accept value of RFC 6455 §1.3 for that key.
        assert!(String::from_utf8_lossy(&answer).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        // A masked text frame "hi" with the mask 0, and its unmasked echo.
        stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.expect("sent");
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).await.expect("an echo");
        assert_eq!(frame, [0x81, 2, b'h', b'i']);
        stop.send_replace(true);
        stream.read_exact(&mut frame).await.expect("a close frame");
        assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1001));
    });
}
