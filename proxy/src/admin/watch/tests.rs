//! The bounds of a watcher, in virtual time.

use futures_util::StreamExt as _;
use tonic::Code;

use super::*;

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
