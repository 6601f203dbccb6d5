//! Watches as their callers see them.

use std::collections::BTreeMap;
use std::time::Duration;

use speedmimi_proto::v1::watch_backends_response::Message;
use speedmimi_proto::v1::watch_config_response::Message as Keys;
use speedmimi_proto::v1::watch_events_response::Message as Happened;
use tonic::Streaming;

use super::*;
use crate::control::Guard;
use crate::control::feed::Step;

impl Proxy {
    async fn watch(&self, watch: v1::WatchOptions) -> Streaming<v1::WatchBackendsResponse> {
        let request = v1::WatchBackendsRequest { watch: Some(watch), ..Default::default() };
        self.backends().watch_backends(request).await.expect("it begins").into_inner()
    }

    pub(super) async fn enable(&self) {
        let enable = v1::EnableBackendRequest { backend_id: ONE.into(), ..Default::default() };
        self.backends().enable_backend(enable).await.expect("it exists");
    }
}

pub(super) async fn next<T>(stream: &mut Streaming<T>) -> T {
    stream.message().await.expect("the stream goes on").expect("it is not over")
}

fn ids(entries: &[v1::BackendEntry]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry.backend.as_ref()).map(|backend| backend.id.as_str()).collect()
}

/// What an event says: its revision, its type, max_conn.
fn said(message: &v1::WatchBackendsResponse) -> (u64, v1::WatchEventType, Option<i32>) {
    let Some(Message::Events(events)) = &message.message else { panic!("{message:?}") };
    let [event] = events.events.as_slice() else { panic!("{message:?}") };
    let max_conn = event.backend.as_ref().and_then(|entry| entry.backend.as_ref()).and_then(|backend| backend.max_conn);
    (message.revision, event.r#type(), max_conn)
}

#[tokio::test]
async fn a_watch_begins_with_everything_and_goes_on_revision_by_revision() {
    let proxy = Proxy::start().await;
    let mut watch = proxy.watch(v1::WatchOptions::default()).await;
    let first = next(&mut watch).await;
    let Some(Message::Resync(all)) = &first.message else { panic!("{first:?}") };
    assert_eq!((first.revision, ids(&all.backends), all.begin, all.end), (1, vec![ONE, "127.0.0.1:82"], true, true));
    for max_conn in 5..8 {
        proxy.max_conn(ONE, max_conn, v1::MutationOptions::default()).await.expect("valid");
    }
    for (revision, max_conn) in [(2, 5), (3, 6), (4, 7)] {
        assert_eq!(said(&next(&mut watch).await), (revision, v1::WatchEventType::Updated, Some(max_conn)));
    }
    let remove = v1::RemoveBackendRequest { backend_id: "127.0.0.1:82".into(), ..Default::default() };
    proxy.backends().remove_backend(remove).await.expect("it exists");
    assert_eq!(said(&next(&mut watch).await), (5, v1::WatchEventType::Removed, None));
}

#[tokio::test]
async fn a_resume_goes_on_where_it_was_left_and_at_another_process_begins_anew() {
    let proxy = Proxy::start().await;
    let instance = next(&mut proxy.watch(v1::WatchOptions::default()).await).await.instance;
    for max_conn in 5..8 {
        proxy.max_conn(ONE, max_conn, v1::MutationOptions::default()).await.expect("valid");
    }
    let resume = |resume_instance: &str, revision| v1::WatchOptions {
        resume_revision: Some(revision),
        resume_instance: resume_instance.to_owned(),
        ..Default::default()
    };
    let mut watch = proxy.watch(resume(&instance, 2)).await;
    assert_eq!(said(&next(&mut watch).await).0, 3);
    assert_eq!(said(&next(&mut watch).await).0, 4);
    for (other, revision) in [("another", 2), (instance.as_str(), 99)] {
        let first = next(&mut proxy.watch(resume(other, revision)).await).await;
        assert!(matches!(first.message, Some(Message::Resync(_))), "{first:?}");
    }
    let up_to_date = next(&mut proxy.watch(resume(&instance, 4)).await).await;
    assert!(matches!(up_to_date.message, Some(Message::Heartbeat(_))) && up_to_date.revision == 4, "{up_to_date:?}");
}

#[tokio::test]
async fn a_resume_that_missed_what_was_observed_begins_anew() {
    let proxy = Proxy::start().await;
    let first = next(&mut proxy.watch(v1::WatchOptions::default()).await).await;
    let view = proxy.control.view();
    let (store, known) = (&view.store, proxy.control.known(&view));
    let cut = store.disconnect("default", ONE, false, &Guard::default()).expect("it exists");
    let observe = || proxy.control.feed().push(&known, &[Step::new(store.clone(), cut.clone())]);
    (0..1100).for_each(|_| observe());
    let resume = v1::WatchOptions {
        resume_revision: Some(first.revision),
        resume_instance: first.instance,
        ..v1::WatchOptions::default()
    };
    for options in [resume, v1::WatchOptions::default()] {
        let mut watch = proxy.watch(options).await;
        let begin = next(&mut watch).await;
        assert!(matches!(begin.message, Some(Message::Resync(_))) && begin.revision == 1, "{begin:?}");
        // It goes on from there, and does not begin anew again and again.
        observe();
        assert_eq!(said(&next(&mut watch).await), (1, v1::WatchEventType::Updated, Some(0)));
    }
}

/// Every backend as `ListBackends` shows it, without what events leave out.
async fn listed(proxy: &Proxy) -> BTreeMap<String, v1::BackendEntry> {
    let list = proxy.backends().list_backends(v1::ListBackendsRequest::default()).await.expect("valid").into_inner();
    let shown = list.backends.into_iter().map(|mut entry| {
        if let Some(drain) = entry.status.as_mut().and_then(|status| status.drain.as_mut()) {
            (drain.phase, drain.remaining) = (0, 0);
            drain.detail.clear();
        }
        held(entry)
    });
    shown.collect()
}

/// A backend by its name. When the last check ended is told with the next event, so that it counts only whether one did.
fn held(mut entry: v1::BackendEntry) -> (String, v1::BackendEntry) {
    if let Some(at) = entry.status.as_mut().and_then(|status| status.health_checked_at.as_mut()) {
        *at = prost_types::Timestamp::default();
    }
    (name(&entry), entry)
}

fn name(entry: &v1::BackendEntry) -> String {
    format!("{}/{}", entry.upstream, entry.backend.as_ref().expect("what is configured").id)
}

#[tokio::test]
async fn folded_events_are_what_is_listed_with_all_that_they_carry() {
    let proxy = Proxy::start().await;
    let mut watch = proxy.watch(v1::WatchOptions::default()).await;
    let mut folded = BTreeMap::new();
    for step in 0..7 {
        let mut backends = proxy.backends();
        match step {
            0 => {}
            1 => {
                let backend = v1::Backend {
                    id: "new".into(),
                    host: Some("localhost".into()),
                    port: Some(83),
                    labels: Some(v1::Labels { entries: [("zone".to_owned(), "a".to_owned())].into() }),
                    health_check: Some(v1::HealthCheck::default()),
                    ..v1::Backend::default()
                };
                let request = v1::AddBackendRequest { backend: Some(backend), ..Default::default() };
                backends.add_backend(request).await.map(drop).expect("valid");
            }
            // The second one changes who did it and when, and nothing else.
            2 | 3 => {
                let request = v1::DisconnectBackendRequest { backend_id: ONE.into(), ..Default::default() };
                backends.disconnect_backend(request).await.map(drop).expect("it exists");
            }
            4 => {
                let request = v1::DrainBackendRequest {
                    backend_id: "127.0.0.1:82".into(),
                    deadline: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
                    ..Default::default()
                };
                backends.drain_backend(request).await.map(drop).expect("it exists");
            }
            5 => proxy.enable().await,
            _ => {
                let request = v1::RemoveBackendRequest { backend_id: "127.0.0.1:82".into(), ..Default::default() };
                backends.remove_backend(request).await.map(drop).expect("it exists");
            }
        }
        // The check of the new backend finds something some time.
        while folded != listed(&proxy).await {
            let message = next(&mut watch).await;
            match message.message.expect("it says something") {
                Message::Resync(all) => folded = all.backends.into_iter().map(held).collect(),
                Message::Events(events) => {
                    for event in events.events {
                        let (name, entry) = held(event.backend.clone().expect("which backend"));
                        match event.r#type() {
                            v1::WatchEventType::Removed => folded.remove(&name),
                            _ => folded.insert(name, entry),
                        };
                    }
                }
                Message::Heartbeat(_) => panic!("step {step}: {folded:#?} is not {:#?}", listed(&proxy).await),
            }
        }
    }
    let known = folded["default/new"].status.as_ref().expect("what is observed");
    assert!(!known.addresses.is_empty(), "{known:?}");
}

