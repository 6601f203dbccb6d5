//! The bounds of a watcher, in virtual time.

use futures_util::StreamExt as _;
use speedmimi_model::Config;
use speedmimi_proto::v1;
use speedmimi_proto::v1::watch_events_response::Message;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;
use crate::control::feed::event::{Event, Kind, Severity};
use crate::control::{Controller, Lifecycle, Setup};
use crate::live::Live;

fn stream() -> (Outlet<u32>, Stream<u32>) {
    let (sender, messages) = mpsc::channel(1);
    let places = Arc::new(crate::control::feed::Places::default());
    let place = places.enter(&Caller::default()).expect("it is free");
    (Outlet(sender), Stream { messages, ending: Ending::default(), _place: place })
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_for_a_minute_is_slow() {
    let (outlet, stream) = stream();
    outlet.send(1).await.expect("there is room for one");
    assert!(!outlet.offer(2).expect("the reader is there"));
    let begun = tokio::time::Instant::now();
    assert!(matches!(outlet.send(2).await, Err(Over::Slow)));
    assert_eq!(begun.elapsed(), STALLED);
    drop(stream);
    assert!(matches!(outlet.send(3).await, Err(Over::Left)));
    assert!(matches!(outlet.offer(3), Err(Over::Left)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_finds_what_was_handed_over_and_why_it_ended() {
    let (outlet, mut stream) = stream();
    outlet.send(1).await.expect("there is room for one");
    *stream.ending.lock() = Some(status::slow_watcher("resume_revision", 7));
    drop(outlet);
    assert_eq!(stream.next().await.map(|message| message.ok()), Some(Some(1)));
    let ending = stream.next().await.expect("it says why").expect_err("it is no message");
    assert_eq!(ending.code(), Code::ResourceExhausted);
    assert!(ending.message().contains("resume_revision 7"), "{ending:?}");
    assert!(stream.next().await.is_none());
}

fn happened(revision: u64) -> Event {
    let (at, severity) = (std::time::SystemTime::now(), Severity::Info);
    Event { sequence: 0, revision, at, severity, text: String::new(), backend: None, who: None, kind: Kind::Reloaded }
}

#[tokio::test]
async fn a_slow_reader_of_events_is_told_to_go_on_behind_the_last_one_it_got() {
    let (live, lifecycle) = (Arc::new(Live::new(1)), Arc::new(Lifecycle::new()));
    let setup = Setup { config: Config::default(), file: None, live, lifecycle, descriptors: 100_000 };
    // Not run: nothing happens but what happens here.
    let (_controller, control) = Controller::prepare(setup).await.expect("nothing is stored");
    let mut stream = events::watch(&control, &Caller::default(), v1::WatchEventsRequest::default()).expect("valid");
    let mut last = None;
    // So that the watcher has taken up an event that it has no room for before events run away from it.
    for revision in 0..3000 {
        control.feed().happened(happened(revision));
        tokio::task::yield_now().await;
        if revision < 3 {
            last = Some(stream.next().await.expect("it goes on").expect("it keeps up"));
        }
    }
    let ended = loop {
        match stream.next().await.expect("it says why") {
            Ok(message) => last = Some(message),
            Err(status) => break status,
        }
    };
    let last = last.expect("there were some");
    assert!(matches!(last.message, Some(Message::Event(_))), "{last:?}");
    let details = ended.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!((&*info.reason, &info.metadata["resume_sequence"]), ("SLOW_WATCHER", &last.sequence.to_string()));
}
