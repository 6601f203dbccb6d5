//! What is known of a change on its way, so that the audit log has a line of it wherever it is refused: by the control
//! thread, which writes its own, or before it is asked.

use std::sync::Arc;

use parking_lot::Mutex;
use tonic::{Code, Request, Status};

use super::status;
use crate::access::Denied;
use crate::control::Caller;
use crate::control::audit::{self, Barred, Line, Tried};

/// A call that is to change something. The gate makes it, the call fills it in, the gate reads it.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    object: String,
    validate_only: bool,
    request_id: String,
    told: bool,
}

impl Attempt {
    /// That of a request; a new one where no gate made it.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// What it is about, whether it only tries, and how its maker calls it.
    pub(super) fn is_about(&self, object: String, validate_only: bool, request_id: &str) {
        let mut known = self.0.lock();
        known.object = object;
        known.validate_only = validate_only;
        request_id.clone_into(&mut known.request_id);
    }

    /// What it is about.
    pub(super) fn object(&self) -> String {
        self.0.lock().object.clone()
    }

    /// More of what it is about is known.
    pub(super) fn becomes(&self, object: String) {
        self.0.lock().object = object;
    }

    /// The caller may not: writes the line.
    pub(super) fn barred(&self, by: &Caller, denied: &Denied) {
        let mut known = self.0.lock();
        let Known { object, validate_only, request_id, told } = &mut *known;
        let tried = Tried { object, validate_only: Some(*validate_only), request_id: Some(request_id) };
        audit::barred(by, by.asks, tried, Barred::PermissionDenied, &denied.to_string());
        *told = true;
    }

    /// The audit log has its line, or had it when the call was made first.
    pub(super) fn is_told(&self) {
        self.0.lock().told = true;
    }

    /// It was refused: writes the line, unless there is one.
    pub(super) fn refused(&self, by: &Caller, status: &Status) {
        // What a caller may not do is put down where that is found out.
        if matches!(status.code(), Code::Ok | Code::PermissionDenied | Code::Unauthenticated) {
            return;
        }
        let known = self.0.lock();
        if known.told {
            return;
        }
        audit::write(Line {
            by,
            object: &known.object,
            before: "",
            after: "",
            result: Err((status::name(status), status.message())),
            validate_only: known.validate_only,
            request_id: &known.request_id,
        });
    }
}