#[tokio::test]
async fn what_is_not_there_is_not_waited_for() {
    let proxy = Proxy::start().await;
    let instance = next(&mut proxy.watch(v1::WatchOptions::default()).await).await.instance;
    let watch = async |upstream: &str, id: &str, resume: Option<u64>| {
        let options = v1::WatchOptions {
            resume_revision: resume,
            resume_instance: instance.clone(),
            ..v1::WatchOptions::default()
        };
        let request =
            v1::WatchBackendsRequest { upstream: upstream.into(), backend_id: id.into(), watch: Some(options) };
        proxy.backends().watch_backends(request).await
    };
    for (upstream, id, reason, known) in [
        ("nope", "", "UPSTREAM_NOT_FOUND", "default"),
        ("nope", ONE, "UPSTREAM_NOT_FOUND", "default"),
        ("", "nope", "BACKEND_NOT_FOUND", ONE),
        ("default", "nope", "BACKEND_NOT_FOUND", ONE),
    ] {
        let refused = watch(upstream, id, None).await.expect_err("it is not there");
        assert_eq!(refused.code(), Code::NotFound);
        assert!(refused.message().contains(known), "{refused:?}");
        assert_eq!(refused.get_error_details().error_info().expect("a reason").reason, reason);
        // It may have been there at that revision, and come back.
        assert!(watch(upstream, id, Some(1)).await.is_ok());
    }
    assert!(watch("default", "", None).await.is_ok() && watch("", ONE, None).await.is_ok());
}

