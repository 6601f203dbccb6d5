//! The audit log: one line for each change, and for each call that was refused: who, from where, what, before and
//! after, and what came of it. It has a target of its own, `audit`, and is written whatever the level of the log is.

use std::fmt::Write as _;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::Value;
use speedmimi_model::{Change, Config, Difference, Object, Selector, hide};

use super::caller::Caller;
use super::code::Code;
use super::error::Refused;
use super::operation::{Done, Operation};
use super::store::{Admin, Guard};
use crate::access::Renewed;

/// The target of its lines.
pub const TARGET: &str = "audit";
/// Longest value of a field, in bytes.
const LONGEST: usize = 1024;
/// The object of what is about the whole configuration.
pub const EVERYTHING: &str = "configuration";
/// The object of what is about how much the log says.
pub const LOG_LEVEL: &str = "log.level";
/// The object of what is about the process.
pub const SERVER: &str = "server";
/// The object of what is about exchanges, before what tells which ones.
pub const STREAMS: &str = "streams";

/// A line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Who asked, from where, and for which verb.
    pub by: &'a Caller,
    /// What it is about: `backend default/b1`, [`EVERYTHING`].
    pub object: &'a str,
    /// The fields that were changed, as they were.
    pub before: &'a str,
    /// The same, as they are.
    pub after: &'a str,
    /// The revision it came to, or why it was refused: a code and words.
    pub result: Result<u64, (&'a str, &'a str)>,
    /// Whether it was only tried.
    pub validate_only: bool,
    /// The caller's own name for it.
    pub request_id: &'a str,
}

/// Writes a line; values are cut, and nothing in them steers a terminal.
pub fn write(line: Line<'_>) {
    let Line { by, object, before, after, result, validate_only, request_id } = line;
    let [who, from, verb] = [&by.who, &by.from, by.asks].map(clean);
    let [object, before, after, request_id] = [object, before, after, request_id].map(clean);
    // As texts, which every format of the log puts between quotes: none can pass for another field.
    match result {
        Ok(revision) => tracing::info!(
            target: TARGET, who, from, verb, object, before, after, result = "ok", revision, validate_only, request_id,
            "audit"
        ),
        Err((code, error)) => tracing::warn!(
            target: TARGET, who, from, verb, object, result = code, error = clean(error), validate_only, request_id,
            "audit"
        ),
    }
}

/// What a call did that makes no revision, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deed {
    /// What it was done to.
    pub object: String,
    /// How it was.
    pub before: String,
    /// How it is.
    pub after: String,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// It is not known who calls.
    Unauthenticated,
    /// The caller may not.
    PermissionDenied,
    /// Nobody could: there is no such thing to call.
    Unimplemented,
}

/// What is known of a call that was not let in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried<'a> {
    /// What it is about, as far as that is known without reading it.
    pub object: &'a str,
    /// Whether it only tried; none where it was not read.
    pub validate_only: Option<bool>,
    /// The caller's own name for it; none where it was not read.
    pub request_id: Option<&'a str>,
}

/// Writes that a call was refused before it was taken; a flood of them is cut, and counted. `verb`: as it was asked
/// for, known or not.
pub fn barred(by: &Caller, verb: &str, tried: Tried<'_>, why: Barred, error: &str) {
    static UNKNOWN: Mutex<Allowance> = Mutex::new(Allowance::new(200.0, 1.0));
    static DENIED: Mutex<Allowance> = Mutex::new(Allowance::new(1000.0, 20.0));
    let (code, allowance) = match why {
        Barred::Unauthenticated => (Code::Unauthenticated, &UNKNOWN),
        Barred::PermissionDenied => (Code::PermissionDenied, &DENIED),
        Barred::Unimplemented => (Code::Unimplemented, &DENIED),
    };
    let Some(left_out) = allowance.lock().take(Instant::now()) else { return };
    let Tried { object, validate_only, request_id } = tried;
    let [who, from, verb, object, error] = [&*by.who, &by.from, verb, object, error].map(clean);
    let (result, request_id) = (code.as_str(), request_id.map(clean));
    tracing::warn!(
        target: TARGET, who, from, verb, object, result, error, validate_only, request_id, left_out, "audit"
    );
}

/// How many lines may be written: so many at once, and so many a second.
#[derive(Debug)]
struct Allowance {
    most: f64,
    a_second: f64,
    left: f64,
    last: Option<Instant>,
    left_out: u64,
}

impl Allowance {
    const fn new(most: f64, a_second: f64) -> Self {
        Self { most, a_second, left: most, last: None, left_out: 0 }
    }

