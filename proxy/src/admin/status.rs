//! The only place where an error becomes a gRPC status: code, one `ErrorInfo`, and for bad input a `BadRequest` with
//! every violation.

use std::collections::HashMap;

use speedmimi_model::{Change, ChangeError, Faults, Kind, Object, ReloadError, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::entry::source;
use crate::access::{Denied, Needed, Unknown};
use crate::control::{Control, LoadError, Refused, feed, streams};

/// Domain of every `ErrorInfo`.
const DOMAIN: &str = "speedmimi.v1";

/// Fields at fault, gathered until all are known.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// One more.
    pub(super) fn push(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// More of them, but for fields that are named already.
    pub(super) fn extend(&mut self, found: Vec<Violation>) {
        let known = self.0.len();
        for violation in found {
            if !self.0.iter().take(known).any(|one| one.field == violation.field) {
                self.0.push(violation);
            }
        }
    }

    /// Those of a document that is not valid: every fault with its place.
    pub(super) fn extend_with_faults(&mut self, name: &str, faults: &Faults) {
        self.0.extend(places(name, faults));
    }

    /// Refuses when there are any, and then for what the model finds in the rest of the change as well, as far as it
    /// could be read: one answer names every field.
    pub(super) fn check_with(mut self, control: &Control, change: &Change) -> Result<(), Status> {
        if !self.is_empty() {
            self.extend(control.view().store.layers().violations(change));
        }
        self.check()
    }

    /// Refuses when there are any.
    pub(super) fn check(self) -> Result<(), Status> {
        if self.0.is_empty() { Ok(()) } else { Err(invalid(&self.0)) }
    }
}

/// Bad input.
pub(super) fn invalid(violations: &[Violation]) -> Status {
    invalid_in(violations, info("INVALID_FIELDS", []))
}

fn invalid_in(violations: &[Violation], mut details: ErrorDetails) -> Status {
    let text: Vec<_> = violations.iter().map(|found| format!("{}: {}", found.field, found.description)).collect();
    let fields: Vec<_> = violations.iter().map(|found| FieldViolation::new(&found.field, &found.description)).collect();
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, text.join("; "), details)
}

fn places(name: &str, faults: &Faults) -> Vec<Violation> {
    let violations = faults.0.iter().map(|fault| Violation {
        field: if fault.path.is_empty() { name.to_owned() } else { fault.path.clone() },
        description: format!("{name}:{}:{}: {}", fault.line, fault.column, fault.message),
    });
    violations.collect()
}

/// There is no such thing; `known` says what there is.
pub(super) fn not_found(kind: Kind, id: &str, known: Vec<String>) -> Status {
    refused(&Refused::Change(ChangeError::NotFound { kind, id: id.to_owned(), known }))
}

