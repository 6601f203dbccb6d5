//! Draining a backend: what is left is counted exactly, nothing new is let in, and it goes on without whoever asked.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use speedmimi_proto::v1::backend_drain::{OnDeadline, Phase, Then};
use speedmimi_proto::v1::*;
use tonic::{Code, Streaming};

use crate::harness::{
    Backend as Origin, Client, Config, EVENT_STREAM, Ended, Management, Next, Process, Proxy, SPEEDCTL, chunk,
    eventually, named, run,
};

const STREAMS: u64 = 100;

/// An event stream whose n-th request takes (n + 1) × `step`; then it ends well.
fn streams(step: Duration) -> Origin {
    let count = AtomicU64::new(0);
    Origin::serve(move |_, conn| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        conn.write(EVENT_STREAM)?;
        conn.write(chunk("data: begin\n\n"))?;
        if !conn.work(step * (n as u32 + 1)) {
            return Ok(Next::Close);
        }
        conn.write_last("0\r\n\r\n")?;
        Ok(Next::Keep)
    })
}

/// That many streams, each with its first event here.
fn open(proxy: &Proxy, count: u64) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET / HTTP/1.1\r\nHost: e2e.test\r\nAccept: text/event-stream\r\n\r\n");
            client
        })
        .collect()
}

fn next(management: &Management, stream: &mut Streaming<DrainBackendResponse>) -> Option<DrainBackendResponse> {
    let next = async { stream.message().await.map(tonic::Response::new) };
    management.call(next).expect("it goes on")
}

fn drain(management: &Management, request: DrainBackendRequest) -> Streaming<DrainBackendResponse> {
    let request = DrainBackendRequest { backend_id: "b1".into(), ..request };
    management.call(management.backends().drain_backend(request)).expect("it begins")
}

/// Seconds since the drain began.
fn since(message: &DrainBackendResponse) -> f64 {
    let elapsed = message.elapsed.expect("since when");
    elapsed.seconds as f64 + f64::from(elapsed.nanos) / 1e9
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[test]
fn what_is_left_is_counted_exactly_and_the_deadline_closes_exactly_the_survivors() {
    let step = Duration::from_millis(60);
    let (first, second) = (streams(step), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let clients = open(&proxy, STREAMS);
    eventually("all streams go on, or are over", || first.flight().total() == STREAMS);
    let other = Backend {
        id: "b2".into(),
        host: Some("127.0.0.1".into()),
        port: Some(second.address().port().into()),
        ..Backend::default()
    };
    management.add(other).expect("a valid backend");
    let request = DrainBackendRequest {
        deadline: seconds(3),
        on_deadline: DrainDeadline::Close.into(),
        then: DrainThen::Remove.into(),
        ..Default::default()
    };
    let mut looking = drain(&management, request);
    let begun = next(&management, &mut looking).expect("a first message");
    assert_eq!((begun.phase(), begun.attached), (DrainPhase::Draining, false));
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "b2", "no new exchange after the acknowledgement");
    }
    let (mut last, mut exact) = (begun, 0);
    let ended = loop {
        // What the proxy counts lies between what the backend counted before and after the message was on its way.
        let most = first.flight().current() as u32;
        let asked = Instant::now();
        let Some(message) = next(&management, &mut looking) else { break last };
        let least = first.flight().current() as u32;
        assert!(since(&message) - since(&last) < 1.5, "at least one a second: {last:?} {message:?}");
        assert!(message.remaining <= last.remaining, "it only falls: {message:?}");
        if message.phase() == DrainPhase::Draining {
            assert!(message.remaining >= least && message.oldest_age.is_some(), "{message:?}, {least} at the backend");
            // One that was waited for is counted while it was: at most two have ended at the backend and not yet here.
            if asked.elapsed() > Duration::from_millis(20) {
                assert!(message.remaining <= most + 2, "{message:?}, {most} at the backend");
                exact += 1;
            }
        }
        last = message;
    };
    assert!(exact > 3, "{exact} messages were compared");
    assert_eq!((ended.phase(), ended.remaining), (DrainPhase::Drained, 0));
    assert_eq!(first.flight().total(), STREAMS, "nothing new was let in");
    let whole = clients.into_iter().filter_map(|mut client| client.try_response("GET").ok()).count() as u64;
    let (cut, closed) = (STREAMS - whole, u64::from(ended.closed));
    assert!(cut > 10 && whole > 10, "{ended:?}, {whole} whole");
    assert_eq!(closed, cut, "exactly the survivors are closed: {ended:?}, {whole} whole");
    // To the backend, one whose end was on its way when it was cut is over as well.
    eventually("the backend sees them closed", || (cut - 1..=cut).contains(&first.flight().closed()));
    let gone = GetBackendRequest { backend_id: "b1".into(), ..Default::default() };
    assert!(management.call(management.backends().get_backend(gone)).is_err(), "it is removed");
    proxy.assert_at_rest();
}

