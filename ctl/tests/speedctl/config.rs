//! The configuration, the process and completions.

use std::os::unix::fs::PermissionsExt as _;

use std::ffi::OsString;

use speedmimi_proto::v1::{ConfigFormat, ConfigLayer, MutationOptions};

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

const DIFFERENCES: [&str; 3] =
    ["+ backends.api.b9.host: 127.0.0.1", "~ backends.default.b1.max_conn: 100 → 200", "- log.level: debug"];

fn same() -> Double {
    Double::start(Script { same: true, ..Script::with(vec![]) })
}

#[test]
fn a_layer_can_be_asked_for_and_be_explained() {
    let double = Double::start(Script::with(vec![]));
    on(&double, "config get --layer file").done();
    assert!(matches!(double.last(), Call::GetConfig(request) if request.layer() == ConfigLayer::File));
    let out = on(&double, "config get --explain").done();
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "server:",
            "  port: 8080",
            "# where each value comes from:",
            "# backends.default.b1.max_conn: 200 (overlay: ann, 2001-09-09T01:46:40Z, revision 5; the file says 100)",
            "# backends.default.b1.host: 127.0.0.1 (file)",
            "# backends.default.b1.name:  (default)",
            "# over the file:",
            "# - routing.old (ann, 2001-09-09T01:46:40Z, revision 5)",
            "# ! routing.old has no effect now: the file has no such route",
            "# * the file was changed here since and says something else; what was set through the API holds",
        ]
    );
    assert_eq!(on(&double, "-o json config get --explain").json()["overlay"][1]["kind"], "OVERLAY_KIND_REMOVED");
    on(&double, "config get --explain --format json").failed(2);
    on(&double, "config get --layer observed").failed(2);
}

#[test]
fn what_lies_over_the_file_is_a_table() {
    let out = on(&Double::start(Script::with(vec![])), "config diff").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["CHANGE", "OBJECT", "FIELD", "FILE", "VALUE", "WHO", "WHEN", "REVISION"]);
    assert_eq!(rows[1], ["~*", "backends.default.b1", "max_conn", "100", "200", "ann", "2001-09-09T01:46:40Z", "5"]);
    assert_eq!(rows[2], ["-", "routing.old", "-", "-", "-", "ann", "2001-09-09T01:46:40Z", "5"]);
    let notes: Vec<&str> = out.lines().skip(3).collect();
    let problem = "! routing.old has no effect now: the file has no such route";
    let legend = "* the file was changed here since and says something else; what was set through the API holds";
    assert_eq!(notes, [problem, legend], "{out}");
    let json = on(&Double::start(Script::with(vec![])), "-o json config diff").json();
    assert_eq!(json["overlay"][0]["conflict"], true, "{json}");
    assert_eq!(json["overlay"][0]["fields"][0]["conflict"], true, "{json}");
    assert_eq!(on(&same(), "config diff").done(), "nothing lies over the file\n");
    assert_eq!(on(&same(), "-o json config diff").json()["hash"], "00c0ffee00c0ffee");
}

#[test]
fn a_document_is_applied_and_the_differences_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("next.yaml");
    std::fs::write(&path, "server: {port: 1}\n").expect("the folder is ours");
    let words = format!("config apply -f {}", path.display());
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, &words).done();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("configuration applied (revision 7)"));
    assert_eq!(lines.collect::<Vec<_>>(), DIFFERENCES);
    assert!(matches!(double.last(), Call::Apply(request) if request.document == "server: {port: 1}\n"));
    let out = on(&double, &format!("{words} --dry-run --expected-revision 6")).done();
    assert!(out.starts_with("configuration would be applied (dry run, revision 7)\n"), "{out}");
    let Call::Apply(request) = double.last() else { panic!("{:?}", double.last()) };
    let options = MutationOptions { validate_only: true, expected_revision: Some(6), request_id: String::new() };
    assert_eq!(request.options, Some(options));
    assert!(on(&same(), &words).done().ends_with("\nnothing changes\n"));
    let answer = on(&double, &format!("-o json {words}")).json();
    assert_eq!(answer["differences"][1]["after"], "200");
    let refusing = Double::start(Script::refusing(tonic::Status::invalid_argument("backends: document:1:1: no")));
    let err = on(&refusing, &words).failed(6);
    assert!(err.contains("next.yaml:1:") && !err.contains("document"), "{err}");
    assert!(on(&double, "config apply -f no-such-file.yaml").failed(1).contains("cannot read no-such-file.yaml"));
    on(&double, "config apply").failed(2);
}

