//! When a connection has to go, in virtual time.

use super::*;
use crate::admin::places::Places;

/// A connection that has greeted, and its other end; as many more places are taken as make the rest scarce.
async fn connection(scarce: bool) -> (Connection, UnixStream, Vec<Place>) {
    let places = Places::new(4);
    let mut taken = Vec::new();
    for _ in 0..if scarce { 4 } else { 1 } {
        taken.push(places.give(places.free().await, None).expect("it is free"));
    }
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let place = taken.pop().expect("there is one");
    let mut connection = Connection::new(Socket::Unix(ours), Peer::unix(None), place, Arc::new(Face::open()));
    connection.greeting = Greeting::Done;
    (connection, theirs, taken)
}

/// How long it lives, and why it ends; at most an hour.
async fn life(mut connection: Connection) -> Option<(u64, Verdict)> {
    let begun = Instant::now();
    let read = timeout(Duration::from_secs(3600), connection.read_u8()).await.ok()?;
    let error = read.expect_err("nothing is sent");
    let verdict = error.into_inner().and_then(|error| error.downcast::<Verdict>().ok()).expect("a verdict");
    Some((begun.elapsed().as_secs(), *verdict))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_calls_goes_where_places_are_scarce_and_stays_where_they_are_not() {
    let (idle, _other, _taken) = connection(true).await;
    assert_eq!(life(idle).await, Some((10, Verdict::Stranger)));
    let (idle, _other, _taken) = connection(false).await;
    assert_eq!(life(idle).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_few_that_ask_for_health_stay_and_one_that_is_known_goes_when_it_is_quiet() {
    let (asks, _other, _taken) = connection(true).await;
    let _health = asks.peer.line.admit(false);
    assert_eq!(life(asks).await, None);
    let (known, _other, _taken) = connection(true).await;
    drop(known.peer.line.admit(true));
    assert_eq!(life(known).await, Some((60, Verdict::Quiet)));
    let (watches, _other, _taken) = connection(true).await;
    let _watch = watches.peer.line.admit(true);
    assert_eq!(life(watches).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_answer_is_not_taken_goes_in_any_case() {
    let (holds, _other, _taken) = connection(false).await;
    let answer = holds.peer.line.admit(true);
    answer.told();
    assert_eq!(life(holds).await, Some((90, Verdict::Unread)));
}
