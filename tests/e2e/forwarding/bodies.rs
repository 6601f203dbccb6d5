//! Bodies in every framing, both ways.

use std::thread;

use crate::harness::{Backend, Client, Config, Next, Proxy, echo};

const LARGE: usize = 10 << 20;

/// Bytes without a pattern that a lost or doubled block could hide in (xorshift).
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| next()).take(count).collect()
}

/// Compares without printing ten megabytes.
#[track_caller]
fn assert_same(got: &[u8], expected: &[u8]) {
    assert_eq!(got.len(), expected.len(), "length");
    let different = got.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(different, None, "first byte that differs");
}

#[test]
fn a_post_with_a_length_reaches_the_backend_whole() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 11\r\n\r\nhello world");
    assert_eq!(client.response().text(), "hello world");
    assert_eq!(backend.only().fields.all("content-length"), ["11"]);
}

#[test]
fn an_empty_post_keeps_its_length_of_zero() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "");
    assert_eq!(backend.only().fields.all("content-length"), ["0"]);
}

#[test]
fn a_chunked_request_arrives_with_its_trailers() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello world");
    let seen = backend.only();
    assert!(!seen.fields.has("content-length"));
    assert_eq!(seen.trailers.get("x-sum"), Some("42"));
    assert_eq!(client.get("/again").status, 200, "the connection goes on after the trailers");
}

#[test]
fn a_chunked_answer_arrives_with_its_trailers() {
    let backend = Backend::serve(|_, conn| {
        conn.write_last(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n",
        )?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "abcde");
    assert_eq!(response.trailers.get("x-sum"), Some("7"));
    assert_eq!(client.get("/again").text(), "abcde", "the connection goes on");
}

#[test]
fn an_answer_until_close_is_whole_and_the_client_can_tell() {
    let body = noise(300_000);
    let sent = body.clone();
    let backend = Backend::serve(move |_, conn| {
        conn.write("HTTP/1.1 200 OK\r\n\r\n")?;
        conn.write_last(&sent)?;
        Ok(Next::Close)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let response = proxy.get("/");
    response.assert_forwarded(200);
    assert_same(&response.body, &body);
}

#[test]
fn an_answer_cut_short_is_never_passed_off_as_whole() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n",
    ] {
        let backend = Backend::serve(move |_, conn| {
            conn.write_last(head)?;
            Ok(Next::Close)
        });
        let proxy = Proxy::start(&Config::one(backend.address()));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
        let error = client.try_response("GET").expect_err("half an answer must not look whole");
        assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "the client must be told by a close: {error}");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let backend = Backend::serve(|seen, conn| {
        let body = if seen.method == "HEAD" { "" } else { "12345" };
        conn.write_last(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"))?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    let response = client.try_response("HEAD").expect("an answer");
    assert_eq!((response.status, response.field("content-length")), (200, "5"));
    assert_eq!(client.get("/").text(), "12345", "the next answer begins where it should");
}

#[test]
fn head_of_a_chunked_resource_has_no_body() {
    let backend = Backend::serve(|seen, conn| {
        let body = if seen.method == "HEAD" { "" } else { "1\r\nx\r\n0\r\n\r\n" };
        conn.write_last(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.try_response("HEAD").expect("an answer").status, 200);
    assert_eq!(client.get("/").text(), "x");
}

#[test]
fn no_content_and_not_modified_end_with_their_head() {
    let backend = Backend::serve(|seen, conn| {
        let head = match seen.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"e\"\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        conn.write_last(head)?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    let none = client.get("/204");
    none.assert_forwarded(204);
    assert!(!none.fields.has("transfer-encoding"), "RFC 9112 §6.1: {none:#?}");
    let unchanged = client.get("/304");
    unchanged.assert_forwarded(304);
    assert_eq!(unchanged.field("etag"), "\"e\"");
    assert_eq!(client.get("/").text(), "ok");
}

#[test]
fn ten_megabytes_pass_both_ways_with_a_length() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let body = noise(LARGE);
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(&body);
    assert_same(&client.response().body, &body);
}

#[test]
fn ten_megabytes_pass_both_ways_in_chunks() {
    let body = noise(LARGE);
    let expected = body.clone();
    let backend = Backend::serve(|seen, conn| {
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for part in seen.body.chunks(70_001) {
            conn.write(format!("{:X}\r\n", part.len()))?;
            conn.write(part)?;
            conn.write("\r\n")?;
        }
        conn.write_last("0\r\n\r\n")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.chunks(33_333) {
        client.send(format!("{:x}\r\n", part.len()));
        client.send(part);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_same(&client.response().body, &expected);
}

#[test]
fn a_body_streams_while_the_answer_streams() {
    // Neither side holds a megabyte: each block is answered before the next one is sent.
    let backend = Backend::heads(|_, conn| {
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            let block = conn.wire().chunk()?;
            if block.is_empty() {
                conn.wire().line()?;
                conn.write_last("0\r\n\r\n")?;
                return Ok(Next::Keep);
            }
            conn.write(format!("{:x}\r\n", block.len()))?;
            conn.write(&block)?;
            conn.write("\r\n")?;
        }
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for n in 0..50 {
        let block = format!("block {n}");
        client.send(format!("{:x}\r\n{block}\r\n", block.len()));
        if n == 0 {
            assert_eq!(client.head().status, 200);
        }
        let mut back = Vec::new();
        while back.len() < block.len() {
            back.extend(client.wire().chunk().expect("the block comes back before the next is sent"));
        }
        assert_eq!(String::from_utf8_lossy(&back), block);
    }
    client.send("0\r\n\r\n");
    assert!(client.wire().chunk().expect("the last chunk").is_empty());
}

#[test]
fn a_slow_reader_holds_the_backend_back() {
    // Backpressure: the proxy must not take in an answer that its client does not read.
    let backend = Backend::serve(|_, conn| {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 512 << 20))?;
        let block = vec![b'x'; 1 << 20];
        for _ in 0..512 {
            conn.write(&block)?;
        }
        conn.done();
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    client.wire().exact(1 << 20).expect("it flows");
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).expect("Linux tells");
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .expect("a resident size");
    assert!(resident < 128 << 10, "{resident} kB resident while 511 MB wait for the client");
    assert_eq!(backend.flight().current(), 1, "the backend is still writing");
}

#[test]
fn bodies_of_many_connections_do_not_mix() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let address = proxy.address();
    let clients = (0..16_u8).map(|id| {
        thread::spawn(move || {
            let mut client = Client::connect(address);
            for round in 1..30 {
                let body = vec![b'a' + id; round * 997];
                client.send(format!("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: {}\r\n\r\n", body.len()));
                client.send(&body);
                assert_same(&client.response().body, &body);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().expect("every client gets its own bytes");
    }
}

#[test]
fn a_get_with_a_body_is_one_request() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: e2e.test\r\n\r\n",
    );
    assert_eq!(client.response().text(), "abc");
    assert_eq!(client.response().text(), "");
    assert_eq!(backend.flight().total(), 2);
}

#[test]
fn a_backend_that_answers_more_than_it_announced_is_not_used_again() {
    let backend = Backend::serve(|_, conn| {
        conn.write_last(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        )?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(backend.accepted(), 5, "surplus bytes make a connection useless");
}
