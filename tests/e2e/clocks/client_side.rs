//! read_timeout, write_timeout and idle_timeout of `server`.

use std::time::Duration;

use crate::harness::{Backend, Config, Next, Proxy, Stopwatch, echo, eventually, named};

const SHORT: Duration = Duration::from_millis(500);

#[test]
fn a_head_that_does_not_arrive_in_time_is_408_and_close() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("read_timeout: 500ms"));
    let mut client = proxy.client();
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: e2e");
    let response = client.response();
    watch.assert_fired(SHORT);
    response.assert_refused(408, "request_timeout");
    client.assert_closed();
    assert_eq!(backend.received(), 0);
}

#[test]
fn a_trickle_does_not_extend_the_time_for_a_head() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("read_timeout: 500ms"));
    let mut client = proxy.client();
    client.set_patience(Duration::from_millis(50));
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n");
    let response = loop {
        // One more byte at each turn; the proxy may refuse between two of them.
        let _ = client.try_send("X");
        match client.try_response("GET") {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            other => break other.expect("an answer"),
        }
        assert!(watch.elapsed() < SHORT * 10, "a trickle holds the connection open");
    };
    watch.assert_fired(SHORT);
    response.assert_refused(408, "request_timeout");
}

#[test]
fn silence_inside_a_request_body_is_408() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()).server("read_timeout: 500ms"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 100\r\n\r\n");
    let watch = Stopwatch::start();
    client.send("half");
    let response = client.response();
    watch.assert_fired(SHORT);
    response.assert_refused(408, "request_timeout");
    eventually("the backend is left", || backend.flight().current() == 0);
}

#[test]
fn read_timeout_never_limits_a_healthy_long_upload() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()).server("read_timeout: 1s"));
    let mut client = proxy.client();
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 15\r\n\r\n");
    for _ in 0..15 {
        // sleep: the pace of this upload is the subject
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert!(watch.elapsed() > Duration::from_secs(1));
    assert_eq!(client.response().body.len(), 15);
}

#[test]
fn an_idle_keep_alive_connection_is_closed_without_a_word() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("idle_timeout: 500ms"));
    let mut client = proxy.client();
    client.get("/").assert_forwarded(200);
    let watch = Stopwatch::start();
    client.assert_closed();
    // The watch starts when the answer has arrived, a moment after the proxy's clock did.
    assert!(watch.elapsed() >= SHORT - Duration::from_millis(50), "closed after {:?}", watch.elapsed());
}

#[test]
fn idle_timeout_spares_an_exchange_that_goes_on() {
    let backend = crate::harness::slow("b1", Duration::from_millis(1500));
    let proxy = Proxy::start(&Config::one(backend.address()).server("idle_timeout: 300ms"));
    assert_eq!(proxy.get("/").text(), "b1");
}

fn endless() -> Backend {
    Backend::serve(|_, conn| {
        conn.write("HTTP/1.1 200 OK\r\n\r\n")?;
        let block = vec![b'x'; 256 << 10];
        loop {
            conn.write(&block)?;
        }
    })
}

#[test]
fn a_client_that_takes_no_byte_is_cut_at_write_timeout() {
    let backend = endless();
    let proxy = Proxy::start(&Config::one(backend.address()).server("write_timeout: 500ms"));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    let watch = Stopwatch::start();
    eventually("the backend is left", || backend.flight().current() == 0);
    assert!(watch.elapsed() >= SHORT - Duration::from_millis(100), "cut after {:?}", watch.elapsed());
    eventually("the metric names the clock", || {
        proxy.metrics().lines().any(|line| line.contains("write_timeout") && !line.ends_with(" 0"))
    });
}

#[test]
fn write_timeout_never_limits_a_slow_but_healthy_reader() {
    const SIZE: usize = 24 << 20;
    let backend = Backend::serve(|_, conn| {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))?;
        conn.write_last(vec![b'x'; SIZE])?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()).server("write_timeout: 1s"));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    let watch = Stopwatch::start();
    for _ in 0..24 {
        // sleep: the pace of this reader is the subject
        std::thread::sleep(Duration::from_millis(100));
        client.wire().exact(1 << 20).expect("the stream goes on");
    }
    assert!(watch.elapsed() > Duration::from_secs(2));
}
