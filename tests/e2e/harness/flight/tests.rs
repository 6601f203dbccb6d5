//! The judge is judged: it finds one too many, and blames nobody for what was over.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{Flight, closed};

/// Both ends of a connection.
fn pair(listener: &TcpListener) -> (Arc<TcpStream>, TcpStream) {
    let address = listener.local_addr().expect("a listener has an address");
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("somebody connected");
    (Arc::new(far), near)
}

fn three() -> [(Arc<TcpStream>, TcpStream); 3] {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free on loopback");
    [pair(&listener), pair(&listener), pair(&listener)]
}

#[test]
fn one_more_than_allowed_is_a_violation() {
    let flight = Flight::limited(2);
    let connections = three();
    for (number, (stream, _)) in connections.iter().enumerate() {
        flight.begin(number as u64, stream);
    }
    assert_eq!(flight.violations().len(), 1);
    assert_eq!((flight.peak(), flight.current()), (3, 3));
}

#[test]
fn what_ended_or_was_closed_makes_room() {
    let flight = Flight::limited(1);
    let [first, second, third] = three();
    flight.begin(0, &first.0);
    flight.end(0);
    flight.begin(1, &second.0);
    drop(second.1);
    flight.begin(2, &third.0);
    assert!(flight.violations().is_empty(), "{:?}", flight.violations());
    assert_eq!((flight.peak(), flight.total(), flight.closed()), (1, 3, 1));
}

#[test]
fn what_left_before_it_was_read_is_over() {
    let flight = Flight::limited(1);
    let [first, second, _] = three();
    drop(second.1);
    assert!(closed(&second.0, Duration::from_secs(5)));
    flight.begin(0, &first.0);
    flight.begin(1, &second.0);
    assert!(flight.violations().is_empty(), "{:?}", flight.violations());
    assert_eq!((flight.current(), flight.closed()), (1, 1));
}

#[test]
fn a_limit_that_was_lowered_holds_once_nothing_is_in_transit() {
    let flight = Flight::limited(2);
    let [first, second, third] = three();
    flight.set_limit(1);
    flight.begin(0, &first.0);
    flight.begin(1, &second.0);
    assert!(flight.violations().is_empty(), "the second may have been admitted before");
    flight.end(1);
    // sleep: the time for what may be in transit has to pass
    std::thread::sleep(super::IN_TRANSIT * 2);
    flight.begin(2, &third.0);
    assert_eq!(flight.violations().len(), 1);
}
