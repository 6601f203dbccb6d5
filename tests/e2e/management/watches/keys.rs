//! Watches of the configuration: what they tell, folded, is every key there is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use speedmimi_proto::v1::watch_config_response::Message as Keys;
use speedmimi_proto::v1::*;
use tonic::transport::Endpoint;

use super::{CUTS, IDS, listed, mutate};
use crate::harness::{Config, Dice, Management, PATIENCE, Proxy, named, pss_kib};

/// The keys that a watcher has, by path, and where it goes on.
#[derive(Default)]
pub(super) struct Keyed {
    pub(super) revision: u64,
    instance: String,
    pub(super) keys: BTreeMap<String, String>,
    pub(super) resyncs: u64,
}

impl Keyed {
    /// Takes a message; says whether the keys are those of a revision now.
    pub(super) fn take(&mut self, message: WatchConfigResponse) -> bool {
        let (whole, differences) = match message.message.expect("it says something") {
            Keys::Resync(part) => {
                if part.begin {
                    self.keys.clear();
                    self.resyncs += 1;
                }
                (part.end, part.differences)
            }
            Keys::Event(event) => {
                assert_eq!(message.revision, self.revision + 1, "one revision at a time, none left out and none twice");
                (true, event.differences)
            }
            Keys::Heartbeat(_) => (true, Vec::new()),
        };
        for Difference { path, before, after } in differences {
            let was = match after {
                Some(after) => self.keys.insert(path.clone(), after),
                None => self.keys.remove(&path),
            };
            assert_eq!(was, before, "{path}");
        }
        if whole {
            (self.revision, self.instance) = (message.revision, message.instance);
        }
        whole
    }

    pub(super) fn options(&self) -> Option<WatchOptions> {
        (self.revision > 0).then(|| WatchOptions {
            resume_revision: Some(self.revision),
            resume_instance: self.instance.clone(),
            heartbeat: None,
        })
    }
}

/// Every key by a watch that begins now.
pub(super) fn all_keys(management: &Management) -> Keyed {
    let mut client = management.config();
    let mut stream = management.call(client.watch_config(WatchConfigRequest::default())).expect("it begins");
    let mut keyed = Keyed::default();
    loop {
        let next = async { stream.message().await.map(tonic::Response::new) };
        if keyed.take(management.call(next).expect("it goes on").expect("it is not over")) {
            return keyed;
        }
    }
}

#[test]
fn folded_keys_are_the_configuration_after_200_cuts() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let (dice, address) = (Dice::new(), proxy.grpc_address());
    let stop = AtomicBool::new(false);
    let folded = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let management = proxy.management();
            let (dice, mut there) = (dice.split(), [false; IDS as usize]);
            while !stop.load(Ordering::Relaxed) {
                mutate(&management, &dice, &mut there);
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut folded = Keyed::default();
        for _ in 0..CUTS {
            let messages = dice.between(0, 8);
            runtime.block_on(async {
                let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
                let channel = endpoint.connect().await.expect("it listens");
                let mut client = config_service_client::ConfigServiceClient::new(channel);
                let request = WatchConfigRequest { watch: folded.options() };
                let mut stream = client.watch_config(request).await.expect("it begins").into_inner();
                for _ in 0..=messages {
                    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
                    folded.take(message.expect("it goes on").expect("it is not over"));
                }
            });
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer is well");
        folded
    });
    assert_eq!(folded.resyncs, 1, "{dice}: every cut was short enough to go on");
    // What it missed since its last cut, and then the same as whoever comes anew.
    let management = proxy.management();
    let fresh = all_keys(&management);
    let mut folded = folded;
    let mut client = management.config();
    let request = WatchConfigRequest { watch: folded.options() };
    let mut stream = management.call(client.watch_config(request)).expect("it begins");
    while folded.revision < fresh.revision {
        let next = async { stream.message().await.map(tonic::Response::new) };
        folded.take(management.call(next).expect("it goes on").expect("it is not over"));
    }
    assert_eq!((folded.keys, folded.resyncs), (fresh.keys, 1), "{dice}");
}

#[test]
fn folded_keys_are_the_configuration_after_every_change() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let (dice, mut there) = (Dice::new(), [false; IDS as usize]);
    let mut watch = management.config();
    let mut stream = management.call(watch.watch_config(WatchConfigRequest::default())).expect("it begins");
    let mut other = management.config();
    let fold = |keys: &mut BTreeMap<String, String>, stream: &mut tonic::Streaming<WatchConfigResponse>| loop {
        let next = async { stream.message().await.map(tonic::Response::new) };
        let message = management.call(next).expect("it goes on").expect("it is not over");
        let (whole, differences) = match message.message.expect("it says something") {
            Keys::Resync(part) => (part.end, part.differences),
            Keys::Event(event) => (true, event.differences),
            Keys::Heartbeat(_) => (false, Vec::new()),
        };
        for Difference { path, before, after } in differences {
            let was = match after {
                Some(after) => keys.insert(path.clone(), after),
                None => keys.remove(&path),
            };
            assert_eq!(was, before, "{path}");
        }
        if whole {
            return message.revision;
        }
    };
    let mut keys = BTreeMap::new();
    let mut revision = fold(&mut keys, &mut stream);
    for _ in 0..60 {
        mutate(&management, &dice, &mut there);
        // Enabling what is enabled makes no revision.
        if listed(&management).0 == revision {
            continue;
        }
        revision = fold(&mut keys, &mut stream);
        let mut all = BTreeMap::new();
        let mut fresh = management.call(other.watch_config(WatchConfigRequest::default())).expect("it begins");
        assert_eq!(fold(&mut all, &mut fresh), revision, "{dice}");
        assert_eq!(keys, all, "{dice}");
    }
}

#[test]
fn a_large_configuration_is_not_held_for_every_reader_that_does_not_read() {
    const BACKENDS: u32 = 5000;
    const WATCHERS: usize = 60;
    let mut config = Config::new();
    for n in 0..BACKENDS {
        config = config.backend_of("default", &format!("b{n}"), ([127, 0, 0, 1], 1).into(), "");
    }
    let proxy = Proxy::start(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let whole = all_keys(&proxy.management()).keys;
    let bytes: usize = whole.iter().map(|(path, value)| path.len() + value.len()).sum();
    let before = pss_kib(proxy.pid());
    let mut streams = Vec::new();
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", proxy.grpc_address())).expect("a URI");
        let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
        for watcher in 0..WATCHERS {
            let mut client =
                config_service_client::ConfigServiceClient::new(endpoint.connect().await.expect("it listens"));
            let mut stream = client.watch_config(WatchConfigRequest::default()).await.expect("it begins").into_inner();
            if watcher + 1 < WATCHERS {
                streams.push((client, stream));
                continue;
            }
            // The last one reads: all that stand before it have been served as far as they are.
            let mut keyed = Keyed::default();
            while !keyed.take(stream.message().await.expect("it goes on").expect("it is not over")) {}
            assert_eq!(keyed.keys, whole);
        }
    });
    let grown = pss_kib(proxy.pid()).saturating_sub(before);
    eprintln!("{grown} KiB more for {WATCHERS} watchers of {} KiB", bytes / 1024);
    assert!(bytes > 1 << 20, "it is large: {bytes} bytes");
    assert!(grown < WATCHERS as u64 * 400 + 8192, "{grown} KiB for {WATCHERS} watchers of {bytes} bytes");
}
