//! The configuration, the process and completions.

use std::ffi::OsString;

use speedmimi_proto::v1::ConfigFormat;

use crate::double::{Call, Double, Script};
use crate::{at, columns, on};

/// Where nobody listens: what is asked here must not need a proxy.
const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn the_document_can_be_written_into_a_file() {
    let double = Double::start(Script::with(vec![]));
    assert_eq!(on(&double, "config get").done(), "server:\n  port: 8080\n");
    assert_eq!(on(&double, "config get --format json").done(), "{\"server\": {\"port\": 8080}}\n");
    let answer = on(&double, "-o json config get").json();
    assert_eq!((&answer["revision"], &answer["has_overlay"]), (&"6".into(), &true.into()));
    assert!(matches!(double.last(), Call::GetConfig(request) if request.format() == ConfigFormat::Json));
}

#[test]
fn a_reload_says_what_differs() {
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, "config reload").done();
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "configuration reloaded (revision 7)",
            "+ backends.api[0]: 127.0.0.1:9",
            "- log.level",
            "~ server.port: 80 to 81"
        ]
    );
    assert!(on(&double, "config reload --dry-run").done().starts_with("configuration would be reloaded"));
    assert!(matches!(double.last(), Call::Reload(request) if request.validate_only));
    assert_eq!(on(&double, "-o json config reload").json()["removed"][0], "log.level");
}

#[test]
fn a_check_needs_no_proxy_and_shows_every_fault() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        at(NOWHERE, &format!("config check -f {}", path.display()))
    };
    let good = "backends:\n  default:\n    - {host: 127.0.0.1, port: 8001}\n";
    assert!(check("good.yaml", good).done().ends_with("good.yaml: valid\n"));
    let bad = "server:\n  port: 99999\nbackends:\n  default:\n    - {host: 127.0.0.1, port: 0}\n";
    let err = check("bad.yaml", bad).failed(6);
    assert!(err.contains("bad.yaml:2:") && err.contains("bad.yaml:5:") && err.contains("2 faults"), "{err}");
    let err = at(NOWHERE, "config check -f no-such-file.yaml").failed(1);
    assert!(err.contains("cannot read no-such-file.yaml"), "{err}");
}

#[test]
fn the_process_is_shown() {
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, "server info").done();
    let rows = columns(&out);
    assert!(rows.contains(&vec!["pid", "42"]) && rows.contains(&vec!["listeners", "main 127.0.0.1:8080"]), "{out}");
    assert_eq!(on(&double, "-o json server info").json()["changes_are_volatile"], true);
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(at(NOWHERE, &format!("completions {shell}")).done().contains("max-conn"), "{shell}");
    }
}

#[test]
fn help_and_version_are_answers() {
    assert!(at(NOWHERE, "backend update --help").done().contains("--max-conn"));
    assert!(at(NOWHERE, "--version").done().starts_with("speedctl "));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(speedmimi_ctl::run_to([OsString::from("speedctl")], &mut out, &mut err), 2);
    assert!(out.is_empty() && !err.is_empty());
}
