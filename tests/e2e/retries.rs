//! What was never sent goes elsewhere; what was sent is replayed once, and only when that is safe.

use crate::harness::{
    Backend, Config, Load, Next, Process, Proxy, SPEEDMIMI, eventually, eventually_some, get, named, refused,
};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::process::Command;

/// Reads a request and closes without a byte of an answer.
fn mute() -> Backend {
    Backend::serve(|_, _| Ok(Next::Close))
}

fn pair(first: SocketAddr, second: SocketAddr) -> Config {
    Config::new().backend("b1", first).backend("b2", second).upstream("load_balancer: round_robin").server("workers: 1")
}

#[test]
fn a_connect_failure_goes_to_another_backend_whatever_the_method() {
    let alive = named("alive");
    let proxy = Proxy::start(&pair(refused(), alive.address()));
    let mut client = proxy.client();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        for _ in 0..4 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\n\r\nbody"));
            assert_eq!(client.response().text(), "alive", "{method}");
        }
    }
    assert!(alive.seen().iter().all(|seen| seen.body == b"body"), "the body arrives whole");
}

#[test]
fn an_idempotent_request_without_body_is_replayed_once_elsewhere() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"] {
        let (bad, good) = (mute(), named("good"));
        let proxy = Proxy::start(&pair(bad.address(), good.address()));
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
            client.try_response(method).unwrap_or_else(|error| panic!("{method}: {error}")).assert_forwarded(200);
        }
        assert_eq!(good.flight().total(), 2, "{method}: every request was answered by the good one");
        assert!((1..=2).contains(&bad.flight().total()), "{method}: the bad one was asked, at most once a request");
    }
}

#[test]
fn a_replay_happens_only_once() {
    let (first, second) = (mute(), mute());
    let third = mute();
    let proxy = Proxy::start(&pair(first.address(), second.address()).backend("b3", third.address()));
    proxy.get("/").assert_refused(502, "upstream_closed");
    let total = first.flight().total() + second.flight().total() + third.flight().total();
    assert_eq!(total, 2, "the request and one replay");
}

#[test]
fn a_post_is_never_replayed() {
    let (first, second) = (mute(), mute());
    let proxy = Proxy::start(&pair(first.address(), second.address()));
    let mut client = proxy.client();
    for (n, request) in [
        "POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n",
        "PATCH / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 0\r\n\r\n",
        "UNKNOWN / HTTP/1.1\r\nHost: e2e.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\n\r\nbody",
    ]
    .iter()
    .enumerate()
    {
        client.send(request);
        client.response().assert_refused(502, "upstream_closed");
        assert_eq!(first.flight().total() + second.flight().total(), n as u64 + 1, "{request}");
    }
}

#[test]
fn a_request_is_not_replayed_once_a_byte_of_its_answer_came() {
    let begun = || {
        Backend::serve(|_, conn| {
            conn.write_last("HTTP/1.1 2")?;
            Ok(Next::Close)
        })
    };
    let (first, second) = (begun(), begun());
    let proxy = Proxy::start(&pair(first.address(), second.address()));
    let response = proxy.get("/");
    assert_eq!(response.status, 502, "{response:#?}");
    assert_eq!(first.flight().total() + second.flight().total(), 1);
}

/// Closes each connection after its first answer without having said so.
fn forgetful() -> Backend {
    Backend::serve(|seen, conn| {
        conn.respond("200 OK", "", &seen.body)?;
        Ok(Next::Close)
    })
}

#[test]
fn a_pooled_connection_that_the_backend_closed_is_noticed_before_it_is_used() {
    let backend = forgetful();
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for n in 0..30 {
        client.send("POST / HTTP/1.1\r\nHost: e2e.test\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(client.response().text(), "body", "request {n}");
        eventually("the backend closed its side", || backend.open() == 0);
        eventually("the proxy's kernel knows it", || established_to(backend.address().port()) == 0);
    }
}

/// Connections to a port of which the kernel of the other side has not heard the end: a FIN that is sent may still wait
/// to be taken in.
fn established_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("proc is mounted");
    let to = format!(":{port:04X}");
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Local address, remote address, state; 01 is ESTABLISHED.
    columns.filter(|columns| columns.len() > 3 && columns[2].ends_with(&to) && columns[3] == "01").count()
}