#[test]
fn an_export_is_the_document_or_a_whole_file() {
    let double = Double::start(Script::with(vec![]));
    assert_eq!(on(&double, "config export").done(), "server:\n  port: 8080\n");
    assert_eq!(on(&double, "config export --format json").done(), "{\"server\": {\"port\": 8080}}\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out.yaml");
    std::fs::write(&path, "what was there before, and is longer than what comes\n").expect("the folder is ours");
    let out = on(&double, &format!("config export -f {}", path.display())).done();
    assert!(out.contains("revision 6") && out.contains("00c0ffee00c0ffee"), "{out}");
    assert_eq!(std::fs::read_to_string(&path).expect("it was written"), "server:\n  port: 8080\n");
    assert_eq!(std::fs::read_dir(folder.path()).expect("ours").count(), 1, "nothing is left beside it");
    let new = folder.path().join("new.yaml");
    on(&double, &format!("config export -f {}", new.display())).done();
    let mode = std::fs::metadata(&new).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o077, 0, "it may have secrets in it: {mode:o}");
    let err = on(&double, &format!("config export -f {}/no/such/out.yaml", folder.path().display())).failed(1);
    assert!(err.contains("cannot write"), "{err}");
}

#[test]
fn the_history_is_a_table_or_told_in_full() {
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, "config history").done();
    let rows = columns(&out);
    assert_eq!(rows[0], ["REVISION", "WHEN", "WHO", "FROM", "WHAT", "CHANGES"]);
    assert_eq!(rows[1][..5], ["6", "2001-09-09T01:46:40Z", "ann", "127.0.0.1", "ApplyConfig"]);
    assert!(
        out.lines().nth(1).is_some_and(|line| line.ends_with("+ backends.api.b9.host: 127.0.0.1 and 2 more")),
        "{out}"
    );
    assert!(matches!(double.last(), Call::History(request) if request.page_size == 20));
    let out = on(&double, "config history --limit 5 --changes").done();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("revision 6: ApplyConfig (ann from 127.0.0.1, 2001-09-09T01:46:40Z)"));
    assert_eq!(lines.by_ref().take(3).map(str::trim).collect::<Vec<_>>(), DIFFERENCES);
    assert!(matches!(double.last(), Call::History(request) if request.page_size == 5));
    assert_eq!(on(&double, "-o json config history").json()["revisions"][1]["what"], "first start");
    on(&double, "config history --limit 0").failed(2);
    let refusing = Double::start(Script::refusing(tonic::Status::permission_denied("not yours")));
    assert!(on(&refusing, "config history").failed(1).contains("not yours"));
}

#[test]
fn a_rollback_names_its_revision_and_tells_what_it_changes() {
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, "config rollback 3").done();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("configuration rolled back to revision 3 (revision 7)"));
    assert_eq!(lines.collect::<Vec<_>>(), DIFFERENCES);
    on(&double, "config rollback 3 --dry-run --expected-revision 6 --request-id x").done();
    let Call::Rollback(request) = double.last() else { panic!("{:?}", double.last()) };
    let options = MutationOptions { validate_only: true, expected_revision: Some(6), request_id: "x".into() };
    assert_eq!((request.revision, request.options), (3, Some(options)));
    assert_eq!(on(&double, "-o json config rollback 3").json()["revision"], "7");
    on(&double, "config rollback").failed(2);
    on(&double, "config rollback 0").failed(2);
    let refusing = Double::start(Script::refusing(tonic::Status::not_found("there is no revision 3")));
    assert!(on(&refusing, "config rollback 3").failed(4).contains("there is no revision 3"));
}