#[tokio::test]
async fn what_is_observed_is_told_without_a_revision() {
    let proxy = Proxy::start().await;
    let mut watch = proxy.watch(v1::WatchOptions::default()).await;
    next(&mut watch).await;
    let mut look = async |wanted: fn(&v1::BackendStatus) -> bool| loop {
        let message = next(&mut watch).await;
        let Some(Message::Events(events)) = message.message else { continue };
        assert_eq!((message.revision, events.observed), (1, true));
        if events.events[0].backend.as_ref().and_then(|entry| entry.status.as_ref()).is_some_and(wanted) {
            return;
        }
    };
    proxy.live.find_backend("default", ONE).expect("there").set_health(crate::live::Health::Down);
    look(|status| status.health() == v1::HealthState::Down).await;
    let disconnect = v1::DisconnectBackendRequest { backend_id: ONE.into(), ..Default::default() };
    proxy.backends().disconnect_backend(disconnect).await.expect("it exists");
    look(|status| status.admin_state() == v1::AdminState::Disabled).await;
}

#[tokio::test]
async fn a_watch_outlives_the_time_of_a_call() {
    let call = Duration::from_millis(100);
    let proxy = Proxy::start_within(call).await;
    let options =
        v1::WatchOptions { heartbeat: Some(prost_types::Duration { seconds: 1, nanos: 0 }), ..Default::default() };
    let mut watch = proxy.watch(options).await;
    next(&mut watch).await;
    let begun = std::time::Instant::now();
    let beat = next(&mut watch).await;
    assert!(matches!(beat.message, Some(Message::Heartbeat(_))) && begun.elapsed() > 5 * call, "{beat:?}");
}

#[tokio::test]
async fn the_keys_of_the_configuration_and_who_changed_them_are_told() {
    let proxy = Proxy::start().await;
    let mut config = ConfigServiceClient::new(proxy.channel.clone());
    let mut watch = config.watch_config(v1::WatchConfigRequest::default()).await.expect("it begins").into_inner();
    let Some(Keys::Resync(all)) = next(&mut watch).await.message else { panic!("everything first") };
    assert!(all.differences.iter().any(|key| key.path.ends_with("127.0.0.1:81.host")), "{all:?}");
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let message = next(&mut watch).await;
    let Some(Keys::Event(event)) = message.message else { panic!("{message:?}") };
    let [key] = event.differences.as_slice() else { panic!("{event:?}") };
    assert_eq!((message.revision, key.path.as_str()), (2, "backends.default.127.0.0.1:81.max_conn"));
    assert_eq!(
        (key.after.as_deref(), event.objects.as_slice()),
        (Some("5"), &["backends.default.127.0.0.1:81".into()][..])
    );
    assert_eq!(event.origin.map(|origin| (origin.who, origin.revision)), Some(("api".to_owned(), 2)));
}