#[test]
fn a_get_that_meets_a_stale_pooled_connection_is_replayed() {
    // Worse than closing early: the backend closes at the very moment at which the second request arrives.
    let stale = || {
        Backend::raw(|conn| {
            if conn.read_head()?.is_some() {
                conn.respond("200 OK", "", "ok")?;
            }
            conn.read_head()?;
            Ok(())
        })
    };
    let (first, second) = (stale(), stale());
    let proxy = Proxy::start(&pair(first.address(), second.address()));
    let mut client = proxy.client();
    for n in 0..30 {
        assert_eq!(client.get("/").text(), "ok", "request {n}");
    }
}

#[test]
fn a_replay_goes_elsewhere_also_after_a_stale_connection() {
    // A backend that dies: its pooled connection is stale, and a fresh one is accepted but never answered. That is
    // what a killed process looks like to whoever is in its accept queue.
    let dying = Backend::raw(|conn| {
        if conn.number() == 0 && conn.read_head()?.is_some() {
            conn.respond("200 OK", "", "dying")?;
        }
        conn.read_head()?;
        Ok(())
    });
    let alive = named("alive");
    let config = Config::new()
        .backend_with("dying", dying.address(), "weight: 1000")
        .backend_with("alive", alive.address(), "weight: 1")
        .server("workers: 1");
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "dying", "the heavier one is preferred");
    assert_eq!(client.get("/").text(), "alive");
}

#[test]
fn a_get_that_meets_a_stale_connection_of_the_only_backend_gets_a_fresh_one() {
    let backend = Backend::raw(|conn| {
        if conn.read_head()?.is_some() {
            conn.respond("200 OK", "", "ok")?;
        }
        conn.read_head()?;
        Ok(())
    });
    let proxy = Proxy::start(&Config::one(backend.address()).server("workers: 1"));
    let mut client = proxy.client();
    for n in 0..10 {
        assert_eq!(client.get("/").text(), "ok", "request {n}");
    }
}

/// The example backend in a process of its own, on that port or any.
fn example(id: &str, port: u16) -> (Process, SocketAddr) {
    let mut command = Command::new(SPEEDMIMI);
    let mut process = Process::start(command.args(["backend", "--id", id, "--port", &port.to_string()]));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually_some("the example backend listens", || {
        assert!(process.exited().is_none(), "the example backend ended: {:?}", process.log());
        std::net::TcpStream::connect(address).ok()
    });
    assert!(get(address, "/").text().contains(id));
    (process, address)
}

#[test]
fn a_backend_killed_under_200_connections_is_seen_by_no_client() {
    let (_first, one) = example("one", refused().port());
    let (mut second, two) = example("two", refused().port());
    let (_third, three) = example("three", refused().port());
    let proxy = Proxy::start(&Config::new().backend("one", one).backend("two", two).backend("three", three));
    let load = Load::start(proxy.address(), 200, "/");
    load.wait_for(2_000);
    second.signal(Signal::KILL);
    second.wait_exit();
    load.wait_for(4_000);
    let failures: Vec<_> =
        load.report().failures.into_iter().filter(|failure| !failure.begun || failure.status != 0).collect();
    assert!(failures.is_empty(), "{failures:#?}");

    let served = |load: &Load| -> u64 {
        load.report().bodies.iter().filter(|(body, _)| body.contains("two")).map(|(_, count)| count).sum()
    };
    let before = served(&load);
    let (_second, _) = example("two", two.port());
    eventually("it takes its share again", || served(&load) > before + 200);
    let failures: Vec<_> =
        load.stop().failures.into_iter().filter(|failure| !failure.begun || failure.status != 0).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    proxy.assert_at_rest();
}
