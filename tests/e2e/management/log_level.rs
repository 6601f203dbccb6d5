//! The error log says more for a while, and goes back by itself.

use speedmimi_proto::v1::{
    GetServerInfoRequest, GetServerInfoResponse, LogLevel, MutationOptions, SetLogLevelRequest, SetLogLevelResponse,
};
use tonic::{Code, Status};

use crate::harness::{Config, Management, Proxy, eventually, refused};

fn set(management: &Management, request: SetLogLevelRequest) -> Result<SetLogLevelResponse, Status> {
    management.call(management.server().set_log_level(request))
}

fn info(management: &Management) -> GetServerInfoResponse {
    management.call(management.server().get_server_info(GetServerInfoRequest {})).expect("it runs")
}

fn level(level: LogLevel) -> SetLogLevelRequest {
    SetLogLevelRequest { level: level.into(), ..SetLogLevelRequest::default() }
}

/// Lines that are written at level debug only: a refused connection.
fn details(proxy: &Proxy) -> usize {
    proxy.get("/").assert_refused(502, "connect_failed");
    proxy.log().iter().filter(|line| line.contains("connect failed")).count()
}

#[test]
fn a_level_is_in_force_at_once_and_goes_back_by_itself() {
    let proxy = Proxy::start(&Config::one(refused()));
    let management = proxy.management();
    assert_eq!((info(&management).log_level(), info(&management).log_level_until), (LogLevel::Info, None));
    assert_eq!(details(&proxy), 0);
    let ttl = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let answer = set(&management, SetLogLevelRequest { ttl, ..level(LogLevel::Debug) }).expect("valid");
    assert_eq!((answer.level(), answer.before(), answer.until.is_some()), (LogLevel::Debug, LogLevel::Info, true));
    assert_eq!((info(&management).log_level(), info(&management).log_level_until.is_some()), (LogLevel::Debug, true));
    proxy.wait_log("the log level was set for a while");
    let who = proxy.log().iter().any(|line| line.contains("set for a while") && line.contains("\"who\":"));
    assert!(who, "the line says who it was");
    eventually("details are written", || details(&proxy) > 0);
    proxy.wait_log("the log level went back by itself");
    assert_eq!((info(&management).log_level(), info(&management).log_level_until), (LogLevel::Info, None));
    let before = details(&proxy);
    assert_eq!(details(&proxy), before, "no more details");
}

#[test]
fn a_reset_goes_back_at_once_and_a_try_changes_nothing() {
    let proxy = Proxy::start(&Config::one(refused()).top("log: {level: warn}"));
    let management = proxy.management();
    let options = Some(MutationOptions { validate_only: true, ..MutationOptions::default() });
    let tried = set(&management, SetLogLevelRequest { options, ..level(LogLevel::Trace) }).expect("valid");
    assert_eq!((tried.level(), info(&management).log_level()), (LogLevel::Trace, LogLevel::Warn));
    set(&management, level(LogLevel::Error)).expect("valid");
    proxy.wait_log("the log level was set for a while");
    let reset = SetLogLevelRequest { reset: true, ..SetLogLevelRequest::default() };
    let answer = set(&management, reset).expect("valid");
    assert_eq!((answer.level(), answer.before(), answer.until), (LogLevel::Warn, LogLevel::Error, None));
    assert_eq!(info(&management).log_level(), LogLevel::Warn);
    proxy.wait_log("the log level was set back");
}

#[test]
fn what_cannot_be_is_refused() {
    let proxy = Proxy::start(&Config::one(refused()));
    let management = proxy.management();
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    for wrong in [
        SetLogLevelRequest::default(),
        level(LogLevel::Unspecified),
        SetLogLevelRequest { level: 99, ..SetLogLevelRequest::default() },
        SetLogLevelRequest { reset: true, ..level(LogLevel::Debug) },
        SetLogLevelRequest { ttl: seconds(86_401), ..level(LogLevel::Debug) },
        SetLogLevelRequest { ttl: seconds(-1), ..level(LogLevel::Debug) },
    ] {
        assert_eq!(
            set(&management, wrong.clone()).expect_err("it cannot be").code(),
            Code::InvalidArgument,
            "{wrong:?}"
        );
    }
    assert_eq!(info(&management).log_level(), LogLevel::Info);
}
