//! What operators did to keep a backend out, as the status of a backend shows it.

use std::time::{Duration, UNIX_EPOCH};

use speedmimi_proto::v1;
use speedmimi_proto::v1::backend_drain as wire;

use crate::control::drain::{Cut, Drain, DrainPhase, OnDeadline, Then};
use crate::control::{Control, Store};

/// The drain of a backend, if one is wanted.
pub(super) fn drain(control: &Control, store: &Store, upstream: &str, id: &str) -> Option<v1::BackendDrain> {
    let drain = store.drain_of(upstream, id)?;
    // One that is only tried, or begins with this very answer, goes on nowhere yet.
    let progress = control.drain_of(upstream, id).filter(|progress| progress.drain == *drain);
    Some(v1::BackendDrain {
        phase: phase(progress.as_ref().map_or(DrainPhase::Draining, |progress| progress.phase)).into(),
        remaining: control.live().find_backend(upstream, id).map_or(0, |state| state.slots.in_flight()),
        detail: progress.map(|progress| progress.detail).unwrap_or_default(),
        ..wanted(drain)
    })
}

/// A drain as it is wanted, without how far it is.
pub(super) fn wanted(drain: &Drain) -> v1::BackendDrain {
    let Drain { by, begun_at, deadline_at, on_deadline, then } = drain;
    let at = |micros: u64| UNIX_EPOCH + Duration::from_micros(micros);
    v1::BackendDrain {
        who: by.clone(),
        begun_at: Some(at(*begun_at).into()),
        deadline: deadline_at.map(|deadline| at(deadline).into()),
        on_deadline: match on_deadline {
            OnDeadline::Keep => wire::OnDeadline::Keep,
            OnDeadline::Close => wire::OnDeadline::Close,
        }
        .into(),
        then: match then {
            Then::None => wire::Then::None,
            Then::Disable => wire::Then::Disable,
            Then::Remove => wire::Then::Remove,
        }
        .into(),
        ..v1::BackendDrain::default()
    }
}

/// A drain that is over in another way is not wanted any more, and not told here.
fn phase(phase: DrainPhase) -> wire::Phase {
    match phase {
        DrainPhase::Draining | DrainPhase::Cancelled | DrainPhase::Disabled | DrainPhase::Removed => {
            wire::Phase::Draining
        }
        DrainPhase::Overdue => wire::Phase::Overdue,
        DrainPhase::Closing => wire::Phase::Closing,
        DrainPhase::Drained => wire::Phase::Drained,
        DrainPhase::Failed => wire::Phase::Failed,
    }
}

/// Who cut a backend off, if somebody did.
pub(super) fn disconnected(control: &Control, store: &Store, upstream: &str, id: &str) -> Option<v1::Disconnected> {
    store.is_disconnected(upstream, id).then(|| cut(control.cut_of(upstream, id).as_ref()))
}

/// Who cut a backend off, as far as it is known.
pub(super) fn cut(cut: Option<&Cut>) -> v1::Disconnected {
    let who = cut.map(|cut| cut.by.to_string()).unwrap_or_default();
    v1::Disconnected { who, since: cut.map(|cut| cut.at.into()) }
}
