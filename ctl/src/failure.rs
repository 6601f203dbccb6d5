//! What can go wrong, what it means to a script, and what to do next.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::printer::{clean, clean_lines};

mod trust;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// Nobody answers at the endpoint.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody answers, but is not who it should be, or does not want us.
    #[error("no secure connection to {endpoint}: {reason}")]
    Untrusted {
        /// Where.
        endpoint: String,
        /// Why not.
        reason: String,
        /// What helps.
        hint: String,
        /// It is the proxy that does not want us.
        refused: bool,
    },
    /// No answer in time.
    #[error("no answer from {endpoint} within {timeout:?}")]
    Late {
        /// Where.
        endpoint: String,
        /// How long.
        timeout: Duration,
    },
    /// The proxy answered with an error.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// An answer lacks what it must have.
    #[error("the answer of {endpoint} lacks {what}")]
    Incomplete {
        /// Where.
        endpoint: String,
        /// What.
        what: &'static str,
    },
    /// What was waited for will not come.
    #[error("{0}")]
    Unfinished(String),
    /// A local file is no configuration; the faults, rendered.
    #[error("{0}")]
    Faults(String),
    /// A local file cannot be read.
    #[error("cannot read {file}: {error}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A local file cannot be written.
    #[error("cannot write {file}: {error}")]
    Unwritable {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// An answer cannot be written in the format that was asked for.
    #[error("cannot write the answer: {0}")]
    Format(String),
    /// Nobody reads the output any more: not an error.
    #[error("the output is closed")]
    Closed,
    /// The system refuses something.
    #[error("{0}")]
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::System(error) }
    }
}

impl Failure {
    /// A command line that cannot be, with what would be right.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// An error status of a call to `endpoint`; one that was made on this side means that nobody is there.
    pub(crate) fn of_status(status: Status, endpoint: &str) -> Self {
        if status.source().is_some_and(|source| source.is::<tonic::transport::Error>()) {
            return trust::failure(&status, endpoint)
                .unwrap_or_else(|| Self::Unreachable { endpoint: endpoint.to_owned(), reason: root(&status) });
        }
        Self::Refused(Box::new(status))
    }

