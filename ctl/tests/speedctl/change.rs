//! Changing backends: what is sent and what is said.

use speedmimi_proto::v1::{HealthCheck, MutationOptions, UpdateBackendRequest};

use crate::double::{Call, Double, Script, entry};
use crate::on;

fn one() -> Double {
    Double::start(Script::with(vec![entry("default", "backend1")]))
}

fn update(double: &Double, words: &str) -> UpdateBackendRequest {
    let out = on(double, &format!("backend update {words}")).done();
    assert_eq!(out, "default/backend1 updated (revision 7)\n");
    match double.last() {
        Call::Update(request) => request,
        other => unreachable!("an update was asked for, not {other:?}"),
    }
}

fn mask(request: &UpdateBackendRequest) -> Vec<&str> {
    request.update_mask.iter().flat_map(|mask| &mask.paths).map(String::as_str).collect()
}

#[test]
fn every_spelling_changes_the_same() {
    for name in ["", "backend1 ", "default/backend1 ", "--upstream default --id backend1 "] {
        let request = update(&one(), &format!("{name}--max-conn 200"));
        assert_eq!(request.upstream, "default");
        assert_eq!(mask(&request), ["max_conn"]);
        let backend = request.backend.expect("a backend is sent");
        assert_eq!((backend.id.as_str(), backend.max_conn, backend.weight), ("backend1", Some(200), None));
        assert_eq!(request.options, None);
    }
}

#[test]
fn only_what_is_named_is_sent() {
    let request = update(
        &one(),
        "backend1 --name first --host h --port 81 --weight 5 --scheme http --active false --max-conn -1 --label a=b --label c=d",
    );
    assert_eq!(mask(&request), ["name", "host", "port", "weight", "scheme", "active", "max_conn", "labels"]);
    let backend = request.backend.expect("a backend is sent");
    assert_eq!((backend.active, backend.max_conn, backend.port), (Some(false), Some(-1), Some(81)));
    assert_eq!(backend.labels.expect("labels are sent").entries.len(), 2);
    assert_eq!(backend.health_check, None);
}

#[test]
fn a_reset_is_a_mask_without_a_value() {
    let request = update(&one(), "backend1 --reset max-conn --reset health_check --weight 3");
    assert_eq!(mask(&request), ["weight", "max_conn", "health_check"]);
    let backend = request.backend.expect("a backend is sent");
    assert_eq!((backend.max_conn, backend.health_check), (None, None));
    let err = on(&one(), "backend update backend1 --max-conn 1 --reset max-conn").failed(2);
    assert!(err.contains("max_conn is given twice"), "{err}");
}

#[test]
fn parts_of_a_check_keep_the_rest_of_it() {
    let mut known = entry("default", "backend1");
    let check = HealthCheck { path: "/old".to_owned(), failures: 9, ..HealthCheck::default() };
    known.backend.as_mut().expect("it was made with one").health_check = Some(check);
    let double = Double::start(Script::with(vec![known]));
    let request = update(&double, "backend1 --health-path /new --health-interval 1.5s");
    assert_eq!(mask(&request), ["health_check"]);
    let check = request.backend.and_then(|backend| backend.health_check).expect("a check is sent");
    assert_eq!((check.path.as_str(), check.failures), ("/new", 9));
    assert_eq!(check.interval, Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }));
    let expected = request.options.and_then(|options| options.expected_revision);
    assert_eq!(expected, Some(6), "what was built from revision 6 must not meet another");
}

#[test]
fn nothing_to_change_is_a_usage_error() {
    let err = on(&one(), "backend update backend1").failed(2);
    assert!(err.contains("nothing to change"), "{err}");
}

#[test]
fn what_is_no_number_is_told_with_what_is_allowed() {
    for (words, told) in [
        ("update backend1 --weight abc", "1..1000"),
        ("update backend1 --port x", "1..65535"),
        ("update backend1 --max-conn many", "a whole number"),
        ("update backend1 --weight 1 --expected-revision now", "a whole number"),
        ("report backend1 --cpu-usage high", "0..100"),
    ] {
        let err = on(&one(), &format!("backend {words}")).failed(2);
        assert!(err.contains(told) && err.contains("--"), "{words}: {err}");
    }
}

#[test]
fn options_of_a_change_are_sent() {
    let double = one();
    let out = on(&double, "backend update --max-conn 5 --dry-run --expected-revision 6 --request-id again").done();
    assert_eq!(out, "default/backend1 would be updated (dry run, revision 7)\n");
    let Call::Update(request) = double.last() else { panic!("{:?}", double.last()) };
    let options = MutationOptions { validate_only: true, expected_revision: Some(6), request_id: "again".to_owned() };
    assert_eq!(request.options, Some(options));
}

#[test]
fn json_of_a_change_is_the_whole_answer() {
    let answer = on(&one(), "--output json backend update --max-conn 200").json();
    assert_eq!(answer["revision"], "7");
    assert_eq!(answer["backend"]["backend"]["max_conn"], 200);
}

