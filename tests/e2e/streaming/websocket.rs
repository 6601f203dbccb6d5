//! WebSocket upgrades: a relay after the handshake.

use std::net::TcpStream;
use std::time::Duration;

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept, client};

use crate::harness::{Backend, Config, Conn, Next, PATIENCE, Proxy, Stopwatch, eventually};

/// Sends back every text and binary message until either side closes.
fn echo() -> Backend {
    Backend::raw(|conn| {
        let mut socket = match accept(conn.wire().stream().try_clone()?) {
            Ok(socket) => socket,
            Err(_) => return Ok(()),
        };
        while let Ok(message) = socket.read() {
            if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                break;
            }
        }
        Ok(())
    })
}

fn connect(proxy: &Proxy) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let request = format!("ws://{}/chat", proxy.address()).into_client_request().expect("a valid address");
    client(request, stream).expect("the handshake succeeds").0
}

#[track_caller]
fn assert_echo(socket: &mut WebSocket<TcpStream>, message: Message) {
    socket.send(message.clone()).expect("it is taken");
    assert_eq!(socket.read().expect("it comes back"), message);
}

#[test]
fn messages_pass_both_ways() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut socket = connect(&proxy);
    assert_echo(&mut socket, Message::text("hello"));
    assert_echo(&mut socket, Message::text(""));
    assert_echo(&mut socket, Message::binary(vec![0, 255, 10, 13]));
    assert_echo(&mut socket, Message::binary(vec![7; 3 << 20]));
    for n in 0..500 {
        assert_echo(&mut socket, Message::text(format!("message {n}")));
    }
}

#[test]
fn ping_pong_and_close_are_those_of_the_two_ends() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut socket = connect(&proxy);
    socket.send(Message::Ping(b"are you there"[..].into())).expect("it is taken");
    assert_eq!(socket.read().expect("a pong"), Message::Pong(b"are you there"[..].into()));
    let frame = CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() };
    socket.close(Some(frame.clone())).expect("a close is taken");
    assert_eq!(socket.read().expect("a close in return"), Message::Close(Some(frame)));
    eventually("the slot is free", || proxy.metric("speedmimi_backend_slots_used", &[]) == 0.0);
    proxy.assert_at_rest();
}

#[test]
fn bytes_sent_right_behind_the_handshake_are_not_lost() {
    // A client may not wait for 101, and a backend may speak first; neither waits for the other here.
    let backend = Backend::raw(|conn: &mut Conn| {
        conn.read_head()?;
        conn.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst",
        )?;
        let got = conn.wire().exact(5)?;
        conn.write(got)?;
        Ok(())
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: e2e.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nhello",
    );
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("sec-websocket-accept"), "x");
    assert!(head.fields.has_token("connection", "upgrade") && head.fields.has_token("upgrade", "websocket"));
    assert_eq!(client.wire().exact(10).expect("both"), b"firsthello");
    let seen = backend.only();
    assert!(seen.fields.has_token("upgrade", "websocket") && seen.fields.has_token("connection", "upgrade"));
    assert_eq!(seen.fields.get("sec-websocket-key"), Some("AAAAAAAAAAAAAAAAAAAAAA=="));
}

#[test]
fn a_backend_may_refuse_the_upgrade() {
    let backend = Backend::serve(|_, conn| {
        conn.respond("403 Forbidden", "", "no sockets here")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(
            "GET /ws HTTP/1.1\r\nHost: e2e.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        );
        let response = client.response();
        response.assert_forwarded(403);
        assert_eq!(response.text(), "no sockets here");
    }
}

#[test]
fn a_websocket_holds_its_slot_until_it_ends() {
    let backend = echo();
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 1"));
    let mut socket = connect(&proxy);
    assert_echo(&mut socket, Message::text("mine"));
    proxy.get("/").assert_refused(503, "connection_limit");
    drop(socket);
    eventually("the slot is free", || proxy.metric("speedmimi_backend_slots_used", &[]) == 0.0);
    let mut socket = connect(&proxy);
    assert_echo(&mut socket, Message::text("next"));
}

#[test]
fn idle_timeout_counts_either_way_after_an_upgrade() {
    let backend = echo();
    let proxy = Proxy::start(&Config::one(backend.address()).upstream("timeouts: {idle: 700ms, first_byte: 700ms}"));
    let mut socket = connect(&proxy);
    let watch = Stopwatch::start();
    for _ in 0..12 {
        // sleep: a socket that speaks in time, for longer than the clock, is the subject
        std::thread::sleep(Duration::from_millis(100));
        assert_echo(&mut socket, Message::text("still here"));
    }
    assert!(watch.elapsed() > Duration::from_millis(1100));
    let watch = Stopwatch::start();
    while !matches!(socket.read(), Ok(Message::Close(_)) | Err(_)) {}
    watch.assert_fired(Duration::from_millis(700) - Duration::from_millis(20));
}

#[test]
fn total_is_off_for_upgrades_unless_set_and_read_timeout_does_not_matter() {
    let backend = echo();
    let proxy =
        Proxy::start(&Config::one(backend.address()).server("read_timeout: 300ms").server("idle_timeout: 300ms"));
    let mut socket = connect(&proxy);
    // sleep: a silent socket that outlives the client-side clocks is the subject
    std::thread::sleep(Duration::from_millis(1000));
    assert_echo(&mut socket, Message::text("still here"));
}

#[test]
fn the_end_of_either_side_ends_the_other() {
    let backend = Backend::raw(|conn| {
        let Ok(mut socket) = accept(conn.wire().stream().try_clone()?) else { return Ok(()) };
        // Leaves without a close frame after the first message.
        let _ = socket.read();
        Ok(())
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let mut socket = connect(&proxy);
    socket.send(Message::text("go")).expect("it is taken");
    socket.read().expect_err("the backend left");
    eventually("the backend is left too", || backend.open() == 0);
    proxy.assert_at_rest();
}
