//! Exchanges in flight: listed as they are, and ended without touching others.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use speedmimi_proto::v1::{
    KillStreamsRequest, ListStreamsRequest, MutationOptions, Stream, StreamFilter, StreamProtocol,
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept, client};
use tonic::Code;

use crate::harness::{
    Backend, Client, Config, Gate, Management, Next, PATIENCE, Proxy, SPEEDCTL, eventually, run, silent, ticking,
};

const TICK: Duration = Duration::from_millis(20);

fn open(proxy: &Proxy, head: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("{head}\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    client
}

fn sse(proxy: &Proxy, path: &str) -> Client {
    open(proxy, &format!("GET {path} HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/event-stream"))
}

/// Sends back every message until either side closes.
fn ws_echo() -> Backend {
    Backend::raw(|conn| {
        let Ok(mut socket) = accept(conn.wire().stream().try_clone()?) else { return Ok(()) };
        while let Ok(message) = socket.read() {
            if message.is_text() && socket.send(message).is_err() {
                break;
            }
        }
        Ok(())
    })
}

fn websocket(proxy: &Proxy) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let request = format!("ws://{}/chat?token=secret", proxy.address()).into_client_request().expect("valid");
    let mut socket = client(request, stream).expect("the handshake succeeds").0;
    socket.send(Message::text("hello")).expect("it is taken");
    assert_eq!(socket.read().expect("it comes back"), Message::text("hello"));
    socket
}

fn all() -> StreamFilter {
    StreamFilter::default()
}

fn ids(streams: &[Stream]) -> BTreeSet<String> {
    streams.iter().map(|stream| stream.id.clone()).collect()
}

#[track_caller]
fn goes_on(client: &mut Client) {
    for _ in 0..3 {
        assert!(!client.wire().chunk().expect("the stream goes on").is_empty());
    }
}

#[track_caller]
fn is_cut(client: &mut Client) {
    client.try_response("GET").expect_err("the stream is cut, visibly");
}

/// `default` with a ticking backend, `sockets` with a WebSocket one, `slow` with one that never answers.
struct World {
    proxy: Proxy,
    management: Management,
    _backends: [Backend; 2],
    silent: Backend,
}

fn world() -> World {
    let (events, sockets, silent) = (ticking(TICK, &Gate::default()), ws_echo(), silent());
    let config = Config::one(events.address())
        .backend_of("sockets", "s1", sockets.address(), "")
        .backend_of("slow", "z1", silent.address(), "")
        .server("trusted_proxies: [127.0.0.1/32]")
        .route("all", "upstream: default")
        .route("chat", "path: /chat")
        .route("chat", "upstream: sockets")
        .route("slow", "path: /slow")
        .route("slow", "upstream: slow");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    World { proxy, management, _backends: [events, sockets], silent }
}

#[test]
fn every_exchange_in_flight_is_listed_with_what_is_known_of_it() {
    let world = world();
    let World { proxy, management, silent, .. } = &world;
    let mut events = sse(proxy, "/events/a?token=secret");
    let _socket = websocket(proxy);
    let mut waiting = proxy.client();
    waiting.send("POST /slow/work?token=secret HTTP/1.1\r\nHost: e2e.test\r\nX-Forwarded-For: 192.0.2.9\r\nContent-Length: 4\r\n\r\nbody");
    eventually("the request arrives", || silent.flight().current() == 1);
    let mut idle = proxy.client();
    idle.get("/").assert_forwarded(200);
    goes_on(&mut events);

    let streams = management.list_streams(all(), 0);
    assert_eq!(streams.len(), 3, "connections between requests carry none: {streams:#?}");
    let of =
        |protocol: StreamProtocol| streams.iter().find(|stream| stream.protocol() == protocol).expect("it is there");
    let (events, socket, waiting) = (of(StreamProtocol::Sse), of(StreamProtocol::Websocket), of(StreamProtocol::Http));
    assert_eq!((&*events.route, &*events.upstream, &*events.backend_id), ("all", "default", "b1"));
    assert_eq!((&*events.method, &*events.path, &*events.client), ("GET", "/events/a", "127.0.0.1"));
    assert!(events.bytes_received > 50 && events.bytes_sent > 100, "{events:#?}");
    assert_eq!((&*socket.route, &*socket.upstream, &*socket.path), ("chat", "sockets", "/chat"));
    assert_eq!((&*waiting.method, &*waiting.path, &*waiting.client), ("POST", "/slow/work", "192.0.2.9"));
    assert_eq!((&*waiting.backend_id, waiting.bytes_sent), ("z1", 0), "nothing was answered yet");
    for stream in &streams {
        assert!(stream.started_at.is_some() && stream.age.is_some() && stream.idle.is_some(), "{stream:#?}");
        assert_eq!(stream.queue_wait, Some(prost_types::Duration::default()));
        assert!(stream.id.starts_with(&format!("{}-", stream.worker)), "{stream:#?}");
        assert!(!format!("{stream:?}").contains("secret"), "a query is nobody's business: {stream:#?}");
    }
    let again = management.list_streams(all(), 0);
    assert_eq!(ids(&again), ids(&streams), "ids are stable");
    let exchanges = proxy.metric("speedmimi_exchanges_in_flight", &[]);
    assert_eq!(exchanges, 3.0, "the metric counts the same");
}

