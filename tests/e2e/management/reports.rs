//! Performance reports are taken in, ordered and shown.

use speedmimi_proto::v1::{Performance, ReportPerformanceRequest, ReportPerformanceResponse};
use tonic::{Code, Status};

use crate::harness::{Config, Management, Proxy, named};

fn report(management: &Management, cpu: f64, epoch: u64, sequence: u64) -> Result<ReportPerformanceResponse, Status> {
    let request = ReportPerformanceRequest {
        backend_id: "b1".into(),
        performance: Some(Performance { cpu_usage: Some(cpu), ..Performance::default() }),
        source: "agent".into(),
        epoch,
        sequence,
        ..ReportPerformanceRequest::default()
    };
    management.call(management.backends().report_performance(request))
}

fn shown(management: &Management) -> Option<Performance> {
    management.status("b1").report.and_then(|report| report.performance)
}

#[test]
fn a_report_is_shown_and_makes_no_revision() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let before = management.status("b1").revision;
    assert!(report(&management, 45.2, 0, 0).expect("a valid report").accepted);
    assert_eq!(shown(&management).and_then(|performance| performance.cpu_usage), Some(45.2));
    assert_eq!(management.status("b1").revision, before);
    proxy.get("/").assert_forwarded(200);
}

#[test]
fn reports_are_partial() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    report(&management, 10.0, 0, 0).expect("a valid report");
    let request = ReportPerformanceRequest {
        backend_id: "b1".into(),
        performance: Some(Performance { memory_usage: Some(20.0), ..Performance::default() }),
        source: "agent".into(),
        ..ReportPerformanceRequest::default()
    };
    management.call(management.backends().report_performance(request)).expect("a valid report");
    let performance = shown(&management).expect("a report");
    assert_eq!((performance.cpu_usage, performance.memory_usage), (Some(10.0), Some(20.0)));
}

#[test]
fn reports_are_ordered_by_epoch_and_sequence() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let cpu = || shown(&management).and_then(|performance| performance.cpu_usage);
    assert!(report(&management, 1.0, 1, 5).expect("valid").accepted);
    assert!(!report(&management, 2.0, 1, 4).expect("valid").accepted, "older");
    assert!(!report(&management, 3.0, 1, 5).expect("valid").accepted, "a repetition");
    assert_eq!(cpu(), Some(1.0));
    assert!(report(&management, 4.0, 2, 1).expect("valid").accepted, "a restarted agent");
    assert!(!report(&management, 5.0, 1, 9).expect("valid").accepted, "of an epoch that is over");
    assert_eq!(cpu(), Some(4.0));
}

#[test]
fn impossible_numbers_are_refused() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    for cpu in [-1.0, 100.5, f64::NAN, f64::INFINITY] {
        let refusal = report(&management, cpu, 0, 0).expect_err("not a percentage");
        assert_eq!(refusal.code(), Code::InvalidArgument, "{cpu}: {refusal:?}");
    }
    assert_eq!(shown(&management), None);
}
