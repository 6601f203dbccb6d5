//! A broken file: every fault at once, each with its place, and nothing starts.

use super::speedmimi;

/// A file in which each faulty line ends in a comment `# fault: WORD`; WORD must stand in the message about it.
const BROKEN: &[(&str, &str)] = &[
    (
        "unknown keys",
        "server:\n  prot: 8080 # fault: prot\nbackends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      wieght: 5 # fault: wieght\n",
    ),
    (
        "duplicate keys",
        "server:\n  port: 8080\n  port: 8081 # fault: port\nbackends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      host: 127.0.0.2 # fault: host\n",
    ),
    (
        "dangling references",
        "backends:\n  default:\n    - {host: 127.0.0.1, port: 8081}\nrouting:\n  one:\n    upstream: nowhere # fault: nowhere\n  two:\n    path: /two\n    upstream: elsewhere # fault: elsewhere\n",
    ),
    (
        "out of range",
        "server:\n  port: 70000 # fault: port\nbackends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      weight: 1001 # fault: weight\n    - host: 127.0.0.1\n      port: 8082\n      weight: 0 # fault: weight\n",
    ),
    (
        "wrong types",
        "server:\n  port: many # fault: port\n  trusted_proxies: 5 # fault: trusted_proxies\nbackends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      active: perhaps # fault: active\n",
    ),
    (
        "durations",
        "server:\n  read_timeout: soon # fault: read_timeout\n  write_timeout: -5s # fault: write_timeout\nbackends:\n  default:\n    - {host: 127.0.0.1, port: 8081}\nupstreams:\n  default:\n    timeouts:\n      connect: 3 parsecs # fault: connect\n",
    ),
    (
        "names",
        "backends:\n  default:\n    - id: one\n      host: 127.0.0.1\n      port: 8081\n    - id: one # fault: one\n      host: 127.0.0.1\n      port: 8082\nupstreams:\n  default:\n    load_balancer: luck # fault: luck\n",
    ),
    (
        "addresses",
        "server:\n  trusted_proxies:\n    - 10.0.0.0/33 # fault: 10.0.0.0/33\n    - nonsense # fault: nonsense\nbackends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      scheme: gopher # fault: gopher\n",
    ),
    (
        "health checks",
        "backends:\n  default:\n    - host: 127.0.0.1\n      port: 8081\n      health_check:\n        type: prayer # fault: prayer\n        failures: 0 # fault: failures\n        interval: 0s # fault: interval\n",
    ),
    ("missing keys", "backends:\n  default:\n    - port: 8081 # fault: host\n    - host: 127.0.0.1 # fault: port\n"),
    (
        "of a later version",
        "ssl:\n  enabled: true # fault: not available in this version\nbackends:\n  default:\n    - {host: 127.0.0.1, port: 8081}\nupstreams:\n  default:\n    queue:\n      size: 5 # fault: not available in this version\noverload:\n  retry_after: 5 # fault: not available in this version\n",
    ),
    (
        "an open door to management",
        "server:\n  port: none # fault: port\nbackends:\n  default:\n    - {host: 127.0.0.1, port: 8081}\ngrpc:\n  host: 0.0.0.0 # fault: loopback\nadmin:\n  host: 10.1.2.3 # fault: loopback\n",
    ),
];

#[test]
fn check_names_every_fault_with_its_place() {
    let mut wrong = Vec::new();
    for (name, yaml) in BROKEN {
        let ended = speedmimi(&["check", "-c"], yaml);
        if ended.code != Some(64) {
            wrong.push(format!("{name}: exit code {:?}", ended.code));
        }
        let text = format!("{}\n{}", ended.out, ended.err);
        for (number, line) in (1..).zip(yaml.lines()) {
            let Some((_, word)) = line.split_once("# fault: ") else { continue };
            let place = format!("config.yaml:{number}:");
            let column = text.split(&place).nth(1).and_then(|rest| rest.chars().next());
            if !column.is_some_and(|first| first.is_ascii_digit()) {
                wrong.push(format!("{name}: no {place}COLUMN for {word}"));
            }
            if !text.contains(word) {
                wrong.push(format!("{name}: {word} is not named"));
            }
            let snippet = line.split('#').next().unwrap_or_default().trim();
            if !text.contains(snippet) {
                wrong.push(format!("{name}: no snippet of {snippet:?}"));
            }
        }
        if wrong.last().is_some_and(|last| last.starts_with(name)) {
            wrong.push(format!("{name} said:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn run_refuses_the_same_files_with_the_same_words() {
    for (name, yaml) in BROKEN {
        let checked = speedmimi(&["check", "-c"], yaml);
        let ended = speedmimi(&["run", "--announce", "-c"], yaml);
        assert_eq!(ended.code, Some(64), "{name}: {ended:#?}");
        assert!(!ended.out.contains("ready"), "{name}: {ended:#?}");
        let places = |text: &str| text.matches("config.yaml:").count();
        let (of_check, of_run) = (places(&checked.out) + places(&checked.err), places(&ended.out) + places(&ended.err));
        assert_eq!(of_run, of_check, "{name}: run names as many faults as check");
    }
}

#[test]
fn the_defaults_of_later_versions_are_accepted() {
    let yaml = "ssl: {enabled: false, cert_file: certs/server.crt, key_file: certs/server.key}\n\
                backends:\n  default:\n    - {host: 127.0.0.1, port: 8081, backup: false}\n\
                upstreams:\n  default:\n    queue: {size: 0}\n    slow_start: 0s\n";
    speedmimi(&["check", "-c"], yaml).assert_code(0);
}

#[test]
fn text_that_is_no_yaml_is_a_fault_with_a_place() {
    for yaml in ["backends: [\n", "server:\n\tport: 1\n", "a: b: c\n", "- 1\n", ""] {
        let ended = speedmimi(&["check", "-c"], yaml).assert_code(64);
        assert!(format!("{}{}", ended.out, ended.err).contains("config.yaml"), "{yaml:?}: {ended:#?}");
    }
}

#[test]
fn a_valid_file_passes_the_check() {
    let yaml = crate::harness::Config::one(crate::harness::refused()).yaml();
    speedmimi(&["check", "-c"], &yaml).assert_code(0);
}