#[test]
fn a_drain_goes_on_when_whoever_asked_is_killed() {
    let first = streams(Duration::from_millis(20));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let clients = open(&proxy, STREAMS);
    eventually("all streams go on, or are over", || first.flight().total() == STREAMS);
    let endpoint = format!("http://{}", proxy.grpc_address());
    let args = ["--endpoint", &endpoint, "backend", "drain", "b1", "--then", "disable"];
    let mut speedctl = Process::start(Command::new(SPEEDCTL).args(args));
    speedctl.out_line("how far it is", |line| line.contains("b1 draining: ").then_some(()));
    speedctl.signal(Signal::KILL);
    speedctl.wait_exit();
    let again = next(&management, &mut drain(&management, DrainBackendRequest::default())).expect("a message");
    assert!(again.attached && again.then() == DrainThen::Disable, "{again:?}");
    eventually("it is drained, and disabled then", || management.backend("b1").active == Some(false));
    for mut client in clients {
        client.response().assert_forwarded(200);
    }
    assert_eq!(management.status("b1").admin_state(), AdminState::Disabled);
    proxy.assert_at_rest();
}

#[test]
fn enable_cancels_a_drain_and_its_deadline() {
    let first = streams(Duration::from_millis(700));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let mut clients = open(&proxy, 2);
    eventually("both go on", || first.flight().current() == 2);
    let request =
        DrainBackendRequest { deadline: seconds(1), on_deadline: DrainDeadline::Close.into(), ..Default::default() };
    let mut looking = drain(&management, request);
    assert_eq!(next(&management, &mut looking).map(|message| message.phase()), Some(DrainPhase::Draining));
    proxy.get("/").assert_refused(503, "no_backend");
    management.enable("b1");
    let mut last = None;
    while let Some(message) = next(&management, &mut looking) {
        last = Some(message.phase());
    }
    assert_eq!(last, Some(DrainPhase::Cancelled));
    for client in &mut clients {
        client.response().assert_forwarded(200);
    }
    proxy.assert_at_rest();
}

#[test]
fn a_reload_that_removes_the_backend_ends_its_drain() {
    let (first, second) = (streams(Duration::from_millis(1500)), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let mut clients = open(&proxy, 1);
    eventually("it goes on", || first.flight().current() == 1);
    let mut looking = drain(&management, DrainBackendRequest::default());
    next(&management, &mut looking).expect("it begins");
    proxy.rewrite(&Config::new().backend("b2", second.address()).yaml());
    management.reload().expect("a valid file");
    let mut last = None;
    while let Some(message) = next(&management, &mut looking) {
        last = Some(message.phase());
    }
    assert_eq!(last, Some(DrainPhase::Removed));
    assert_eq!(proxy.get("/").text(), "b2");
    clients[0].response().assert_forwarded(200);
}

fn speedctl(proxy: &Proxy, args: &[&str]) -> Ended {
    run(Command::new(SPEEDCTL).arg("--endpoint").arg(format!("http://{}", proxy.grpc_address())).args(args))
}

#[test]
fn what_keeps_a_backend_out_is_shown_and_looked_on_at_without_beginning_it() {
    let first = streams(Duration::from_secs(60));
    let proxy = Proxy::start(&Config::one(first.address()));
    let management = proxy.management();
    let _clients = open(&proxy, 1);
    eventually("it goes on", || first.flight().current() == 1);
    let ended = speedctl(&proxy, &["backend", "drain", "b1", "--watch-only"]).assert_code(4);
    assert!(ended.err.contains("does not drain"), "{ended:#?}");
    assert_eq!(management.status("b1").admin_state(), AdminState::Enabled, "looking on begins nothing");
    let both = DrainBackendRequest {
        backend_id: "b1".into(),
        watch_only: true,
        replace: true,
        ..DrainBackendRequest::default()
    };
    let refused = management.call(management.backends().drain_backend(both)).expect_err("it is one or the other");
    assert_eq!(refused.code(), Code::InvalidArgument);

    let begin =
        ["backend", "drain", "b1", "--deadline", "1h", "--on-deadline", "close", "--then", "remove", "--detach"];
    let ended = speedctl(&proxy, &begin).assert_code(0);
    assert!(ended.out.contains("are closed, then remove"), "{ended:#?}");
    let shown = management.status("b1").drain.expect("it drains");
    assert_eq!((shown.phase(), shown.then(), shown.remaining), (Phase::Draining, Then::Remove, 1));
    assert_eq!(shown.on_deadline(), OnDeadline::Close);
    assert!(shown.begun_at.is_some() && shown.deadline.is_some() && !shown.who.is_empty(), "{shown:?}");
    let ended = speedctl(&proxy, &["backend", "list"]).assert_code(0);
    assert!(ended.out.contains("  draining, then remove  "), "{ended:#?}");
    let ended = speedctl(&proxy, &["backend", "get", "b1"]).assert_code(0);
    assert!(ended.out.contains("1 in flight") && ended.out.contains("what is left then is closed"), "{ended:#?}");
    let on = DrainBackendRequest { watch_only: true, ..DrainBackendRequest::default() };
    let looking = next(&management, &mut drain(&management, on)).expect("a message");
    assert!(looking.attached && looking.then() == DrainThen::Remove, "{looking:?}");

    management.enable("b1");
    assert_eq!(management.status("b1").drain, None);
    management.disconnect("b1", false);
    let cut = management.status("b1").disconnected.expect("it is cut off");
    assert!(cut.since.is_some() && !cut.who.is_empty(), "{cut:?}");
    assert!(speedctl(&proxy, &["backend", "list"]).assert_code(0).out.contains("  disconnected  "));
    let again = Backend { id: "b1".into(), active: Some(true), ..Backend::default() };
    management.update(again).expect("it is there");
    assert_eq!(management.status("b1").disconnected, None, "active: true ends a disconnect, too");
}