#[test]
fn changes_are_forgotten_all_or_by_object_or_by_field() {
    let double = Double::start(Script::with(vec![]));
    for (words, first, sent) in [
        (" --all", "overlay cleared (revision 7)", ("", "")),
        (" backends.default.b1", "backends.default.b1 cleared (revision 7)", ("backends.default.b1", "")),
        (" log level", "log.level cleared (revision 7)", ("log", "level")),
    ] {
        let out = on(&double, &format!("config clear{words}")).done();
        let mut lines = out.lines();
        assert_eq!(lines.next(), Some(first));
        assert_eq!(lines.collect::<Vec<_>>(), DIFFERENCES);
        let Call::Clear(request) = double.last() else { panic!("{:?}", double.last()) };
        assert_eq!((request.object.as_str(), request.field.as_str()), sent);
    }
    let out = on(&double, "config clear --all --dry-run").done();
    assert!(out.starts_with("overlay would be cleared (dry run"), "{out}");
    assert_eq!(on(&double, "-o json config clear --all").json()["revision"], "7");
}

#[test]
fn everything_is_forgotten_only_when_it_is_said() {
    let double = Double::start(Script::with(vec![]));
    // Words are split at spaces: the last one of the second and the fourth is empty, as a variable that is not set.
    for words in ["config clear", "config clear ", "config clear --dry-run", "config clear backends.default.b1 "] {
        let err = on(&double, words).failed(2);
        assert!(err.contains("config clear OBJECT [FIELD]") && err.contains("config clear --all"), "{words}: {err}");
    }
    on(&double, "config clear --all backends.default.b1").failed(2);
    assert!(double.calls().is_empty(), "nobody was asked");
}

#[test]
fn the_format_of_an_export_is_what_was_asked_for() {
    let double = Double::start(Script::with(vec![]));
    assert_eq!(on(&double, "-o json config export").json()["server"]["port"], 8080);
    assert_eq!(on(&double, "-o yaml config export").done(), "server:\n  port: 8080\n");
    assert_eq!(on(&double, "-o json config export --format yaml").done(), "server:\n  port: 8080\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, begins) in [("out.json", "{"), ("out.yaml", "server:")] {
        let path = folder.path().join(name);
        // How the answer is written says nothing about the file.
        let answer = on(&double, &format!("-o json config export -f {}", path.display())).json();
        assert_eq!(answer["hash"], "00c0ffee00c0ffee");
        let written = std::fs::read_to_string(&path).expect("it was written");
        assert!(written.starts_with(begins), "{written}");
    }
}

#[test]
fn a_reload_says_what_differs() {
    let double = Double::start(Script::with(vec![]));
    let out = on(&double, "config reload").done();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("configuration reloaded (revision 7)"));
    assert_eq!(lines.by_ref().take(3).collect::<Vec<_>>(), DIFFERENCES);
    assert_eq!(lines.collect::<Vec<_>>(), ["! backend default/b1: max_conn"]);
    let out = on(&double, "config reload --dry-run --expected-revision 6").done();
    assert!(out.starts_with("configuration would be reloaded"), "{out}");
    let Call::Reload(request) = double.last() else { panic!("{:?}", double.last()) };
    let options = MutationOptions { validate_only: true, expected_revision: Some(6), request_id: String::new() };
    assert_eq!(request.options, Some(options));
    assert_eq!(on(&double, "-o json config reload").json()["differences"][2]["path"], "log.level");
    assert!(on(&same(), "config reload").done().ends_with("\nnothing changes\n"));
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
    let checked = at(NOWHERE, &format!("-o json config check -f {}/bad.yaml", folder.path().display()));
    let value: serde_json::Value = serde_json::from_str(&checked.out).expect("JSON");
    assert_eq!((checked.code, &value["valid"], &value["faults"][0]["line"]), (6, &false.into(), &2.into()));
    assert_eq!((&value["faults"][0]["field"], &value["faults"][1]["line"]), (&"server.port".into(), &5.into()));
    assert!(checked.err.contains("2 faults"), "{}", checked.err);
    let value = at(NOWHERE, &format!("-o json config check -f {}/good.yaml", folder.path().display())).json();
    assert_eq!((&value["valid"], &value["faults"]), (&true.into(), &serde_json::json!([])));
    assert!(value["file"].as_str().is_some_and(|file| file.ends_with("good.yaml")), "{value}");
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
