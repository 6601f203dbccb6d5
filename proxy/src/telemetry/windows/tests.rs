use super::*;
use crate::live::Health;

#[test]
fn a_window_forgets_what_is_older_than_its_span() {
    let live = Live::new(2);
    let backend = live.backend("default", "a", Health::Up);
    let mut windows = Windows::default();
    windows.sample(&live);
    backend.cells[0].finished.add(30);
    backend.cells[1].cancelled.add(20);
    windows.sample(&live);
    assert_eq!(windows.backend(backend.uid).map(|window| window.counts.requests), [50, 50, 50]);
    for _ in 0..10 {
        windows.sample(&live);
    }
    assert_eq!(windows.backend(backend.uid).map(|window| window.counts.requests), [0, 50, 50]);
    for _ in 0..60 {
        windows.sample(&live);
    }
    assert_eq!(windows.backend(backend.uid).map(|window| window.counts.requests), [0, 0, 50]);
    for _ in 0..300 {
        windows.sample(&live);
    }
    assert_eq!(windows.backend(backend.uid).map(|window| window.counts.requests), [0, 0, 0]);
}

#[test]
fn windows_never_cover_more_than_their_span_and_little_less() {
    let live = Live::new(1);
    let mut windows = Windows::default();
    for tick in 1..=1_000u64 {
        windows.sample(&live);
        for window in windows.server() {
            let (covered, span) = (window.covered.as_secs(), window.span.length().as_secs());
            assert!(covered <= span && covered <= tick, "{covered} s of {span} s after {tick} s");
            assert!(tick < span || covered * 10 >= span * 8, "{covered} s of {span} s after {tick} s");
        }
    }
}

#[test]
fn quantiles_are_of_the_window_and_not_of_the_past() {
    let live = Live::new(1);
    let backend = live.backend("default", "a", Health::Up);
    let mut windows = Windows::default();
    for _ in 0..100 {
        backend.cells[0].duration.record(1_000_000);
    }
    windows.sample(&live);
    for _ in 0..10 {
        windows.sample(&live);
    }
    for _ in 0..100 {
        backend.cells[0].duration.record(1_000);
    }
    windows.sample(&live);
    let [ten, minute, _] = windows.backend(backend.uid);
    let (ten, minute) = (ten.duration(0.99).expect("counts"), minute.duration(0.99).expect("counts"));
    assert!(ten < Duration::from_micros(1_126), "{ten:?}");
    assert!(minute >= Duration::from_secs(1), "{minute:?}");
}

#[test]
fn an_upstream_is_the_sum_of_its_backends() {
    let live = Live::new(1);
    let backends = ["a", "b", "c"].map(|id| live.backend("default", id, Health::Up));
    let mut windows = Windows::default();
    for (backend, count) in backends.iter().zip([1, 2, 4]) {
        backend.cells[0].finished.add(count);
        backend.cells[0].failed.add(1);
    }
    windows.sample(&live);
    let [ten, ..] = windows.backends([backends[0].uid, backends[2].uid, 999].into_iter());
    assert_eq!((ten.counts.requests, ten.counts.failed), (7, 2));
    assert!((ten.requests_per_second() - 7.0).abs() < f64::EPSILON);
}

#[test]
fn a_removed_backend_takes_no_memory() {
    let live = Live::new(1);
    let uid = live.backend("default", "a", Health::Up).uid;
    let mut windows = Windows::default();
    windows.sample(&live);
    assert!(windows.backends.contains_key(&uid));
    live.sweep(|_, _| false, |_| false);
    windows.sample(&live);
    assert!(windows.backends.is_empty());
}

#[test]
fn routes_that_vanish_do_not_make_counts_wrap() {
    let live = Live::new(1);
    live.route("web").cells[0].classes[1].add(100);
    let mut windows = Windows::default();
    windows.sample(&live);
    live.sweep(|_, _| true, |_| false);
    live.route("other").cells[0].classes[1].add(3);
    windows.sample(&live);
    let [ten, ..] = windows.server();
    assert_eq!(ten.counts.classes[1], 103);
}