#[test]
fn a_filter_shows_those_that_fit_all_of_it() {
    let world = world();
    let World { proxy, management, silent, .. } = &world;
    let _events = [sse(proxy, "/events/a"), sse(proxy, "/events/b")];
    let _socket = websocket(proxy);
    let mut waiting = proxy.client();
    waiting.send("GET /slow HTTP/1.1\r\nHost: e2e.test\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n");
    eventually("the request arrives", || silent.flight().current() == 1);
    let count = |filter: StreamFilter| management.list_streams(filter, 0).len();
    assert_eq!(count(StreamFilter { upstream: "default".into(), ..all() }), 2);
    assert_eq!(count(StreamFilter { backend_id: "s1".into(), ..all() }), 1);
    assert_eq!(count(StreamFilter { route: "slow".into(), ..all() }), 1);
    assert_eq!(count(StreamFilter { client: "127.0.0.0/8".into(), ..all() }), 3);
    assert_eq!(count(StreamFilter { client: "192.0.2.9".into(), ..all() }), 1);
    assert_eq!(count(StreamFilter { protocol: StreamProtocol::Sse.into(), ..all() }), 2);
    let hour = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    assert_eq!(count(StreamFilter { min_age: hour, ..all() }), 0);
    assert_eq!(count(StreamFilter { upstream: "default".into(), route: "chat".into(), ..all() }), 0);
    let silent_ones =
        StreamFilter { min_idle: Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 }), ..all() };
    eventually("those that tick are not idle, the others are", || {
        let idle = management.list_streams(silent_ones.clone(), 0);
        idle.len() == 2 && idle.iter().all(|stream| stream.protocol() != StreamProtocol::Sse)
    });
    let one = management.list_streams(StreamFilter { route: "chat".into(), ..all() }, 0).remove(0);
    assert_eq!(
        management.list_streams(StreamFilter { ids: vec![one.id.clone(), "7-7".into()], ..all() }, 0)[0].id,
        one.id
    );
}

#[test]
fn a_name_in_a_filter_means_one_thing_or_is_refused() {
    let (first, second) = (silent(), silent());
    let config = Config::one(first.address())
        .backend_of("other", "b1", second.address(), "")
        .route("all", "upstream: default")
        .route("other", "path: /other")
        .route("other", "upstream: other");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let clients = ["/", "/other"].map(|path| {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: e2e.test\r\n\r\n"));
        client
    });
    eventually("both arrive", || first.flight().current() + second.flight().current() == 2);
    let list = |filter: StreamFilter| {
        let request = ListStreamsRequest { filter: Some(filter), ..ListStreamsRequest::default() };
        management.call(management.streams().list_streams(request))
    };
    let both = StreamFilter { backend_id: "b1".into(), ..all() };
    for refused in [list(both.clone()).map(drop), management.kill_streams(both).map(drop)] {
        let refused = refused.expect_err("two are called so");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("default/b1, other/b1"), "{refused:?}");
    }
    for filter in [
        StreamFilter { upstream: "othr".into(), ..all() },
        StreamFilter { upstream: "other".into(), backend_id: "b2".into(), ..all() },
        StreamFilter { backend_id: "nobody".into(), ..all() },
        StreamFilter { route: "othr".into(), ..all() },
    ] {
        for refused in [list(filter.clone()).map(drop), management.kill_streams(filter.clone()).map(drop)] {
            let refused = refused.expect_err("nothing is called so");
            assert_eq!(refused.code(), Code::NotFound, "{filter:?}");
            assert!(refused.message().contains("other"), "it says what there is: {refused:?}");
        }
    }
    let speedctl = |args: &[&str]| {
        run(Command::new(SPEEDCTL).arg("--endpoint").arg(format!("http://{}", proxy.grpc_address())).args(args))
    };
    let ended = speedctl(&["stream", "kill", "--backend", "other/b1"]).assert_code(0);
    assert!(ended.out.starts_with("1 exchange ended") && ended.out.contains("other/b1"), "{ended:#?}");
    let ended = speedctl(&["stream", "list", "--backend", "b1"]).assert_code(0);
    assert!(ended.out.contains("default/b1") && !ended.out.contains("other/b1"), "{ended:#?}");
    speedctl(&["stream", "kill", "--backend", "other/nobody"]).assert_code(4);
    drop(clients);
}

