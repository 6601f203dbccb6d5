//! Figures, once and again and again.

use crate::double::{Call, Double, Script, entry};
use crate::{Leaving, columns, command, on};

fn one() -> Double {
    Double::start(Script::with(vec![entry("default", "b1")]))
}

#[test]
fn of_the_proxy() {
    let double = one();
    let out = on(&double, "stats server").done();
    let rows = columns(&out);
    assert!(rows.contains(&vec!["requests", "1234"]), "{out}");
    assert!(rows.contains(&vec!["WINDOW", "REQUESTS", "PER-SECOND", "4XX", "5XX", "P50", "P90", "P99"]), "{out}");
    assert!(rows.contains(&vec!["10s", "200", "20", "0", "0", "1.5ms", "-", "-"]), "{out}");
    assert!(rows.contains(&vec!["no_backend", "5"]), "{out}");
    assert_eq!(on(&double, "-o json stats server").json()["windows"][0]["requests_per_second"], 20.0);
}

#[test]
fn of_an_upstream() {
    let double = one();
    on(&double, "stats upstream").done();
    assert!(matches!(double.last(), Call::UpstreamStats(request) if request.upstream == "default"));
    let out = on(&double, "stats upstream api").done();
    assert!(columns(&out).contains(&vec!["upstream", "api"]), "{out}");
}

#[test]
fn of_a_backend() {
    let double = one();
    let out = on(&double, "stats backend").done();
    assert!(columns(&out).contains(&vec!["admitted", "99"]), "{out}");
    assert!(matches!(double.last(), Call::BackendStats(request) if request.backend_id == "b1"));
}

#[test]
fn watching_goes_on_until_nobody_reads() {
    let double = one();
    let once = on(&double, "-o json stats server").done();
    let before = double.calls().len();
    let mut err = Vec::new();
    let words = "--output json stats server --watch 0.1";
    // Room for two answers, each on a line of its own and so shorter than `once`.
    let code = speedmimi_ctl::run_to(command(&double.endpoint, words), &mut Leaving { left: once.len() }, &mut err);
    assert_eq!((code, err.as_slice()), (0, &b""[..]));
    let asked: Vec<Call> = double.calls().split_off(before);
    let Some(Call::WatchStats(request)) = asked.first() else { panic!("{asked:?}") };
    assert_eq!(request.interval, Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }));
}
