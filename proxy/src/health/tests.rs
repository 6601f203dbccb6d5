use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::live::Live;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_http_check_passes_on_expected_statuses_alone() {
    for (answer, expect, ok) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200-399", true),
        ("HTTP/1.0 302 Found\r\n\r\n", "200-399", true),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "200-399", false),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404", true),
        ("HTTP/1.1 200 OK\r\n\r\n", "204", false),
        ("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "200-399", true),
        ("SSH-2.0-OpenSSH\r\n\r\n", "200-399", false),
        ("HTTP/1.1 200", "200-399", false),
    ] {
        let address = answering(answer);
        let check = Check { kind: http("/health", expect), ..check(Kind::Tcp) };
        let result = probe::probe(&check, &[address]).await;
        assert_eq!(result.is_ok(), ok, "{answer:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_check_sends_its_path_and_host_and_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = vec![0; 1024];
        let length = stream.read(&mut request).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("still there");
        let rest = stream.read(&mut [0; 16]).expect("a clean end");
        (String::from_utf8_lossy(&request[..length]).into_owned(), rest)
    });
    let check = Check { kind: http("/health?deep=1", "200-399"), ..check(Kind::Tcp) };
    probe::probe(&check, &[address]).await.expect("it answered 200");
    let (request, rest) = server.join().expect("no panic");
    assert!(request.starts_with("GET /health?deep=1 HTTP/1.1\r\nHost: backend.test\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n") && rest == 0);
}

#[tokio::test]
async fn silence_ends_with_the_timeout_and_an_endless_head_with_its_length() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound");
    let check = Check { kind: http("/", "200-399"), timeout: Duration::from_millis(50), ..check(Kind::Tcp) };
    assert!(matches!(probe::probe(&check, &[address]).await, Err(ProbeError::Timeout)));
    assert!(matches!(probe::probe(&check, &[]).await, Err(ProbeError::NoAddress)));
    let endless = answering(&format!("HTTP/1.1 200 OK\r\n{}", "X: 1234567890\r\n".repeat(2_000)));
    let check = Check { timeout: PATIENCE, ..check };
    let result = probe::probe(&check, &[endless]).await;
    assert!(matches!(result, Err(ProbeError::TooLong(_) | ProbeError::Protocol(_))), "{result:?}");
}

#[tokio::test]
async fn a_backend_goes_down_and_comes_back_and_passive_marks_are_forgotten() {
    let live = Live::new(1);
    let backend = live.backend("default", "a", Health::Up);
    let mut prober = Prober::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let up: Arc<[SocketAddr]> = [listener.local_addr().expect("bound")].into();
    let target = |addresses: &Arc<[SocketAddr]>| Target {
        backend: backend.clone(),
        addresses: addresses.clone(),
        check: check(Kind::Tcp),
    };
    prober.set_targets(vec![target(&[].into())]);
    becomes(&backend, Health::Down).await;
    for _ in 0..3 {
        backend.passive.on_connect_failure(1, 0.0);
    }
    assert!(backend.passive.is_ejected(2));
    prober.set_targets(vec![target(&up)]);
    becomes(&backend, Health::Up).await;
    assert!(!backend.passive.is_ejected(2));
}

#[tokio::test]
async fn a_backend_whose_check_is_removed_is_up() {
    let live = Live::new(1);
    let backend = live.backend("default", "a", Health::Unknown);
    let mut prober = Prober::new();
    let target = Target { backend: backend.clone(), addresses: [].into(), check: check(Kind::Tcp) };
    prober.set_targets(vec![target]);
    becomes(&backend, Health::Down).await;
    prober.set_targets(Vec::new());
    assert_eq!(backend.health(), Health::Up);
    tokio::task::yield_now().await;
    assert_eq!(backend.health(), Health::Up);
}

#[tokio::test]
async fn an_unchanged_check_keeps_its_task() {
    let live = Live::new(1);
    let backend = live.backend("default", "a", Health::Up);
    let mut prober = Prober::new();
    let target = Target { backend: backend.clone(), addresses: [].into(), check: check(Kind::Tcp) };
    prober.set_targets(vec![target.clone()]);
    let first = prober.tasks[&backend.uid].task.id();
    prober.set_targets(vec![target.clone()]);
    assert_eq!(prober.tasks[&backend.uid].task.id(), first);
    let changed = Check { timeout: PATIENCE * 2, ..check(Kind::Tcp) };
    prober.set_targets(vec![Target { check: changed, ..target }]);
    assert_ne!(prober.tasks[&backend.uid].task.id(), first);
}

fn check(kind: Kind) -> Check {
    Check {
        kind,
        interval: Duration::from_millis(10),
        timeout: PATIENCE,
        thresholds: Thresholds { failures: 2, successes: 2 },
    }
}

fn http(path: &str, expect: &str) -> Kind {
    Kind::Http { path: path.into(), host: "backend.test".into(), expect: expect.parse().expect("valid") }
}

/// A backend that reads a request, sends these bytes and closes.
fn answering(answer: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

async fn becomes(backend: &BackendRef, health: Health) {
    let condition = async {
        while backend.health() != health {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, condition).await.unwrap_or_else(|_| panic!("never became {health:?}"));
}
