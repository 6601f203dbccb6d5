//! Looking on at a drain that is going on, which changes nothing.

use speedmimi_model::Object;
use speedmimi_proto::v1;
use tonic::Status;

use super::{Stream, convert, ending, entry, follow, status, watch};
use crate::admin::status::Violations;
use crate::control::{Caller, Control};

/// Tells how far a drain is; refused where there is none.
pub(super) async fn look_on(
    control: &Control,
    by: &Caller,
    request: v1::DrainBackendRequest,
) -> Result<Stream<v1::DrainBackendResponse>, Status> {
    let mut violations = Violations::default();
    let id = convert::needed("backend_id", &request.backend_id, &mut violations).to_owned();
    let upstream = convert::upstream_name(&request.upstream).to_owned();
    let named = v1::DrainBackendRequest {
        upstream: request.upstream.clone(),
        backend_id: request.backend_id.clone(),
        watch_only: true,
        ..Default::default()
    };
    if request != named {
        violations.push("watch_only", "changes nothing, and goes with the name of the backend alone");
    }
    violations.check()?;
    entry::find(&control.view().store, &upstream, &id)?;
    let progress = control.drained(&upstream, &id).await.map_err(|error| status::refused(&error))?;
    let Some(progress) = progress else { return Err(status::not_draining(&Object::backend(upstream, id))) };
    let state = control.live().find_backend(&upstream, &id);
    let place = watch::place(control, by)?;
    Ok(Stream::run(place, move |outlet| async move { ending(follow(progress, state, true, &outlet).await.err()) }))
}