    /// Takes one, and says how many were left out since the last; or leaves it out.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = self.last.map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.left = (self.left + passed * self.a_second).min(self.most);
        self.last = Some(now);
        if self.left < 1.0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// The line of what was done, or of why it was not.
pub(super) fn operation(guard: &Guard, operation: &Operation, result: &Result<Done, Refused>, request_id: &str) {
    let object = match result {
        Ok(Done { object: Some(object), .. }) => object.to_string(),
        _ => about(operation),
    };
    let values = match (operation, result) {
        (_, Err(_)) => Default::default(),
        (Operation::Disconnect { upstream, id, .. }, Ok(done)) => {
            let [before, after] = admin_states(done, upstream, id).map(admin_state);
            [before, format!("{after}, {} exchanges ended", done.cut)]
        }
        (Operation::Drain { upstream, id, .. }, Ok(done)) => drain(done, upstream, id),
        (_, Ok(done)) => with_renewed(done.renewed.as_deref(), changes(done)),
    };
    outcome(guard, &object, result.as_ref().map(|done| done.revision), values, request_id);
}

/// The line of what makes no revision, at this one; or of why it was not done: a code and words.
pub fn aside(guard: &Guard, revision: u64, deed: &Deed, failed: Option<(&str, &str)>, request_id: &str) {
    write(Line {
        by: &guard.by,
        object: &deed.object,
        before: &deed.before,
        after: &deed.after,
        result: failed.map_or(Ok(revision), Err),
        validate_only: guard.validate_only,
        request_id,
    });
}

/// The line of a start that made a revision, since the file was changed while no process ran.
pub(super) fn started(by: &Caller, revision: u64, differences: &[Difference], configs: [&Config; 2]) {
    let [before, after] = values(differences, configs);
    let (before, after) = (before.as_str(), after.as_str());
    write(Line { by, object: EVERYTHING, before, after, result: Ok(revision), validate_only: false, request_id: "" });
}

/// The line of a file that could not be read again.
pub(super) fn unread(guard: &Guard, error: &Refused, request_id: &str) {
    outcome(guard, EVERYTHING, Err(error), Default::default(), request_id);
}

fn outcome(guard: &Guard, object: &str, result: Result<u64, &Refused>, [before, after]: [String; 2], request_id: &str) {
    let error = result.err().map(ToString::to_string).unwrap_or_default();
    write(Line {
        by: &guard.by,
        object,
        before: &before,
        after: &after,
        result: result.map_err(|refused| (refused.code().as_str(), error.as_str())),
        validate_only: guard.validate_only,
        request_id,
    });
}

/// What an operation names.
fn about(operation: &Operation) -> String {
    let change = match operation {
        Operation::Change(change) => change,
        Operation::Disconnect { upstream, id, .. } | Operation::Drain { upstream, id, .. } => {
            return Object::backend(upstream, id).to_string();
        }
        Operation::Plan(_) | Operation::Reload { .. } | Operation::Rollback(_) => return EVERYTHING.into(),
    };
    match &**change {
        Change::Add { object, .. } | Change::Update { object, .. } | Change::Remove { object, .. } => {
            object.to_string()
        }
        Change::Clear(Selector::Object(object)) => object.to_string(),
        Change::Clear(Selector::Field(object, field)) => format!("{object} {field}"),
        Change::Clear(Selector::All) | Change::Apply(_) | Change::Restore(_) => EVERYTHING.into(),
    }
}

/// What operators wanted of a backend before, and what they want now; none where there is no such backend.
fn admin_states(done: &Done, upstream: &str, id: &str) -> [Option<Admin>; 2] {
    [&done.before, &done.store].map(|store| {
        let backend = store.config().backend(upstream, id)?;
        Some(store.admin_of(upstream, backend))
    })
}

fn admin_state(admin: Option<Admin>) -> String {
    match admin {
        Some(Admin::Enabled) => "admin_state=enabled",
        Some(Admin::Disabled) => "admin_state=disabled",
        Some(Admin::Draining) => "admin_state=draining",
        None => "",
    }
    .to_owned()
}

/// How a backend was, and with what in mind it drains now.
fn drain(done: &Done, upstream: &str, id: &str) -> [String; 2] {
    let [before, after] = [&done.before, &done.store].map(|store| match store.drain_of(upstream, id) {
        Some(drain) => format!("admin_state=draining, {drain}"),
        None => {
            let backend = store.config().backend(upstream, id);
            admin_state(backend.map(|backend| store.admin_of(upstream, backend)))
        }
    });
    // Who looks on changes nothing, and is put down with what is so.
    [before, if done.attached { format!("{after}, as before") } else { after }]
}

/// What a change made of the configuration, and of what operators want of a backend where that is no part of it.
fn changes(done: &Done) -> [String; 2] {
    let differences = &done.differences;
    let [mut before, mut after] = values(differences, [&done.before, &done.store].map(|store| store.config()));
    if let Some(Object::Backend { upstream, id }) = &done.object
        && !differences.iter().any(|one| one.field == "active")
        && let [Some(was), Some(is)] = admin_states(done, upstream, id)
        && was != is
    {
        for (text, admin) in [(&mut before, was), (&mut after, is)] {
            let separator = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{separator}{}", admin_state(Some(admin)));
        }
    }
    let [was, is] = [done.before.revision(), done.store.revision()];
    if before.is_empty() && after.is_empty() && was != is {
        // What is in force already can be pinned over the file, or let go.
        return [format!("revision={was}"), format!("revision={is}, with the same values in force")];
    }
    [before, after]
}

/// What a reload read of tokens and certificates stands before the keys: it says who may manage.
fn with_renewed(renewed: Option<&Renewed>, [before, after]: [String; 2]) -> [String; 2] {
    let Some(Renewed { files, changes, .. }) = renewed.filter(|renewed| !renewed.files.is_empty()) else {
        return [before, after];
    };
    let join = |values: Vec<String>, keys: String| {
        let all = values.into_iter().chain([keys]).filter(|text| !text.is_empty());
        all.collect::<Vec<_>>().join(" ")
    };
    let value = |path: &str, value: &Option<String>| value.as_ref().map(|value| format!("{path}={value:?}"));
    let was = changes.iter().filter_map(|change| value(&change.path, &change.before)).collect();
    let mut is: Vec<String> = changes.iter().filter_map(|change| value(&change.path, &change.after)).collect();
    is.push(format!("read again: {}", files.join(", ")));
    [join(was, before), join(is, after)]
}

/// The values before and after, `key=value` each, as long as they fit; no secrets, whoever is to read it. A key that an
/// object does not have is unset; of an object that is not there nothing is said.
fn values(differences: &[Difference], [old, new]: [&Config; 2]) -> [String; 2] {
    let side = |value: fn(&Difference) -> Option<&Value>, config: &Config| {
        let mut text = String::new();
        for difference in differences {
            let unset = || config.contains(&difference.object).then(|| Value::from("unset"));
            let Some(mut value) = value(difference).cloned().or_else(unset) else { continue };
            let separator = if text.is_empty() { "" } else { " " };
            hide(&difference.path, &mut value);
            let _ = write!(text, "{separator}{}={value}", difference.path);
            if text.len() > LONGEST {
                break;
            }
        }
        text
    };
    [side(|one| one.old.as_ref(), old), side(|one| one.new.as_ref(), new)]
}

/// A value on one line and of bounded length.
fn clean(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).find(|&at| at >= LONGEST);
    let mut shown: String =
        text[..end.unwrap_or(text.len())].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end.is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut allowance = Allowance::new(3.0, 1.0);
        let now = Instant::now();
        let taken: Vec<_> = (0..5).map(|_| allowance.take(now)).collect();
        assert_eq!(taken, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(allowance.take(now + Duration::from_secs(1)), Some(2));
    }

    #[test]
    fn a_line_says_what_changed_and_no_secret() {
        let object = Object::Route("r".into());
        let differs = |field: &str, old: Option<&str>, new: Option<&str>| Difference {
            object: object.clone(),
            field: field.into(),
            path: format!("routing.r.{field}"),
            old: old.map(|value| json!(value)),
            new: new.map(|value| json!(value)),
        };
        let found =
            [differs("headers.request.set.x-key", Some("hunter2"), None), differs("upstream", Some("a"), Some("b"))];
        let config = Config::default();
        let [before, after] = values(&found, [&config, &config]);
        let told = "routing.r.headers.request.set.x-key=\"***\" routing.r.upstream=\"a\"";
        assert_eq!((before.as_str(), after.as_str()), (told, "routing.r.upstream=\"b\""));
    }

    #[test]
    fn values_are_short_and_on_one_line() {
        assert_eq!(clean("a\nb\u{1b}[2J"), "a b [2J");
        assert!(clean(&"é".repeat(5000)).len() < LONGEST + 8);
    }
}
