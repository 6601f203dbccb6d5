//! From text to a valid configuration, or to every fault.

use std::collections::BTreeMap;

use crate::across;
use crate::config::{AccessFormat, AccessLog, Config, Conflict, Level, Log, LogFormat, Spelled, State};
use crate::fault::Faults;
use crate::fields;
use crate::read::{At, Section, Sink};
use crate::rules;
use crate::tree::{self, Value};

mod backends;
mod check;
pub(crate) mod later;
mod management;
mod object;
mod routing;
mod server;

pub(crate) use object::object;

/// Reads a configuration, YAML or JSON. The name of the file is the caller's to print beside the faults.
pub fn parse(_file_name: &str, text: &str) -> Result<Config, Faults> {
    whole(&tree::read(text).map_err(|fault| Faults(vec![fault]))?)
}

/// Reads a document that [`Config::to_json`] made, however large: what we wrote ourselves has no bounds but those of
/// the file that it came from. Faults have no places.
pub fn from_json(document: &serde_json::Value) -> Result<Config, Faults> {
    whole(&tree::Node::from_json(document))
}

fn whole(root: &tree::Node) -> Result<Config, Faults> {
    let sink = Sink::default();
    let mut config = document(At { sink: &sink, path: "", node: root });
    let faults = sink.into_faults();
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    config.spelled = Spelled::of(root, &config);
    Ok(config)
}

fn document(at: At<'_>) -> Config {
    let mut root = Section::open(at);
    let mut config = Config::default();
    sections(&mut root, &mut config);
    let mut upstreams = BTreeMap::new();
    let before = at.sink.count();
    root.visit("upstreams", |at| backends::upstreams(at, &mut upstreams));
    root.visit("backends", |at| backends::backends(at, &mut upstreams));
    if let Some(policies) = root.at("upstreams") {
        backends::every_policy_has_backends(policies, root.at("backends"));
    }
    let readable = at.sink.count() == before && !matches!(at.node.value, Value::Scalar(_) | Value::Sequence(_));
    if upstreams.is_empty() && readable {
        root.fault("backends", across::no_backend());
    }
    config.upstreams = upstreams;
    // Where groups are not what was meant, neither is what is missing.
    if at.sink.count() == before {
        for key in ["grpc", "admin"] {
            root.at(key).into_iter().for_each(|at| management::dangling(at, &config.upstreams));
        }
    }
    if let Some(routes) = root.read("routing", |at| Some(routing::read(at, &config.upstreams))) {
        config.routes = routes;
    }
    if !root.names("routing") && readable && !config.upstreams.is_empty() && config.implicit_upstream().is_none() {
        root.fault("routing", across::nowhere(&config));
    }
    root.finish();
    config
}

/// Whether a section has this name, now or in a later version.
pub(crate) fn is_section(name: &str) -> bool {
    fields::sections().any(|section| section == name) || later::ROOT.iter().any(|(section, _)| *section == name)
}

/// Reads the sections that stand there.
fn sections(root: &mut Section<'_>, config: &mut Config) {
    root.set("server", &mut config.server, |at| Some(server::read(at)));
    root.set("grpc", &mut config.grpc, |at| Some(management::read(at, 9090, true)));
    root.set("admin", &mut config.admin, |at| Some(management::read(at, 9091, false)));
    root.later(later::ROOT);
    root.set("log", &mut config.log, |at| Some(log(at)));
    root.visit("access_log", |at| config.access_log = access_log(at));
    root.set("state", &mut config.state, |at| Some(state(at)));
}

fn state(at: At<'_>) -> State {
    let mut section = Section::open(at);
    let mut state = State { dir: section.read("dir", |at| at.rule("a path", rules::file)), ..State::default() };
    section.set("persist", &mut state.persist, |at| at.boolean());
    section.set("conflict", &mut state.conflict, |at| {
        at.rule("overlay or file", |text| match text {
            "overlay" => Ok(Conflict::Overlay),
            "file" => Ok(Conflict::File),
            _ => Err(rules::unknown("value", text, &["overlay", "file"])),
        })
    });
    section.finish();
    state
}

fn log(at: At<'_>) -> Log {
    let mut log = Log::default();
    // `log: debug` is short for its level.
    if matches!(at.node.value, Value::Scalar(_)) {
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
    log.file = section.read("file", |at| at.rule("a path", rules::file));
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
    if let Value::Scalar(_) = &at.node.value {
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
    log.file = section.read("file", |at| at.rule("a path", rules::file));
    section.set("sample", &mut log.sample, |at| {
        at.rule("a share", |text| match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
            _ => Err(format!("{text:?} is not a share above 0 and at most 1")),
        })
    });
    section.finish();
    Some(log)
}