/// Why the control thread did not do it.
pub(super) fn refused(error: &Refused) -> Status {
    let (code, details) = match error {
        Refused::Change(ChangeError::Invalid(violations)) => return invalid(violations),
        Refused::Change(ChangeError::NotFound { kind, id, .. }) => {
            let reason = match kind {
                Kind::Upstream => "UPSTREAM_NOT_FOUND",
                Kind::Backend => "BACKEND_NOT_FOUND",
                Kind::Route => "ROUTE_NOT_FOUND",
                Kind::Section => "SECTION_NOT_FOUND",
            };
            (Code::NotFound, info(reason, [("name", id.clone())]))
        }
        Refused::Change(ChangeError::AlreadyExists { kind, id }) => {
            let reason = match kind {
                Kind::Upstream => "UPSTREAM_ALREADY_EXISTS",
                Kind::Backend => "BACKEND_ALREADY_EXISTS",
                Kind::Route => "ROUTE_ALREADY_EXISTS",
                Kind::Section => "SECTION_ALREADY_EXISTS",
            };
            (Code::AlreadyExists, info(reason, [("name", id.clone())]))
        }
        Refused::Change(ChangeError::InUse { object, by, .. }) => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            (Code::FailedPrecondition, info("IN_USE", [("name", object.name()), ("by", by.join(","))]))
        }
        Refused::Change(ChangeError::Unroutable(_)) => (Code::FailedPrecondition, info("UNROUTABLE", [])),
        Refused::Conflict { object, expected, current } => {
            let object = object.as_ref().map(source::path).unwrap_or_default();
            let revisions = [("expected_revision", expected.to_string()), ("current_revision", current.to_string())];
            let [expected, current] = revisions;
            (Code::Aborted, info("REVISION_CONFLICT", [("object", object), expected, current]))
        }
        // The fault is in the file, and not in what was asked.
        Refused::Load(LoadError::Faults { path, faults, .. }) => {
            return invalid_in(&places(path, faults), info("INVALID_FIELDS", [("config_file", path.clone())]));
        }
        Refused::Busy { object, in_flight } => {
            let exchanges = ("in_flight", in_flight.to_string());
            (Code::FailedPrecondition, info("EXCHANGES_IN_FLIGHT", [("name", object.name()), exchanges]))
        }
        Refused::Load(LoadError::Access(error)) => {
            (Code::FailedPrecondition, info("ACCESS_FILES", [("faults", error.0.len().to_string())]))
        }
        Refused::Draining { object, by } => {
            (Code::FailedPrecondition, info("DRAINING", [("name", object.name()), ("by", by.clone())]))
        }
        Refused::Load(LoadError::Unreadable { path, .. }) => {
            (Code::FailedPrecondition, info("CONFIG_UNREADABLE", [("path", path.clone())]))
        }
        Refused::Reload(ReloadError::Unfit { objects, .. }) => {
            let objects: Vec<String> = objects.iter().map(ToString::to_string).collect();
            (Code::FailedPrecondition, info("OVERLAY_UNFIT", [("objects", objects.join(","))]))
        }
        Refused::Reload(ReloadError::RestartNeeded { fields })
        | Refused::Change(ChangeError::RestartNeeded { fields }) => {
            (Code::FailedPrecondition, info("RESTART_NEEDED", [("fields", fields.join(","))]))
        }
        Refused::NoFile => (Code::FailedPrecondition, info("NO_CONFIG_FILE", [])),
        Refused::State(_) => (Code::FailedPrecondition, info("STATE_UNWRITABLE", [])),
        Refused::RequestIdTaken(id) => {
            let description = format!("{id:?} was used for another call; take a new one for each call");
            return invalid(&[Violation { field: "options.request_id".into(), description }]);
        }
        Refused::NoSuchRevision { revision, oldest, current } => {
            let [revision, oldest, current] = [revision, oldest, current].map(ToString::to_string);
            let reach = [("revision", revision), ("oldest_revision", oldest), ("current_revision", current)];
            (Code::NotFound, info("REVISION_NOT_FOUND", reach))
        }
        Refused::Stopping => (Code::Unavailable, info("STOPPING", [])),
    };
    Status::with_error_details(code, error.to_string(), details)
}

/// There is no such backend, for a caller that is not told what there is.
pub(super) fn hidden() -> Status {
    Status::with_error_details(Code::NotFound, "this backend does not exist", info("BACKEND_NOT_FOUND", []))
}

/// There is no drain to look on at.
pub(super) fn not_draining(object: &Object) -> Status {
    let details = info("DRAIN_NOT_FOUND", [("name", object.name())]);
    Status::with_error_details(Code::NotFound, format!("{object} does not drain"), details)
}

/// It is not known who calls.
pub(super) fn unknown(why: Unknown) -> Status {
    if why == Unknown::Crowded {
        return Status::with_error_details(Code::ResourceExhausted, why.to_string(), info("TOO_MANY_GUESSES", []));
    }
    Status::with_error_details(Code::Unauthenticated, why.to_string(), info("UNAUTHENTICATED", []))
}

/// The caller may not.
pub(super) fn denied(denied: &Denied) -> Status {
    let needed = match &denied.needed {
        Needed::Role(role) => role.to_string(),
        Needed::Upstream(name) => format!("upstream {name}"),
        Needed::UpstreamOf(what) => format!("an upstream that {what} leads to"),
        Needed::Everything => "every upstream".to_owned(),
        Needed::Nothing => "nobody may".to_owned(),
    };
    let details = info("PERMISSION_DENIED", [("needed", needed), ("had", denied.had.to_string())]);
    Status::with_error_details(Code::PermissionDenied, denied.to_string(), details)
}