#[test]
fn an_event_stream_is_one_whatever_the_request_said() {
    let backend = ticking(TICK, &Gate::default());
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = open(&proxy, "GET /events HTTP/1.1\r\nHost: e2e.test");
    goes_on(&mut client);
    let sse = StreamFilter { protocol: StreamProtocol::Sse.into(), ..all() };
    assert_eq!(management.list_streams(all(), 0)[0].protocol(), StreamProtocol::Sse);
    assert_eq!(management.kill_streams(sse).expect("a filter").killed, 1);
    is_cut(&mut client);
}

#[test]
fn pages_show_each_stream_once_while_others_come_and_go() {
    let gate = Gate::default();
    let backend = ticking(TICK, &gate);
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut stay: Vec<Client> = Vec::new();
    let mut go: Vec<Client> = Vec::new();
    for n in 0..60 {
        let list = if n % 3 == 0 { &mut go } else { &mut stay };
        list.push(sse(&proxy, "/events"));
    }
    let staying = 40;
    let before = ids(&management.list_streams(all(), 7));
    assert_eq!(before.len(), 60);
    // One page after the other, with streams that end and begin between them.
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListStreamsRequest { filter: None, page_size: 7, page_token: token };
        let page = management.call(management.streams().list_streams(request)).expect("a page");
        assert!(page.streams.len() <= 7);
        seen.extend(page.streams.into_iter().map(|stream| stream.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        drop(go.pop());
        stay.push(sse(&proxy, "/events"));
    }
    let unique: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(unique.len(), seen.len(), "no stream is on two pages");
    drop(go);
    eventually("those that left are gone", || management.list_streams(all(), 0).len() == stay.len());
    let stayed: BTreeSet<String> = ids(&management.list_streams(all(), 0)).intersection(&before).cloned().collect();
    assert_eq!(stayed.len(), staying);
    assert!(stayed.is_subset(&unique), "whoever was there all the time was shown");
}

#[test]
fn a_kill_ends_those_that_fit_and_nobody_else() {
    let world = world();
    let World { proxy, management, silent, .. } = &world;
    let (mut events, mut other) = (sse(proxy, "/events/a"), sse(proxy, "/events/b"));
    let mut socket = websocket(proxy);
    let mut waiting = proxy.client();
    waiting.send("GET /slow HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || silent.flight().current() == 1);

    let first = management.list_streams(StreamFilter { upstream: "default".into(), ..all() }, 0);
    let a = first.iter().find(|stream| stream.path == "/events/a").expect("it is there").id.clone();
    let killed = management.kill_streams(StreamFilter { ids: vec![a.clone()], ..all() }).expect("a filter");
    assert_eq!((killed.killed, ids(&killed.streams)), (1, BTreeSet::from([a.clone()])));
    is_cut(&mut events);
    let again = management.kill_streams(StreamFilter { ids: vec![a], ..all() }).expect("a filter");
    assert_eq!((again.killed, again.streams.len()), (0, 0), "it has ended");

    let killed = management.kill_streams(StreamFilter { protocol: StreamProtocol::Websocket.into(), ..all() });
    assert_eq!(killed.expect("a filter").killed, 1);
    assert!(matches!(socket.read(), Ok(Message::Close(Some(frame))) if u16::from(frame.code) == 1001), "politely");

    let killed = management.kill_streams(StreamFilter { backend_id: "z1".into(), ..all() }).expect("a filter");
    assert_eq!((killed.killed, killed.streams[0].path.as_str()), (1, "/slow"));
    waiting.response().assert_refused(503, "disconnected");

    goes_on(&mut other);
    assert_eq!(management.list_streams(all(), 0).len(), 1);
    let used = |backend: &str| proxy.metric("speedmimi_backend_slots_used", &[("backend", backend)]);
    assert_eq!((used("b1"), used("s1"), used("z1")), (1.0, 0.0, 0.0), "slots are free when a kill is answered");
    assert_eq!(proxy.metric("speedmimi_request_errors_total", &[("reason", "disconnected")]), 3.0);
    proxy.wait_log("exchanges were ended through the API");
    drop(other);
    proxy.assert_at_rest();
}

#[test]
fn each_filter_kills_its_own() {
    let world = world();
    let World { proxy, management, .. } = &world;
    let soon = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    let filters = [
        StreamFilter { upstream: "default".into(), ..all() },
        StreamFilter { route: "all".into(), ..all() },
        StreamFilter { client: "127.0.0.0/8".into(), ..all() },
        StreamFilter { protocol: StreamProtocol::Sse.into(), ..all() },
        StreamFilter { min_age: soon, ..all() },
        StreamFilter { min_idle: soon, ..all() },
    ];
    for filter in filters {
        let mut client = sse(proxy, "/events");
        eventually("it is found and ended", || management.kill_streams(filter.clone()).expect("a filter").killed == 1);
        is_cut(&mut client);
    }
    assert_eq!(proxy.metric("speedmimi_backend_cancelled_total", &[]), 6.0);
    proxy.assert_at_rest();
}

#[test]
fn everything_is_ended_only_when_it_is_said() {
    let world = world();
    let World { proxy, management, .. } = &world;
    let mut clients: Vec<Client> = (0..20).map(|_| sse(proxy, "/events")).collect();
    let kill = |request: KillStreamsRequest| management.call(management.streams().kill_streams(request));
    for filter in [None, Some(all())] {
        let refused = kill(KillStreamsRequest { filter, ..KillStreamsRequest::default() }).expect_err("not said");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    let both = StreamFilter { upstream: "default".into(), ..all() };
    let refused = kill(KillStreamsRequest { filter: Some(both), all: true, ..KillStreamsRequest::default() });
    assert_eq!(refused.expect_err("which?").code(), Code::InvalidArgument);
    let tried = MutationOptions { validate_only: true, ..MutationOptions::default() };
    let tried = kill(KillStreamsRequest { all: true, show: 5, options: Some(tried), ..KillStreamsRequest::default() });
    let tried = tried.expect("it may be tried");
    assert_eq!((tried.killed, tried.streams.len()), (20, 5));
    clients.iter_mut().for_each(goes_on);
    let revision = management.shown().revision;
    let done = kill(KillStreamsRequest { all: true, show: 5, ..KillStreamsRequest::default() }).expect("it is said");
    assert_eq!((done.killed, done.streams.len()), (20, 5));
    assert!(management.list_streams(all(), 0).is_empty());
    clients.iter_mut().for_each(is_cut);
    assert_eq!(management.shown().revision, revision, "a kill makes no revision");
    proxy.assert_at_rest();
}

#[test]
fn an_exchange_keeps_the_names_it_began_with() {
    let world = world();
    let World { proxy, management, .. } = &world;
    let mut client = sse(proxy, "/events");
    management.remove_route("slow").expect("it exists");
    management.remove_route("chat").expect("it exists");
    let next = sse(proxy, "/events");
    let streams = management.list_streams(all(), 0);
    assert_eq!(
        streams.iter().map(|stream| (&*stream.route, &*stream.upstream)).collect::<Vec<_>>(),
        [("all", "default"); 2]
    );
    goes_on(&mut client);
    drop(next);
}

#[test]
fn the_next_request_of_a_connection_is_another_stream() {
    let gate = Gate::default();
    let opened = gate.clone();
    let backend = Backend::serve(move |seen, conn| {
        if seen.target == "/2" || !conn.wait(&opened) {
            conn.hang();
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", "first")?;
        Ok(Next::Keep)
    });
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    let first = management.list_streams(all(), 0).remove(0);
    assert_eq!(first.path, "/1");
    gate.open();
    client.response().assert_forwarded(200);
    client.send("GET /2 HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the next request arrives", || backend.flight().current() == 1);
    let killed = management.kill_streams(StreamFilter { ids: vec![first.id.clone()], ..all() }).expect("a filter");
    assert_eq!(killed.killed, 0);
    let second = management.list_streams(all(), 0).remove(0);
    assert_eq!(second.path, "/2");
    assert_ne!(second.id, first.id);
}
