//! Watches: what they tell, folded, is what there is, however often the connection is cut; who does not read is ended.
//!
//! `SPEEDMIMI_SOAK_SECONDS` sets how long the cuts go on at least; there are 200 of them in any case.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use speedmimi_proto::v1::watch_backends_response::Message;
use speedmimi_proto::v1::*;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Config, Dice, Management, PATIENCE, Proxy, eventually, named, pss_kib, soak_seconds};

mod keys;

use keys::all_keys;

/// Backends by name, with all that a watch and `ListBackends` must agree on.
type State = BTreeMap<String, BackendEntry>;

const CUTS: u64 = 200;
const IDS: u64 = 6;

fn put(state: &mut State, entry: &BackendEntry) {
    let id = &entry.backend.as_ref().expect("what is configured").id;
    state.insert(format!("{}/{id}", entry.upstream), entry.clone());
}

/// The state that a watcher has, and the revision of it.
#[derive(Default)]
struct Folded {
    revision: u64,
    instance: String,
    backends: State,
    resyncs: u64,
}

impl Folded {
    /// Takes a message; says whether the state is that of a revision now.
    fn take(&mut self, message: WatchBackendsResponse) -> bool {
        match message.message.expect("it says something") {
            Message::Resync(part) => {
                if part.begin {
                    self.backends.clear();
                    self.resyncs += 1;
                }
                part.backends.iter().for_each(|entry| put(&mut self.backends, entry));
                if !part.end {
                    return false;
                }
            }
            Message::Events(events) => {
                assert!(!events.observed, "nothing is observed in this test");
                assert_eq!(message.revision, self.revision + 1, "one revision at a time, none left out and none twice");
                for event in &events.events {
                    let entry = event.backend.as_ref().expect("which backend");
                    let id = entry.backend.as_ref().map(|backend| backend.id.clone()).unwrap_or_default();
                    let name = format!("{}/{id}", entry.upstream);
                    match event.r#type() {
                        WatchEventType::Removed => assert!(self.backends.remove(&name).is_some(), "{name} was there"),
                        kind => {
                            assert_eq!(kind == WatchEventType::Updated, self.backends.contains_key(&name), "{name}");
                            put(&mut self.backends, entry);
                        }
                    }
                }
            }
            Message::Heartbeat(_) => assert_eq!(message.revision, self.revision),
        }
        (self.revision, self.instance) = (message.revision, message.instance);
        true
    }
}

/// One change of a backend by chance; none may be refused.
fn mutate(management: &Management, dice: &Dice, there: &mut [bool; IDS as usize]) {
    let which = dice.between(0, IDS);
    let id = format!("n{which}");
    let is = &mut there[which as usize];
    if !*is {
        let port = Some(1000 + dice.between(0, 9) as u32);
        management.add(Backend { id, host: Some("127.0.0.1".into()), port, ..Backend::default() }).expect("a new one");
        *is = true;
        return;
    }
    match dice.between(0, 5) {
        0 => {
            management.remove(&id).expect("it is there");
            *is = false;
        }
        1 => management.disable(&id),
        2 => management.enable(&id),
        _ => {
            let max_conn = Some(1 + dice.between(0, 1000) as i32);
            management.update(Backend { id, max_conn, ..Backend::default() }).expect("a valid change");
        }
    }
}

/// Everything by `ListBackends`, and the revision that it shows.
fn listed(management: &Management) -> (u64, State) {
    let list = management.call(management.backends().list_backends(ListBackendsRequest::default())).expect("a list");
    let mut state = State::new();
    for entry in &list.backends {
        let mut entry = entry.clone();
        // The only one that takes part in this test and that events leave out.
        entry.status.as_mut().expect("what is observed").idle_connections = 0;
        put(&mut state, &entry);
    }
    (list.revision, state)
}

