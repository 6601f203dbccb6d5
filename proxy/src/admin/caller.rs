//! Who makes a call.

use tonic::Request;

use crate::control::Caller;

/// Who was found out to be calling before the call was taken; whoever reaches the API, where nobody asked.
pub(super) fn of<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or_else(|| Caller::api("unknown"))
}