#[tokio::test]
async fn figures_come_at_their_interval_and_end_with_their_object() {
    let proxy = Proxy::start().await;
    let mut stats = StatsServiceClient::new(proxy.channel.clone());
    let of = v1::GetBackendStatsRequest { backend_id: ONE.into(), ..Default::default() };
    let request = v1::WatchStatsRequest {
        of: Some(v1::watch_stats_request::Of::Backend(of)),
        interval: Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }),
    };
    let mut watch = stats.watch_stats(request.clone()).await.expect("it begins").into_inner();
    for _ in 0..3 {
        assert_eq!(next(&mut watch).await.revision, 1);
    }
    let remove = v1::RemoveBackendRequest { backend_id: ONE.into(), ..Default::default() };
    proxy.backends().remove_backend(remove).await.expect("it exists");
    let ended = loop {
        if let Err(status) = watch.message().await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::NotFound);
    assert_eq!(stats.watch_stats(request).await.expect_err("it is gone").code(), Code::NotFound);
    let often =
        v1::WatchStatsRequest { interval: Some(prost_types::Duration { seconds: 0, nanos: 1 }), ..Default::default() };
    assert_eq!(stats.watch_stats(often).await.expect_err("too often").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn what_happens_is_told_with_who_did_it() {
    let proxy = Proxy::start().await;
    let mut server = ServerServiceClient::new(proxy.channel.clone());
    let request = v1::WatchEventsRequest {
        types: vec![v1::EventType::ConfigChanged.into(), v1::EventType::ConfigRefused.into()],
        ..Default::default()
    };
    let mut watch = server.watch_events(request.clone()).await.expect("it begins").into_inner();
    let begin = next(&mut watch).await;
    assert!(matches!(begin.message, Some(Happened::Resync(_))), "{begin:?}");
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let mut config = ConfigServiceClient::new(proxy.channel.clone());
    config.reload_config(v1::ReloadConfigRequest::default()).await.expect_err("no file");
    let event = |message: v1::WatchEventsResponse| match message.message {
        Some(Happened::Event(event)) => event,
        other => panic!("{other:?}"),
    };
    let changed = event(next(&mut watch).await);
    assert_eq!(
        (changed.r#type(), changed.revision, changed.backend_id.as_str()),
        (v1::EventType::ConfigChanged, 2, ONE)
    );
    assert_eq!(changed.who, "api");
    let refused = event(next(&mut watch).await);
    assert_eq!((refused.r#type(), refused.severity()), (v1::EventType::ConfigRefused, v1::Severity::Error));
    let resume =
        v1::WatchEventsRequest { resume_sequence: Some(changed.sequence), resume_instance: begin.instance, ..request };
    let mut again = server.watch_events(resume).await.expect("it goes on").into_inner();
    assert_eq!(event(next(&mut again).await).sequence, refused.sequence);
}

#[tokio::test]
async fn places_for_watchers_are_bounded_and_come_back() {
    let proxy = Proxy::start().await;
    let mut watches = Vec::new();
    let refused = loop {
        // A connection carries 32 calls.
        let uri = proxy.uri.clone();
        let channel = tonic::transport::Endpoint::from_shared(uri).expect("a URI").connect().await.expect("it listens");
        let mut client = BackendServiceClient::new(channel);
        let mut refused = None;
        for _ in 0..32 {
            match client.watch_backends(v1::WatchBackendsRequest::default()).await {
                Ok(watch) => watches.push(watch),
                Err(status) => refused = Some(status),
            }
        }
        if let Some(status) = refused {
            break status;
        }
    };
    assert_eq!((refused.code(), watches.len()), (Code::ResourceExhausted, crate::control::feed::WATCHERS));
    assert_eq!(refused.get_error_details().error_info().expect("a reason").reason, "TOO_MANY_WATCHERS");
    // A drain is watched as well; where it cannot be, it is not begun.
    let drain = v1::DrainBackendRequest { backend_id: ONE.into(), ..Default::default() };
    let refused = proxy.backends().drain_backend(drain).await.expect_err("no place is left");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(!proxy.live.find_backend("default", ONE).expect("there").slots.is_closed(), "nothing was done");
    drop(watches);
    while proxy.backends().watch_backends(v1::WatchBackendsRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
}
