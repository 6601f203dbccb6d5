//! Names in a filter of exchanges: they mean what they mean everywhere, and one that nothing has is told.

use speedmimi_model::Kind;
use tonic::Status;

use crate::admin::entry;
use crate::admin::status::{self, Violations};
use crate::control::streams::StreamFilter;
use crate::control::{Caller, Store};

/// An id without an upstream is that of one backend, or it is refused with the choices: what is meant is one of them.
/// One that no backend has stays as it is: exchanges may go on where it was.
pub(super) fn settle(filter: &mut StreamFilter, store: &Store, by: &Caller, violations: &mut Violations) {
    let (None, Some(id)) = (&filter.upstream, &filter.backend) else { return };
    let config = store.config();
    let own = config.upstreams.keys().filter(|name| by.scope.has(name));
    let choices: Vec<&String> = own.filter(|name| config.backend(name, id).is_some()).collect();
    match choices.as_slice() {
        [] => {}
        [one] => filter.upstream = Some((*one).clone()),
        several => {
            let names: Vec<String> = several.iter().map(|upstream| format!("{upstream}/{id}")).collect();
            let told = format!("may be any of {}: name the upstream, too", names.join(", "));
            violations.push("filter.backend_id", told);
        }
    }
}

/// Refuses a name that nothing has, with what there is of the caller's own. Only for a filter that no exchange fits:
/// one may go on in what is configured no more.
pub(super) fn known(filter: &StreamFilter, store: &Store, by: &Caller) -> Result<(), Status> {
    let config = store.config();
    let own = || config.upstreams.iter().filter(|(name, _)| by.scope.has(name));
    if let Some(upstream) = &filter.upstream
        && !own().any(|(name, _)| name == upstream)
    {
        return Err(status::not_found(Kind::Upstream, upstream, own().map(|(name, _)| name.clone()).collect()));
    }
    match (&filter.upstream, &filter.backend) {
        (Some(upstream), Some(id)) => {
            entry::find(store, upstream, id)?;
        }
        // More than one was refused before.
        (None, Some(id)) if !own().any(|(name, _)| config.backend(name, id).is_some()) => {
            let all =
                own().flat_map(|(name, group)| group.backends.iter().map(move |one| format!("{name}/{}", one.id)));
            return Err(status::not_found(Kind::Backend, id, all.collect()));
        }
        _ => {}
    }
    let routes = || config.routes.iter().filter(|(_, route)| by.scope.has(&route.upstream)).map(|(name, _)| name);
    match &filter.route {
        Some(route) if !routes().any(|name| name == route) => {
            Err(status::not_found(Kind::Route, route, routes().cloned().collect()))
        }
        _ => Ok(()),
    }
}
