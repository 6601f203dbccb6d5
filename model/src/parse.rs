//! From text to a valid configuration, or to every fault.

use std::collections::BTreeMap;

use crate::config::{AccessFormat, AccessLog, Config, Level, Log, LogFormat, Management};
use crate::fault::Faults;
use crate::read::{At, Idle, Section, Sink};
use crate::rules;
use crate::tree;

mod backends;
mod check;
mod routing;
mod server;

/// Reads a configuration, YAML or JSON. The name of the file is the caller's to print beside the faults.
pub fn parse(_file_name: &str, text: &str) -> Result<Config, Faults> {
    let root = tree::read(text).map_err(|fault| Faults(vec![fault]))?;
    let sink = Sink::default();
    let config = document(At { sink: &sink, path: "", node: &root });
    let faults = sink.into_faults();
    if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
}

const SSL: &[(&str, Idle)] = &[
    ("enabled", Idle::Is(&["false"])),
    ("cert_file", Idle::Any),
    ("key_file", Idle::Any),
    ("certificates", Idle::Nothing),
    ("client_ca_file", Idle::Nothing),
    ("min_version", Idle::Any),
];

const OVERLOAD: &[(&str, Idle)] = &[
    (
        "memory",
        Idle::Keys(&[
            ("scope", Idle::Is(&["auto", "off"])),
            ("warning", Idle::Is(&["70"])),
            ("reject", Idle::Is(&["80"])),
            ("resume", Idle::Is(&["75"])),
            ("critical", Idle::Is(&["85"])),
        ]),
    ),
    ("swap", Idle::Nothing),
    ("connections", Idle::Nothing),
    ("retry_after", Idle::Is(&["30"])),
    ("message", Idle::Is(&["Server busy, please try again later"])),
];

const STATE: &[(&str, Idle)] =
    &[("dir", Idle::Nothing), ("persist", Idle::Is(&["false"])), ("conflict", Idle::Is(&["overlay"]))];

fn document(at: At<'_>) -> Config {
    let mut root = Section::open(at);
    let mut config = Config::default();
    root.set("server", &mut config.server, |at| Some(server::read(at)));
    root.later("ssl", &Idle::Keys(SSL));
    root.later("listeners", &Idle::Nothing);
    if !root.has("backends") && !root.has("upstreams") {
        root.fault("backends", "there is no backend: name at least one, with host and port");
    }
    let mut upstreams = BTreeMap::new();
    root.visit("upstreams", |at| backends::upstreams(at, &mut upstreams));
    root.visit("backends", |at| backends::backends(at, &mut upstreams));
    config.upstreams = upstreams;
    if let Some(routes) = root.read("routing", |at| Some(routing::read(at, &config.upstreams))) {
        config.routes = routes;
    }
    root.set("grpc", &mut config.grpc, |at| Some(management(at, 9090, true)));
    root.set("admin", &mut config.admin, |at| Some(management(at, 9091, false)));
    root.later("overload", &Idle::Keys(OVERLOAD));
    root.later("state", &Idle::Keys(STATE));
    root.set("log", &mut config.log, |at| Some(log(at)));
    config.access_log = root.read("access_log", access_log);
    root.finish();
    config
}

fn management(at: At<'_>, port: u16, unix: bool) -> Management {
    let mut section = Section::open(at);
    let mut management = Management::on(port);
    section.set("enabled", &mut management.enabled, |at| at.boolean());
    section.set("host", &mut management.host, |at| at.rule("an address", loopback));
    section.set("port", &mut management.port, |at| at.integer(0..=65535).map(|port| port as u16));
    if unix {
        management.unix = section.read("unix", |at| at.text("a path").map(Into::into));
    }
    section.later("tls", &Idle::Nothing);
    section.later("auth", &Idle::Nothing);
    section.finish();
    management
}

/// Management is never open by accident: without TLS and identity, which this version does not have, loopback it is.
fn loopback(text: &str) -> Result<String, String> {
    let host = rules::host(text)?;
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return Ok(host);
    }
    Err(format!(
        "{text:?} is not a loopback address: management beyond this machine needs TLS and identity, which are not available in this version; allowed: 127.0.0.1, ::1, localhost"
    ))
}

fn log(at: At<'_>) -> Log {
    let mut log = Log::default();
    // `log: debug` is short for its level.
    if matches!(at.node.value, tree::Value::Scalar(_)) {
        log.level = at.rule("a level", level).unwrap_or_default();
        return log;
    }
    let mut section = Section::open(at);
    section.set("level", &mut log.level, |at| at.rule("a level", level));
    log.format = section.read("format", |at| {
        at.rule("a format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(rules::unknown("format", text, &["text", "json"])),
        })
    });
    log.file = section.read("file", |at| at.text("a path").map(Into::into));
    section.finish();
    log
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        _ => Err(rules::unknown("level", text, &["error", "warn", "info", "debug", "trace"])),
    }
}

fn access_log(at: At<'_>) -> Option<AccessLog> {
    let mut log = AccessLog { format: AccessFormat::Json, file: None, sample: 1.0 };
    if let tree::Value::Scalar(_) = &at.node.value {
        // `off` is the default, `on` means every default below.
        return match at.text("on or off")? {
            "off" | "false" => None,
            "on" | "true" => Some(log),
            text => {
                at.fault(rules::unknown("value", text, &["on", "off", "a mapping"]));
                None
            }
        };
    }
    let mut section = Section::open(at);
    section.set("format", &mut log.format, |at| {
        at.rule("a format", |text| match text {
            "json" => Ok(AccessFormat::Json),
            "combined" | "template" => Err(format!("{text:?} is not available in this version; allowed: json")),
            _ => Err(rules::unknown("format", text, &["json"])),
        })
    });
    log.file = section.read("file", |at| at.text("a path").map(Into::into));
    section.set("sample", &mut log.sample, |at| {
        at.rule("a share", |text| match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
            _ => Err(format!("{text:?} is not a share above 0 and at most 1")),
        })
    });
    section.finish();
    Some(log)
}
