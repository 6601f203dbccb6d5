//! The rules of the house that a machine can check: who may import whom (docs: DESIGN of the rooms in README.md), how
//! long a file may be, and what no file may contain. Each test reads the sources and names file and line of a breach.

mod imports;
mod sources;

use sources::{Source, sources};

/// Lines a file may have at most.
const LONGEST: usize = 600;
/// Lines the median file stays under.
const MEDIAN: usize = 150;

fn assert_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[test]
fn crates_depend_only_on_the_rooms_below_them() {
    const MAY: [(&str, &[&str]); 7] = [
        ("proto", &[]),
        ("policy", &[]),
        ("http1", &[]),
        ("model", &["policy", "proto"]),
        ("proxy", &["model", "policy", "http1", "proto"]),
        ("ctl", &["model", "proto"]),
        ("benches", &["proto"]),
    ];
    let mut breaches = Vec::new();
    for (room, may) in MAY {
        let manifest = sources::read(&format!("{room}/Cargo.toml"));
        for line in manifest.lines() {
            let Some(name) = line.strip_prefix("speedmimi-") else { continue };
            let name = name.split(['.', ' ', '=']).next().unwrap_or_default();
            if !may.contains(&name) {
                breaches.push(format!("{room}/Cargo.toml: {line}"));
            }
        }
    }
    assert_none("a room depends on one that it may not know", &breaches);
}

/// The rooms of `proxy/src` that carry traffic.
const DATA_PATH: [&str; 6] = ["worker", "listen", "exchange", "downstream", "upstream", "stream"];

#[test]
fn nothing_that_waits_stands_on_the_data_path() {
    // A worker has one thread: what blocks it, or takes a lock, delays every connection it carries.
    let waits = ["spawn_blocking", "std::fs", "thread::sleep", "Mutex", "RwLock"];
    let mut breaches = Vec::new();
    for source in sources() {
        let room = imports::module(&source.path).and_then(|module| module.into_iter().next());
        if !room.is_some_and(|room| DATA_PATH.contains(&room.as_str())) {
            continue;
        }
        for (number, line) in source.code().filter(|(_, line)| waits.iter().any(|word| line.contains(word))) {
            breaches.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    assert_none("a worker waits", &breaches);
}

#[test]
fn proxy_rooms_import_only_what_they_may_know() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("proxy/src/")) {
        let Some(module) = imports::module(&source.path) else { continue };
        let room = module.first().map_or("", String::as_str);
        let data_path = DATA_PATH.contains(&room);
        for (line, path) in imports::paths(source, &module) {
            let first = path.split("::").next().unwrap_or_default();
            let inner = path.strip_prefix("crate::").unwrap_or_default();
            let target = inner.split("::").next().unwrap_or_default();
            // The mailbox is the seam between control and workers: the one door in each direction.
            let data_target = DATA_PATH.contains(&target) && !inner.starts_with("worker::mailbox");
            let why = match room {
                _ if data_path && ["control", "admin", "health", "app", "cli"].contains(&target) => {
                    "the data path reads snapshots and live state only"
                }
                "control" | "health" if data_target || target == "admin" || first == "tonic" => {
                    "control knows neither the data path nor tonic"
                }
                "admin" if data_target => "admin acts through control",
                _ if first == "speedmimi_proto" && room != "admin" => "admin is the only user of generated types",
                "example" | "telemetry" | "live" | "snapshot" | "reason" if data_target || target == "control" => {
                    "a room below the data path does not look up"
                }
                _ => continue,
            };
            breaches.push(format!("{}:{line}: {path}: {why}", source.path));
        }
    }
    assert_none("imports", &breaches);
}

#[test]
fn one_file_of_the_model_knows_the_yaml_parser() {
    let users: Vec<_> = sources()
        .iter()
        .filter(|source| {
            source.path.starts_with("model/src/") && source.code().any(|(_, l)| l.contains("serde_yaml::"))
        })
        .map(|source| source.path.clone())
        .collect();
    assert!(users.len() <= 1, "the parser can be exchanged only while one file uses it: {users:?}");
}

#[test]
fn files_stay_short() {
    let sources = sources();
    let long: Vec<_> = sources
        .iter()
        .filter(|source| source.lines().count() > LONGEST)
        .map(|source| format!("{}: {} lines", source.path, source.lines().count()))
        .collect();
    assert_none("files over 600 lines (which two ideas does each hold?)", &long);
    let mut lengths: Vec<_> = sources.iter().map(|source| source.lines().count()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < MEDIAN, "the median file has {median} lines");
}

#[test]
fn nothing_unfinished_is_committed() {
    // Put together here, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    let breaches = find(|source| source.lines(), |_, line| marks.iter().any(|mark| line.contains(mark)));
    assert_none("marks of unfinished work", &breaches);
}

#[test]
fn every_silenced_lint_says_why() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            let opens = ["allow", "expect"]
                .iter()
                .any(|word| line.contains(&format!("#[{word}(")) || line.contains(&format!("#![{word}(")));
            if !opens {
                continue;
            }
            let rest: String = source.code().skip_while(|(n, _)| *n < number).take(6).map(|(_, l)| l).collect();
            let attribute = rest.split(")]").next().unwrap_or_default();
            if !attribute.contains("reason") {
                breaches.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("lints silenced without a reason", &breaches);
}

#[test]
fn no_test_is_switched_off_or_asleep() {
    let ignored = concat!("#[", "ignore");
    let sleeps = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];
    // The one place of the end-to-end tests that looks again and again until a condition holds.
    let waiting = "tests/e2e/harness/wait.rs";
    let breaches = find(Source::test_lines, |before, line| {
        // A poll towards a deadline may pause between two looks, and says so: `// sleep: why`.
        let reason = before.contains("// sleep: ") || line.contains("// sleep: ");
        line.contains(ignored) || (!reason && sleeps.iter().any(|sleep| line.contains(sleep)))
    });
    let breaches: Vec<_> = breaches.into_iter().filter(|breach| !breach.starts_with(waiting)).collect();
    assert_none("tests that are ignored, or wait for time instead of a condition", &breaches);
}

#[test]
fn unsafe_code_stands_in_modules_that_say_why() {
    let breaches: Vec<_> = sources()
        .iter()
        .filter(|source| {
            let uses = source.code().any(|(_, line)| line.contains("unsafe {") || line.contains("unsafe fn"));
            uses && !source.code().any(|(_, line)| line.contains("unsafe_code"))
        })
        .map(|source| source.path.clone())
        .collect();
    assert_none("unsafe outside of a module that allows it with a reason", &breaches);
}

/// Places of lines that break a rule; the rule sees the line before, too.
fn find<'a, I, F>(lines: F, breaks: impl Fn(&str, &str) -> bool) -> Vec<String>
where
    F: Fn(&'a Source) -> I,
    I: Iterator<Item = (usize, &'a str)>,
{
    let mut breaches = Vec::new();
    for source in sources() {
        let mut before = "";
        for (number, line) in lines(source) {
            if breaks(before, line) {
                breaches.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
            before = line;
        }
    }
    breaches
}