#[test]
fn folded_events_are_what_there_is_at_every_revision_over_200_cuts() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let (dice, address) = (Dice::new(), proxy.grpc_address());
    let (stop, known) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let seen = std::thread::scope(|scope| {
        // The only writer: what it lists after each change is the state of that revision.
        let writer = scope.spawn(|| {
            let management = proxy.management();
            let (dice, mut there) = (dice.split(), [false; IDS as usize]);
            let (revision, state) = listed(&management);
            known.lock().expect("nobody panics").insert(revision, state);
            while !stop.load(Ordering::Relaxed) {
                mutate(&management, &dice, &mut there);
                let (revision, state) = listed(&management);
                known.lock().expect("nobody panics").insert(revision, state);
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut folded = Folded::default();
        let (mut seen, mut cuts) = (Vec::new(), 0);
        let until = Instant::now() + Duration::from_secs(soak_seconds().saturating_sub(5));
        while cuts < CUTS || Instant::now() < until {
            let messages = dice.between(0, 8);
            runtime.block_on(async {
                // A connection of its own, which ends with it.
                let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
                let channel = endpoint.connect().await.expect("it listens");
                let mut client = backend_service_client::BackendServiceClient::new(channel);
                let resume = (folded.revision > 0).then(|| WatchOptions {
                    resume_revision: Some(folded.revision),
                    resume_instance: folded.instance.clone(),
                    heartbeat: None,
                });
                let request = WatchBackendsRequest { watch: resume, ..Default::default() };
                let mut stream = client.watch_backends(request).await.expect("it begins").into_inner();
                for _ in 0..=messages {
                    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
                    if folded.take(message.expect("it goes on").expect("it is not over")) {
                        seen.push((folded.revision, folded.backends.clone()));
                    }
                }
            });
            cuts += 1;
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer is well");
        assert_eq!(folded.resyncs, 1, "{dice}: every cut was short enough to go on");
        seen
    });
    let known = known.into_inner().expect("nobody panics");
    assert!(seen.len() as u64 > CUTS && known.len() > 100, "{dice}: {} seen, {} known", seen.len(), known.len());
    for (revision, state) in seen {
        assert_eq!(Some(&state), known.get(&revision), "{dice}: revision {revision}");
    }
}

#[test]
fn whoever_comes_back_too_late_begins_anew_and_misses_nothing() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let mut keyed = all_keys(&management);
    let mut folded = Folded::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let watch = async |folded: &mut Folded| {
        let endpoint = Endpoint::from_shared(format!("http://{}", proxy.grpc_address())).expect("a URI");
        let mut client =
            backend_service_client::BackendServiceClient::new(endpoint.connect().await.expect("it listens"));
        let resume = (folded.revision > 0).then(|| WatchOptions {
            resume_revision: Some(folded.revision),
            resume_instance: folded.instance.clone(),
            heartbeat: None,
        });
        let request = WatchBackendsRequest { watch: resume, ..Default::default() };
        let mut stream = client.watch_backends(request).await.expect("it begins").into_inner();
        loop {
            let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
            if folded.take(message.expect("it goes on").expect("it is not over")) {
                return;
            }
        }
    };
    runtime.block_on(watch(&mut folded));
    // More than the 2 MiB of changes that are kept.
    let text = |n: u32| Labels {
        entries: (0..4).map(|label| (format!("text{label}"), format!("{n}{}", "x".repeat(1000)))).collect(),
    };
    for n in 0..700 {
        let change = Backend { id: "b1".into(), labels: Some(text(n)), ..Backend::default() };
        management.update(change).expect("a valid change");
    }
    runtime.block_on(watch(&mut folded));
    assert_eq!((folded.resyncs, (folded.revision, folded.backends)), (2, listed(&management)));
    let mut client = management.config();
    let request = WatchConfigRequest { watch: keyed.options() };
    let mut stream = management.call(client.watch_config(request)).expect("it begins");
    let next = async { stream.message().await.map(tonic::Response::new) };
    assert!(keyed.take(management.call(next).expect("it goes on").expect("it is not over")));
    assert_eq!((keyed.resyncs, keyed.keys), (2, all_keys(&management).keys));
}

#[test]
fn whoever_does_not_read_is_ended_and_costs_bounded_memory() {
    const WATCHERS: usize = 50;
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Large objects, so that windows are soon full.
    let labels = |n: u32| Labels {
        entries: (0..4).map(|label| (format!("text{label}"), format!("{n}{}", "x".repeat(1000)))).collect(),
    };
    let flood = |from: u32| {
        for n in from..from + 300 {
            let change = Backend { id: "b1".into(), labels: Some(labels(n)), ..Backend::default() };
            management.update(change).expect("a valid change");
        }
    };
    flood(0);
    let before = pss_kib(proxy.pid());
    let mut streams = Vec::new();
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", proxy.grpc_address())).expect("a URI");
        let mut client = None;
        for watcher in 0..WATCHERS {
            // A connection carries 32 calls.
            if watcher % 25 == 0 {
                let channel = endpoint.connect().await.expect("it listens");
                client = Some(backend_service_client::BackendServiceClient::new(channel));
            }
            let client = client.as_mut().expect("it begins with one");
            let answer = client.watch_backends(WatchBackendsRequest::default()).await.expect("it begins");
            streams.push(answer.into_inner());
        }
    });
    flood(1000);
    flood(2000);
    // One message, a frame and a task each; what is under way beyond that is held by the client. What the flood itself
    // took is given back within moments.
    eventually("watchers that do not read cost little", || {
        pss_kib(proxy.pid()).saturating_sub(before) < WATCHERS as u64 * 200 + 4096
    });
    // All at once: they share the window of their connection.
    let ends = streams.into_iter().map(|mut stream| async move {
        loop {
            match tokio::time::timeout(PATIENCE, stream.message()).await.expect("it does not hang") {
                Ok(Some(_)) => {}
                Ok(None) => break Status::ok(""),
                Err(status) => break status,
            }
        }
    });
    for ended in runtime.block_on(futures_util::future::join_all(ends)) {
        assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
        let details = ended.get_error_details();
        let info = details.error_info().expect("a reason");
        assert_eq!(info.reason, "SLOW_WATCHER");
        assert!(info.metadata.contains_key("resume_revision"), "{info:?}");
    }
}