    /// A connection that did not come about.
    pub(crate) fn of_connecting(error: &(dyn std::error::Error + 'static), endpoint: &str) -> Self {
        trust::failure(error, endpoint)
            .unwrap_or_else(|| Self::Unreachable { endpoint: endpoint.to_owned(), reason: root(error) })
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Incomplete { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::Format(_)
            | Self::Unfinished(_)
            | Self::System(_) => 1,
            Self::Usage { .. } => 2,
            Self::Untrusted { refused: true, .. } => 1,
            // Somebody is there, but not the proxy that is meant, as far as anybody can tell.
            Self::Unreachable { .. } | Self::Untrusted { .. } => 3,
            Self::Faults(_) => 6,
            Self::Late { .. } => 7,
            Self::Refused(status) => match status.code() {
                Code::Unavailable => 3,
                Code::NotFound => 4,
                Code::Aborted | Code::AlreadyExists => 5,
                Code::InvalidArgument => 6,
                Code::DeadlineExceeded => 7,
                _ => 1,
            },
        }
    }

    /// For people: what is wrong, each field at fault on its own line, and the next step.
    pub(crate) fn render(&self, color: bool) -> String {
        let (red, cyan, off) = if color { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
        if let Self::Faults(text) = self {
            return text.clone();
        }
        let mut output = String::new();
        let details = if let Self::Refused(status) = self { details(status) } else { Vec::new() };
        let mut message = self.to_string();
        // A message that only strings the details together is said once.
        let repeats = !details.is_empty() && details.iter().all(|detail| message.contains(detail));
        if repeats && details.len() > 1 {
            message = format!("{} fields are at fault", details.len());
        } else if message.is_empty() {
            message = "the proxy gives no reason".to_owned();
        }
        let _ = writeln!(output, "{red}error{off}: {}", clean_lines(&message));
        for detail in details.iter().filter(|_| !repeats || details.len() > 1) {
            let _ = writeln!(output, "  {}", clean_lines(detail).replace('\n', "\n  "));
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(output, "{cyan}hint{off}: {hint}");
        }
        output
    }

    /// The next step, where there is a good guess.
    fn hint(&self) -> Option<String> {
        if let Self::Refused(status) = self
            && let Some(hint) = next_step(status)
        {
            return Some(hint);
        }
        let hint = match self {
            Self::Usage { hint, .. } | Self::Untrusted { hint, .. } => hint,
            Self::Unreachable { endpoint, .. } => {
                return Some(format!(
                    "is speedmimi running, with its management API at {endpoint}? --endpoint or SPEEDCTL_ENDPOINT \
                     names another address{}",
                    if endpoint.starts_with("https") || endpoint.starts_with("unix") {
                        ""
                    } else {
                        "; where it has TLS, write https://"
                    }
                ));
            }
            Self::Late { .. } => {
                "a change may have been made all the same: look before you repeat it, or raise --timeout"
            }
            Self::Incomplete { .. } => "are speedctl and speedmimi of the same version?",
            Self::Refused(status) => match status.code() {
                Code::Unavailable => "the proxy cannot answer now: is it starting or stopping?",
                Code::NotFound => "speedctl backend list shows what there is",
                Code::Aborted => "it has changed meanwhile: look at it with speedctl backend get, then try again",
                Code::AlreadyExists => "speedctl backend update changes what is there",
                Code::InvalidArgument => "nothing was changed; --help shows what is allowed",
                Code::DeadlineExceeded => "look whether the change was made before you repeat it, or raise --timeout",
                Code::FailedPrecondition => "nothing was changed",
                Code::PermissionDenied => "nothing was changed: ask whoever runs the proxy for a token with that right",
                Code::Unauthenticated => {
                    "nothing was changed: --token-file (SPEEDCTL_TOKEN_FILE) or --cert and --key say who you are"
                }
                Code::Unimplemented => "are speedctl and speedmimi of the same version?",
                _ => return None,
            },
            Self::Faults(_)
            | Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::Format(_)
            | Self::Unfinished(_)
            | Self::Closed
            | Self::System(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// The next step, where the proxy says why it refused.
fn next_step(status: &Status) -> Option<String> {
    let details = status.get_error_details();
    let info = details.error_info()?;
    // By what the reason is about, or for a conflict by its object.
    let noun = |name: &str| match name {
        name if name.starts_with("UPSTREAM") || name.starts_with("upstreams.") => Some("upstream"),
        name if name.starts_with("ROUTE") || name.starts_with("routing.") => Some("route"),
        name if name.starts_with("BACKEND") || name.starts_with("backends.") => Some("backend"),
        _ => None,
    };
    let object = info.metadata.get("object").map(String::as_str).unwrap_or_default();
    if let Some(file) = info.metadata.get("config_file") {
        let file = clean(file);
        return Some(format!(
            "nothing was changed: correct the file; speedctl config check -f {file} shows its faults"
        ));
    }
    Some(match (info.reason.as_str(), noun(&info.reason).or_else(|| noun(object))) {
        ("EXCHANGES_IN_FLIGHT", _) => {
            let name = info.metadata.get("name").map(String::as_str).unwrap_or("BACKEND");
            format!(
                "speedctl backend drain {} --then remove waits until these have ended; --force ends them",
                clean(name)
            )
        }
        ("DRAINING", _) => {
            "speedctl backend drain without flags looks on, with --replace it drains like this from now on, \
             backend enable cancels it"
                .to_owned()
        }
        ("IN_USE", _) => "nothing was changed: what uses it has to go, or to be led elsewhere, first".to_owned(),
        ("RESTART_NEEDED", _) => "nothing was changed: change it in the file and restart the proxy".to_owned(),
        ("OVERLAY_UNFIT", _) => "nothing was changed: speedctl config diff shows what lies over the file, \
                                 speedctl config clear takes it back"
            .to_owned(),
        ("REVISION_CONFLICT", Some(noun)) => {
            format!("it has changed meanwhile: look at it with speedctl {noun} get, then try again")
        }
        ("REVISION_CONFLICT", None) => {
            "it has changed meanwhile: look at it with speedctl config get, then try again".to_owned()
        }
        (reason, Some(noun)) if reason.ends_with("_NOT_FOUND") => format!("speedctl {noun} list shows what there is"),
        (reason, Some(noun)) if reason.ends_with("_ALREADY_EXISTS") => {
            format!("speedctl {noun} update changes what is there")
        }
        ("REVISION_NOT_FOUND", _) => "speedctl config history shows the revisions to go back to".to_owned(),
        ("DRAIN_NOT_FOUND", _) => {
            "speedctl backend list shows the state of each; without --watch-only, a drain begins".to_owned()
        }
        ("SECTION_NOT_FOUND", None) => "speedctl config diff shows what lies over the file".to_owned(),
        _ => return None,
    })
}

/// What the details of a status add to its message, a line each.
fn details(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let fields = details.bad_request().into_iter().flat_map(|request| &request.field_violations);
    let conditions = details.precondition_failure().into_iter().flat_map(|failure| &failure.violations);
    fields
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .chain(conditions.map(|violation| format!("{}: {}", violation.subject, violation.description)))
        .collect()
}

/// The innermost cause: the outer ones only say that there was one.
pub(crate) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn every_code_has_its_exit() {
        let exit = |code| Failure::of_status(Status::new(code, "x"), "e").exit_code();
        assert_eq!(exit(Code::FailedPrecondition), 1);
        assert_eq!(exit(Code::PermissionDenied), 1);
        assert_eq!(exit(Code::Unimplemented), 1);
        assert_eq!(exit(Code::Internal), 1);
        assert_eq!(exit(Code::Unavailable), 3);
        assert_eq!(exit(Code::NotFound), 4);
        assert_eq!(exit(Code::Aborted), 5);
        assert_eq!(exit(Code::AlreadyExists), 5);
        assert_eq!(exit(Code::InvalidArgument), 6);
        assert_eq!(exit(Code::DeadlineExceeded), 7);
        assert_eq!(Failure::usage("a", "b").exit_code(), 2);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(), 1);
    }

    #[test]
    fn each_field_at_fault_has_a_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("backend.port", "1..65535");
        details.add_bad_request_violation("backend.weight", "1..1000");
        let status = Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details);
        let text = Failure::of_status(status, "e").render(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["error: 2 fields are wrong", "  backend.port: 1..65535", "  backend.weight: 1..1000"]);
        assert!(lines[3].starts_with("hint: "), "{text}");
    }

    #[test]
    fn what_the_message_has_said_is_not_said_again() {
        let render = |message: &str, fields: &[&str]| {
            let mut details = ErrorDetails::new();
            for field in fields {
                details.add_bad_request_violation(*field, "wrong");
            }
            let status = Status::with_error_details(Code::InvalidArgument, message, details);
            let text = Failure::of_status(status, "e").render(false);
            text.lines().filter(|line| !line.starts_with("hint: ")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(render("a: wrong", &["a"]), ["error: a: wrong"]);
        assert_eq!(
            render("a: wrong; b: wrong", &["a", "b"]),
            ["error: 2 fields are at fault", "  a: wrong", "  b: wrong"]
        );
        assert_eq!(render("no", &["a"]), ["error: no", "  a: wrong"]);
    }

    #[test]
    fn several_lines_stay_lines() {
        let status = Status::failed_precondition("2 faults\ntokens:1: no role\ntokens:2: \x1b[2J\n");
        let text = Failure::of_status(status, "e").render(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["error: 2 faults", "  tokens:1: no role", "  tokens:2: ?[2J"], "{text}");
    }

    #[test]
    fn the_next_step_fits_what_was_refused() {
        let hint = |code, reason: &str, metadata: &[(&str, &str)]| {
            let metadata: std::collections::HashMap<String, String> =
                metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let details = ErrorDetails::with_error_info(reason, "speedmimi.v1", metadata);
            Failure::of_status(Status::with_error_details(code, "no", details), "e").render(false)
        };
        assert!(hint(Code::NotFound, "REVISION_NOT_FOUND", &[]).contains("hint: speedctl config history"));
        assert!(hint(Code::NotFound, "DRAIN_NOT_FOUND", &[]).contains("--watch-only"));
        let text = hint(Code::InvalidArgument, "INVALID_FIELDS", &[("config_file", "s.yaml")]);
        assert!(text.contains("correct the file; speedctl config check -f s.yaml"), "{text}");
        assert!(hint(Code::InvalidArgument, "INVALID_FIELDS", &[]).contains("--help"));
    }

    #[test]
    fn what_a_proxy_says_cannot_steer_the_terminal() {
        let text = Failure::of_status(Status::internal("a\x1b[2Jb"), "e").render(false);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