/// A watcher that does not keep up, with the last revision or event that was sent to it.
pub(super) fn slow_watcher(field: &str, last: u64) -> Status {
    let text = format!("the watcher does not keep up: resume with {field} {last}");
    let details = info("SLOW_WATCHER", [(field, last.to_string())]);
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

/// A reader that takes nothing, where there is nothing to go on from.
pub(super) fn slow_reader(advice: &str) -> Status {
    let text = format!("the watcher does not keep up: {advice}");
    Status::with_error_details(Code::ResourceExhausted, text, info("SLOW_WATCHER", []))
}

/// There is no place for another watcher.
pub(super) fn too_many_watchers(crowded: feed::Crowded) -> Status {
    let most = match crowded {
        feed::Crowded::All => feed::WATCHERS,
        feed::Crowded::Own => feed::places::EACH,
    };
    let details = info("TOO_MANY_WATCHERS", [("most", most.to_string())]);
    Status::with_error_details(Code::ResourceExhausted, crowded.to_string(), details)
}

/// Too many questions about exchanges.
pub(super) fn crowded(crowded: &streams::Crowded) -> Status {
    Status::with_error_details(Code::ResourceExhausted, crowded.to_string(), info("TOO_MANY_QUESTIONS", []))
}

/// Bytes that are no request of this method.
pub(super) fn malformed(told: &str) -> Status {
    let text = format!("the request cannot be read: {told}");
    Status::with_error_details(Code::InvalidArgument, text, info("MALFORMED_REQUEST", []))
}

/// A request that is larger than any of its method has to be.
pub(super) fn too_large(bytes: usize, most: usize) -> Status {
    let text = format!("a request of {bytes} bytes; at most {most} are taken here");
    let details = info("REQUEST_TOO_LARGE", [("most", most.to_string())]);
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

/// Room for requests is taken.
pub(super) fn no_room(own: bool) -> Status {
    let whose = if own { "of this caller are" } else { "are" };
    let text = format!("too many large requests {whose} being read: send it again in a moment, and fewer at once");
    Status::with_error_details(Code::ResourceExhausted, text, info("NO_ROOM_FOR_REQUEST", []))
}

fn info<const N: usize>(reason: &str, metadata: [(&str, String); N]) -> ErrorDetails {
    let metadata: HashMap<String, String> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_names_every_field() {
        let mut violations = Violations::default();
        violations.push("backend.weight", "0 is not within 1..1000");
        violations.push("backend.port", "is needed");
        let status = violations.check().expect_err("there are two");
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let fields: Vec<_> =
            details.bad_request().expect("fields").field_violations.iter().map(|v| &*v.field).collect();
        assert_eq!(fields, ["backend.weight", "backend.port"]);
        let info = details.error_info().expect("a reason");
        assert_eq!((&*info.domain, &*info.reason), (DOMAIN, "INVALID_FIELDS"));
        assert!(Violations::default().check().is_ok());
    }

    #[test]
    fn a_conflict_says_both_revisions() {
        let object = Some(Object::backend("u", "b"));
        let status = refused(&Refused::Conflict { object, expected: 3, current: 5 });
        assert_eq!(status.code(), Code::Aborted);
        let details = status.get_error_details();
        let info = details.error_info().expect("a reason");
        assert_eq!(info.metadata["current_revision"], "5");
        assert_eq!(info.metadata["expected_revision"], "3");
    }

    #[test]
    fn each_refusal_has_its_code() {
        let missing = not_found(Kind::Backend, "default/x", vec!["default/a".into()]);
        assert_eq!(missing.code(), Code::NotFound);
        assert!(missing.message().contains("default/a"), "{}", missing.message());
        let exists = ChangeError::AlreadyExists { kind: Kind::Backend, id: "default/a".into() };
        assert_eq!(refused(&exists.into()).code(), Code::AlreadyExists);
        let restart = ReloadError::RestartNeeded { fields: vec!["server.port".into()] };
        assert_eq!(refused(&restart.into()).code(), Code::FailedPrecondition);
        assert_eq!(refused(&Refused::Stopping).code(), Code::Unavailable);
    }
}
