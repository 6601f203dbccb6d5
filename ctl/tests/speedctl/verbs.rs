//! Every verb: what its table shows, what its JSON has, how it fails. A verb without a row fails the test.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::Command;
use serde_json::Value;
use tonic::Status;

use crate::double::{Double, Script, entry};
use crate::{at, command, on};

/// How a verb ends by itself.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// Once it has answered.
    Answered,
    /// When nobody reads any more.
    Unread,
}
use Ends::{Answered, Unread};

/// What is asked; what stands in the table; what is in the (first) JSON; how it ends.
type Row = (&'static str, &'static str, &'static str, Ends);

/// `{file}` is a valid configuration.
const ROWS: &[Row] = &[
    ("backend list", "127.0.0.1:8001", "/backends/0/backend/id", Answered),
    ("backend get b1", "effective max_conn", "/backend/status/admin_state", Answered),
    ("backend get b1 --explain", "max_conn", "/fields/0/layer", Answered),
    ("backend add --host h --port 1", "default/h:1 added (revision 7)", "/backend/backend/id", Answered),
    ("backend update b1 --max-conn 5", "default/b1 updated (revision 7)", "/backend/backend/max_conn", Answered),
    ("backend remove b1", "default/b1 removed (revision 7)", "/revision", Answered),
    ("backend enable b1", "default/b1 enabled (revision 7)", "/revision", Answered),
    ("backend disable b1", "default/b1 disabled (revision 7)", "/revision", Answered),
    ("backend disconnect b1", "3 exchanges cut", "/cut", Answered),
    ("backend drain b1", "default/b1 drained after 3s", "/remaining", Answered),
    ("backend watch", "6  is  default/b1", "/resync/backends/0/upstream", Unread),
    ("backend report b1 --cpu-usage 4", "default/b1 report accepted", "/accepted", Answered),
    ("upstream list", "round_robin", "/upstreams/0/upstream/name", Answered),
    ("upstream get api", "first byte timeout", "/upstream/status/available", Answered),
    ("upstream add x", "x added (revision 7)", "/revision", Answered),
    ("upstream update api --connect-timeout 1s", "api updated (revision 7)", "/revision", Answered),
    ("upstream remove api", "api removed (revision 7)", "/revision", Answered),
    ("route list", "app.example", "/routes/0/route/name", Answered),
    ("route get app", "app.example", "/route/route/upstream", Answered),
    ("route explain --path /", "judged by", "/candidates/0/backend_id", Answered),
    ("route add x --upstream default", "x added (revision 7)", "/revision", Answered),
    ("route update app --upstream api", "app updated (revision 7)", "/revision", Answered),
    ("route remove app", "app removed (revision 7)", "/revision", Answered),
    ("config get", "port: 8080", "/hash", Answered),
    (
        "config get --explain",
        "# backends.default.b1.max_conn: 200 (overlay: ann",
        "/sources/0/fields/0/value",
        Answered,
    ),
    ("config diff", "backends.default.b1", "/overlay/0/object", Answered),
    ("config apply -f {file}", "configuration applied (revision 7)", "/differences/0/path", Answered),
    ("config export", "port: 8080", "/server/port", Answered),
    ("config clear --all", "overlay cleared (revision 7)", "/differences/0/path", Answered),
    ("config reload", "configuration reloaded (revision 7)", "/conflicts/0", Answered),
    ("config history", "ApplyConfig", "/revisions/0/who", Answered),
    ("config rollback 3", "rolled back to revision 3", "/revision", Answered),
    ("config watch", "revision 6 is in force", "/resync/differences/0/path", Unread),
    ("config check -f {file}", ": valid", "/valid", Answered),
    ("stats server", "1234", "/requests", Answered),
    ("stats upstream api", "available", "/available", Answered),
    ("stats backend", "admitted", "/admitted", Answered),
    ("stats server --watch 0.1", "1234", "/requests", Unread),
    ("stats upstream api --watch 0.1", "available", "/available", Unread),
    ("stats backend b1 --watch 0.1", "admitted", "/admitted", Unread),
    ("stream list", "GET /events", "/streams/0/id", Answered),
    ("stream list --watch 0.1", "GET /events", "/streams/0/id", Unread),
    ("stream kill 0-3", "3 exchanges ended", "/killed", Answered),
    ("server info", "42", "/pid", Answered),
    ("server drain", "2 exchanges in flight", "/active", Answered),
    ("server log-level warn", "log level is warn", "/level", Answered),
    ("events", "config-changed", "/severity", Unread),
    ("completions bash", "speedctl", "", Answered),
];

/// Verbs that ask no proxy, with a call that fails, and its code.
const LOCAL: &[(&str, &str, u8)] =
    &[("config check", "config check -f no-such-file.yaml", 1), ("completions", "completions nosuch", 2)];

/// The verbs, as they are written.
fn leaves(command: &Command, words: &str, found: &mut BTreeSet<String>) {
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() {
        found.insert(words.trim_start().to_owned());
    }
    for command in below {
        leaves(command, &format!("{words} {}", command.get_name()), found);
    }
}

fn is_of(words: &str, verb: &str) -> bool {
    words.strip_prefix(verb).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// An output whose reader leaves once it has read something.
struct Until<'a> {
    text: Vec<u8>,
    wanted: &'a str,
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if String::from_utf8_lossy(&self.text).contains(self.wanted) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a verb printed, until it ended or until `wanted` was there.
fn printed(double: &Double, words: &str, wanted: &str, ends: Ends) -> String {
    if ends == Answered {
        return on(double, words).done();
    }
    let mut out = Until { text: Vec::new(), wanted };
    let code = speedmimi_ctl::run_to(command(&double.endpoint, words), &mut out, &mut Vec::new());
    assert_eq!(code, 0, "{words}: a reader that leaves is no fault");
    String::from_utf8(out.text).expect("output is UTF-8")
}

#[test]
fn every_verb_has_a_row() {
    let mut verbs = BTreeSet::new();
    leaves(&speedmimi_ctl::command(), "", &mut verbs);
    assert!(verbs.contains("backend list") && verbs.contains("events"), "{verbs:?}");
    for verb in &verbs {
        assert!(ROWS.iter().any(|(words, ..)| is_of(words, verb)), "speedctl {verb} has no row");
    }
    for (words, ..) in ROWS {
        assert!(verbs.iter().any(|verb| is_of(words, verb)), "{words} is no verb");
    }
    for (verb, ..) in LOCAL {
        assert!(verbs.contains(*verb), "{verb} is no verb");
    }
}

#[test]
fn every_verb_has_a_table_json_and_a_failure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("c.yaml");
    std::fs::write(&file, "backends:\n  default:\n    - {host: 127.0.0.1, port: 8001}\n").expect("the folder is ours");
    let double = Double::start(Script::with(vec![entry("default", "b1")]));
    let refusing = Double::start(Script::refusing(Status::not_found("no such thing")));
    for (words, cell, pointer, ends) in ROWS {
        let words = words.replace("{file}", &file.display().to_string());
        let table = printed(&double, &words, cell, *ends);
        assert!(table.contains(cell), "{words}: {cell:?} in {table}");
        if !pointer.is_empty() {
            let json = printed(&double, &format!("-o json {words}"), "\n", *ends);
            let first = serde_json::Deserializer::from_str(&json).into_iter::<Value>().next();
            let first =
                first.unwrap_or_else(|| panic!("{words}: no JSON")).unwrap_or_else(|e| panic!("{words}: {e}: {json}"));
            assert!(first.pointer(pointer).is_some_and(|value| !value.is_null()), "{words}: {pointer} in {first:#}");
        }
        if let Some((_, failing, code)) = LOCAL.iter().find(|(verb, ..)| is_of(&words, verb)) {
            let err = at("127.0.0.1:1", failing).failed(*code);
            assert!(err.starts_with("error"), "{failing}: {err}");
            continue;
        }
        let err = on(&refusing, &words).failed(4);
        assert!(err.contains("no such thing"), "{words}: {err}");
    }
}