#[test]
fn add_sends_what_it_is_given() {
    let double = one();
    let out = on(&double, "backend add api/b9 --host 10.0.0.9 --port 80 --max-conn 10 --health-path /up").done();
    assert_eq!(out, "api/b9 added (revision 7)\n");
    let Call::Add(request) = double.last() else { panic!("{:?}", double.last()) };
    let backend = request.backend.expect("a backend is sent");
    assert_eq!((request.upstream.as_str(), backend.id.as_str()), ("api", "b9"));
    assert_eq!((backend.host.as_deref(), backend.port, backend.weight), (Some("10.0.0.9"), Some(80), None));
    assert_eq!(backend.health_check.map(|check| check.path).as_deref(), Some("/up"));
}

#[test]
fn add_without_a_name_leaves_naming_to_the_proxy() {
    let double = one();
    let out = on(&double, "backend add --host 10.0.0.9 --port 80 --dry-run").done();
    assert_eq!(out, "default/10.0.0.9:80 would be added (dry run, revision 7)\n");
    assert_eq!(double.calls().len(), 1, "nothing needs to be looked up");
}

#[test]
fn verbs_without_values() {
    let double = one();
    for (words, line) in [
        ("remove", "default/backend1 removed (revision 7)\n"),
        ("enable", "default/backend1 enabled (revision 7)\n"),
        ("disable", "default/backend1 disabled (revision 7)\n"),
        ("disconnect", "default/backend1 disconnected (revision 6), 3 exchanges cut\n"),
    ] {
        assert_eq!(on(&double, &format!("backend {words} --expected-revision 4")).done(), line);
        let options = match double.last() {
            Call::Remove(request) if words == "remove" => request.options,
            Call::Enable(request) if words == "enable" => request.options,
            Call::Disable(request) if words == "disable" => request.options,
            Call::Disconnect(request) if words == "disconnect" => {
                assert!(!request.keep_enabled);
                request.options
            }
            other => panic!("{words} called {other:?}"),
        };
        assert_eq!(options.and_then(|options| options.expected_revision), Some(4), "{words}");
        let answer = on(&double, &format!("-o json backend {words}")).json();
        assert_eq!(answer["backend"]["backend"]["id"], "backend1", "{words}");
    }
}

#[test]
fn what_is_at_work_is_removed_by_force_alone() {
    let double = one();
    on(&double, "backend remove backend1").done();
    assert!(matches!(double.last(), Call::Remove(request) if !request.force));
    on(&double, "backend remove backend1 --force").done();
    assert!(matches!(double.last(), Call::Remove(request) if request.force));
    let told = |words: &str| on(&double, &format!("backend remove backend1{words}")).done();
    assert_eq!(told(" --force"), "default/backend1 removed (revision 7), 3 exchanges cut\n");
    assert!(told(" --force --dry-run").ends_with(", 3 exchanges in flight\n"));
    assert_eq!(told(""), "default/backend1 removed (revision 7)\n", "nothing was cut");
}

#[test]
fn a_check_can_be_switched_off() {
    let request = update(&one(), "backend1 --health-type off");
    assert_eq!(mask(&request), ["health_check"]);
    let check = request.backend.and_then(|backend| backend.health_check).expect("a check is sent");
    assert_eq!(check.r#type(), speedmimi_proto::v1::HealthCheckType::Off);
}

#[test]
fn a_disconnect_can_leave_the_backend_in_use() {
    let double = one();
    on(&double, "backend disconnect backend1 --keep-enabled").done();
    assert!(matches!(double.last(), Call::Disconnect(request) if request.keep_enabled));
}

#[test]
fn a_report_carries_what_was_measured_and_no_more() {
    let double = one();
    let words = "backend report backend1 --cpu-usage 40.5 --load-avg-15 0.2 --queue-depth 3 --custom gpu=0.9 \
                 --source agent --epoch 2 --sequence 5 --ttl 1m";
    assert_eq!(on(&double, words).done(), "default/backend1 report accepted\n");
    let Call::Report(request) = double.last() else { panic!("{:?}", double.last()) };
    let performance = request.performance.expect("it was measured");
    assert_eq!((performance.cpu_usage, performance.load_avg_15), (Some(40.5), Some(0.2)));
    assert_eq!((performance.queue_depth, performance.free_slots), (Some(3), None));
    assert_eq!(performance.custom.get("gpu"), Some(&0.9));
    assert_eq!((request.source.as_str(), request.epoch, request.sequence), ("agent", 2, 5));
    assert_eq!(request.ttl, Some(prost_types::Duration { seconds: 60, nanos: 0 }));
}

#[test]
fn an_old_report_is_said_to_be_one() {
    let double = Double::start(Script { stale_reports: true, ..Script::with(vec![entry("default", "backend1")]) });
    let out = on(&double, "backend report --cpu-usage 1").done();
    assert!(out.contains("ignored"), "{out}");
    let err = on(&double, "backend report").failed(2);
    assert!(err.contains("nothing to report"), "{err}");
}
