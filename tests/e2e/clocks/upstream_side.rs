//! connect, first_byte, idle and total.

use std::time::Duration;

use crate::harness::{
    Backend, Blackhole, Config, EVENT_STREAM, Next, Proxy, Stopwatch, chunk, eventually, refused, silent,
};

const SHORT: Duration = Duration::from_millis(400);

fn with_timeouts(backend: std::net::SocketAddr, timeouts: &str) -> Proxy {
    Proxy::start(&Config::one(backend).upstream(&format!("timeouts: {{{timeouts}}}")))
}

#[test]
fn connect_timeout_is_504_and_named() {
    let hole = Blackhole::new();
    let proxy = with_timeouts(hole.address(), "connect: 400ms");
    let watch = Stopwatch::start();
    let response = proxy.get("/");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "connect_timeout");
}

#[test]
fn a_refused_connection_is_502_and_waits_for_no_clock() {
    let proxy = with_timeouts(refused(), "connect: 10s");
    let watch = Stopwatch::start();
    proxy.get("/").assert_refused(502, "connect_failed");
    assert!(watch.elapsed() < Duration::from_secs(5));
}

#[test]
fn first_byte_timeout_is_504_and_named() {
    let backend = silent();
    let proxy = with_timeouts(backend.address(), "first_byte: 400ms");
    let watch = Stopwatch::start();
    let response = proxy.get("/");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "first_byte_timeout");
    eventually("the backend is left", || backend.flight().current() == 0);
}

#[test]
fn first_byte_counts_from_the_last_byte_of_the_request() {
    let backend = Backend::serve(|seen, conn| {
        conn.respond("200 OK", "", &seen.body)?;
        Ok(Next::Keep)
    });
    let proxy = with_timeouts(backend.address(), "first_byte: 400ms");
    let mut client = proxy.client();
    let watch = Stopwatch::start();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 10\r\n\r\n");
    for _ in 0..10 {
        // sleep: the pace of this upload is the subject; 1 s in all, more than the clock
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert!(watch.elapsed() > SHORT * 2);
    client.response().assert_forwarded(200);
}

#[test]
fn idle_timeout_before_the_head_is_504_and_named() {
    let backend = Backend::serve(|_, conn| {
        conn.write("HTTP/1.1 200 OK\r\nContent-Le")?;
        conn.hang();
        Ok(Next::Close)
    });
    let proxy = with_timeouts(backend.address(), "idle: 400ms");
    let watch = Stopwatch::start();
    let response = proxy.get("/");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "idle_timeout");
}

#[test]
fn idle_timeout_inside_a_body_cuts_it_visibly() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n",
    ] {
        let backend = Backend::serve(move |_, conn| {
            conn.write(head)?;
            conn.hang();
            Ok(Next::Close)
        });
        let proxy = with_timeouts(backend.address(), "idle: 400ms");
        let mut client = proxy.client();
        let watch = Stopwatch::start();
        client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
        let error = client.try_response("GET").expect_err("half an answer must not look whole");
        assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
        watch.assert_fired(SHORT);
        eventually("the backend is left", || backend.flight().current() == 0);
    }
}

#[test]
fn idle_timeout_spares_a_stream_that_speaks_in_time() {
    let backend = Backend::serve(|_, conn| {
        conn.write(EVENT_STREAM)?;
        for n in 0..12 {
            conn.work(Duration::from_millis(150));
            conn.write(chunk(&format!("data: {n}\n\n")))?;
        }
        conn.write_last("0\r\n\r\n")?;
        Ok(Next::Keep)
    });
    let proxy = with_timeouts(backend.address(), "idle: 1s, first_byte: 1s");
    let response = proxy.get("/");
    response.assert_forwarded(200);
    assert!(response.text().ends_with("data: 11\n\n"));
}

#[test]
fn idle_timeout_waits_while_the_client_is_not_taking() {
    const SIZE: usize = 64 << 20;
    let backend = Backend::serve(|_, conn| {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))?;
        let block = vec![b'x'; 1 << 20];
        for _ in 0..SIZE / block.len() {
            conn.write(&block)?;
        }
        conn.done();
        Ok(Next::Keep)
    });
    let proxy = with_timeouts(backend.address(), "idle: 400ms");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    let head = client.head();
    // sleep: a client that pauses for longer than the clock is the subject
    std::thread::sleep(SHORT * 3);
    let response = client.body("GET", head).expect("the whole body");
    assert_eq!(response.body.len(), SIZE);
}

#[test]
fn total_timeout_before_the_head_is_504_and_named() {
    let backend = silent();
    let proxy = with_timeouts(backend.address(), "total: 400ms");
    let watch = Stopwatch::start();
    let response = proxy.get("/");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "total_timeout");
}

#[test]
fn total_timeout_ends_even_a_lively_stream() {
    let backend = crate::harness::ticking(Duration::from_millis(50), &crate::harness::Gate::default());
    let proxy = with_timeouts(backend.address(), "total: 700ms");
    let mut client = proxy.client();
    let watch = Stopwatch::start();
    client.send("GET /events HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    client.try_response("GET").expect_err("the stream is cut");
    watch.assert_fired(Duration::from_millis(700));
    eventually("the backend is left", || backend.flight().current() == 0);
}

#[test]
fn total_includes_every_attempt() {
    let (first, second) = (Blackhole::new(), Blackhole::new());
    let config = Config::new()
        .backend("b1", first.address())
        .backend("b2", second.address())
        .upstream("timeouts: {connect: 5s, total: 400ms}");
    let proxy = Proxy::start(&config);
    let watch = Stopwatch::start();
    let response = proxy.get("/");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "total_timeout");
}

#[test]
fn the_clocks_of_a_route_go_before_those_of_its_upstream() {
    let backend = silent();
    let config = Config::one(backend.address())
        .upstream("timeouts: {first_byte: 60s}")
        .route("short", "path: /short")
        .route("short", "upstream: default")
        .route("short", "timeouts: {first_byte: 400ms}");
    let proxy = Proxy::start(&config);
    let watch = Stopwatch::start();
    let response = proxy.get("/short");
    watch.assert_fired(SHORT);
    response.assert_refused(504, "first_byte_timeout");
}

#[test]
fn a_clock_that_fired_leaves_the_client_connection_usable() {
    let backend = Backend::serve(|seen, conn| {
        if seen.target == "/hang" {
            conn.hang();
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", "ok")?;
        Ok(Next::Keep)
    });
    let proxy = with_timeouts(backend.address(), "first_byte: 300ms");
    let mut client = proxy.client();
    for _ in 0..2 {
        client.get("/hang").assert_refused(504, "first_byte_timeout");
        assert_eq!(client.get("/").text(), "ok");
    }
}
