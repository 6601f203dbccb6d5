//! Who makes a call, and whether it may reach the upstream that the call names.

use speedmimi_model::{Kind, Role};
use tonic::{Code, Request, Status};

use super::{convert, status};
use crate::access::{Denied, Needed, authorise};
use crate::control::audit::{self, Barred, Tried};
use crate::control::{Caller, Control, Store};

/// Who was found out to be calling before the call was taken.
pub(super) fn of<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or_else(Caller::nobody)
}

/// Who makes a call that names an upstream, empty for `default`; refused unless the upstream is one of the caller's,
/// in the same words whether it exists or not.
pub(super) fn on<T>(control: &Control, request: &Request<T>, upstream: &str) -> Result<Caller, Status> {
    let caller = of(request);
    let upstream = convert::upstream_name(upstream);
    may(&caller, upstream)?;
    sees(&control.view().store, &caller, upstream)?;
    Ok(caller)
}

/// Refuses an upstream that is not there, to a caller with limits: what there is beside its own is not told, as it is
/// where nobody is limited.
pub(super) fn sees(store: &Store, caller: &Caller, upstream: &str) -> Result<(), Status> {
    if caller.scope.is_limited() && !store.config().upstreams.contains_key(upstream) {
        return Err(status::not_found(Kind::Upstream, upstream, known(store, caller)));
    }
    Ok(())
}

/// Whether a caller may do what it asks for to an upstream.
pub(super) fn may(caller: &Caller, upstream: &str) -> Result<(), Status> {
    authorise(caller, caller.asks, Some(upstream)).map_err(|denied| refuse(caller, &denied))
}

/// What a caller with limits is told of a thing that leads to no upstream of its own, or is not there at all. `what`: as
/// people call it.
pub(super) fn leads_elsewhere(caller: &Caller, what: &str) -> Status {
    refuse(caller, &denied(caller, Needed::UpstreamOf(what.to_owned())))
}

/// What a caller with limits is told where it asks for what is about everything.
pub(super) fn limited(caller: &Caller) -> Status {
    refuse(caller, &denied(caller, Needed::Everything))
}

fn denied(caller: &Caller, needed: Needed) -> Denied {
    Denied { verb: caller.asks.to_owned(), had: caller.role, needed }
}

/// What a caller that sees nothing is told where something is not found: not what there is instead.
pub(super) fn unseen(caller: &Caller, status: Status) -> Status {
    if caller.role.includes(Role::Read) || status.code() != Code::NotFound {
        return status;
    }
    status::hidden()
}

fn refuse(caller: &Caller, denied: &Denied) -> Status {
    let object = if let Needed::Upstream(name) | Needed::UpstreamOf(name) = &denied.needed { name } else { "" };
    let tried = Tried { object, ..Tried::default() };
    audit::barred(caller, caller.asks, tried, Barred::PermissionDenied, &denied.to_string());
    status::denied(denied)
}

/// The upstreams that a caller sees.
fn known(store: &Store, caller: &Caller) -> Vec<String> {
    let names = store.config().upstreams.keys();
    names.filter(|name| caller.scope.has(name)).cloned().collect()
}
