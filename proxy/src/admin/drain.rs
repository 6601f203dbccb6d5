//! `DrainBackend`: begins a drain, or looks on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use speedmimi_proto::v1;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::{Request, Status};

use super::mutation::Mutation;
use super::status::{self, Violations};
use super::watch::{self, Outlet, Over, STALLED, Stream};
use super::{caller, convert, entry};
use crate::control::drain::{Drain, DrainPhase, OnDeadline, Plan, Progress, Then};
use crate::control::{Control, Done, Operation};
use crate::live::BackendRef;

mod look_on;

/// Longest silence while a drain goes on.
const EVERY: Duration = Duration::from_secs(1);

/// Begins a drain. The gate is closed when this returns.
pub(super) async fn drain(
    control: &Control,
    request: Request<v1::DrainBackendRequest>,
) -> Result<Stream<v1::DrainBackendResponse>, Status> {
    if request.get_ref().watch_only {
        let by = caller::on(control, &request, &request.get_ref().upstream)?;
        return look_on::look_on(control, &by, request.into_inner()).await;
    }
    let mut violations = Violations::default();
    let (mutation, request) = Mutation::open("DrainBackend", request, &mut violations);
    mutation.reaches(&request.upstream)?;
    let id = convert::needed("backend_id", &request.backend_id, &mut violations).to_owned();
    let plan = plan(&request, &mut violations);
    violations.check()?;
    let upstream = convert::upstream_name(&request.upstream).to_owned();
    let only = mutation.guard.validate_only;
    // Before anything is done: a drain that nobody could be told of would go on all the same.
    let place = watch::place(control, &mutation.guard.by)?;
    let phase = if only { v1::DrainPhase::Validated } else { v1::DrainPhase::Draining };
    let respond = move |_: &Control, done: &Done| {
        let (revision, attached, phase) = (done.revision, done.attached, phase.into());
        Ok(v1::DrainBackendResponse { revision, attached, phase, ..Default::default() })
    };
    let operation = Operation::Drain { upstream: upstream.clone(), id: id.clone(), plan };
    let first = mutation.perform(control, operation, respond).await?.into_inner();
    let progress = match only {
        true => None,
        false => control.drained(&upstream, &id).await.map_err(|error| status::refused(&error))?,
    };
    let state = control.live().find_backend(&upstream, &id);
    Ok(Stream::run(place, move |outlet| async move {
        let Some(progress) = progress else {
            // Only tried, or a repeat of a call whose drain is over.
            return ending(outlet.send(first).await.err());
        };
        ending(follow(progress, state, first.attached, &outlet).await.err())
    }))
}

fn ending(over: Option<Over>) -> Option<Status> {
    match over? {
        Over::Left => None,
        Over::Slow => {
            Some(status::slow_reader("the drain goes on without it; drain again, without parameters, to look on"))
        }
        Over::Gone(status) => Some(status),
    }
}

/// Tells how far it is until it is over. What a reader has no room for is left out, but the end.
async fn follow(
    mut progress: Receiver<Progress>,
    state: Option<BackendRef>,
    attached: bool,
    outlet: &Outlet<v1::DrainBackendResponse>,
) -> Result<(), Over> {
    let mut taken = Instant::now();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut now = progress.borrow_and_update().clone();
        if let Some(state) = state.as_ref().filter(|_| !now.phase.is_last()) {
            // Counted now, not when it was last looked at. The gate is closed, so it only falls.
            now.remaining = now.remaining.min(state.slots.in_flight());
        }
        let message = told(&now, attached);
        if now.phase.is_last() {
            return outlet.send(message).await;
        }
        if outlet.offer(message)? {
            taken = Instant::now();
            ticks.reset();
        } else if taken.elapsed() > STALLED {
            return Err(Over::Slow);
        }
        tokio::select! {
            () = outlet.left() => return Err(Over::Left),
            _ = ticks.tick() => {}
            changed = progress.changed() => if changed.is_err() {
                // It is no longer kept: what it came to stands.
                let last = told(&progress.borrow(), attached);
                return outlet.send(last).await;
            }
        }
    }
}

fn plan(request: &v1::DrainBackendRequest, violations: &mut Violations) -> Plan {
    let deadline = request.deadline.and_then(|given| match convert::duration(given) {
        Ok(duration) => Some(duration).filter(|duration| !duration.is_zero()),
        Err(told) => {
            violations.push("deadline", told);
            None
        }
    });
    let on_deadline = match request.on_deadline() {
        v1::DrainDeadline::Unspecified => None,
        v1::DrainDeadline::Keep => Some(OnDeadline::Keep),
        v1::DrainDeadline::Close => Some(OnDeadline::Close),
    };
    let then = match request.then() {
        v1::DrainThen::Unspecified => None,
        v1::DrainThen::None => Some(Then::None),
        v1::DrainThen::Disable => Some(Then::Disable),
        v1::DrainThen::Remove => Some(Then::Remove),
    };
    if v1::DrainDeadline::try_from(request.on_deadline).is_err() {
        violations.push("on_deadline", format!("{} is no DrainDeadline of this version", request.on_deadline));
    }
    if v1::DrainThen::try_from(request.then).is_err() {
        violations.push("then", format!("{} is no DrainThen of this version", request.then));
    }
    if on_deadline == Some(OnDeadline::Close) && deadline.is_none() {
        violations.push("on_deadline", "CLOSE needs a deadline");
    }
    Plan { deadline, on_deadline, then, replace: request.replace }
}

fn told(progress: &Progress, attached: bool) -> v1::DrainBackendResponse {
    let Drain { by, begun_at, deadline_at, on_deadline, then } = &progress.drain;
    let at = |micros: u64| UNIX_EPOCH + Duration::from_micros(micros);
    let now = SystemTime::now();
    let since = |then: SystemTime| now.duration_since(then).unwrap_or_default();
    let oldest = progress.oldest.filter(|_| progress.remaining > 0);
    v1::DrainBackendResponse {
        revision: progress.revision,
        phase: phase(progress.phase).into(),
        remaining: progress.remaining,
        oldest_age: oldest.map(|(age, at)| entry::duration(age + since(at))),
        elapsed: Some(entry::duration(since(at(*begun_at)))),
        deadline: deadline_at.map(|deadline| at(deadline).into()),
        closed: progress.closed,
        attached,
        who: by.clone(),
        detail: progress.detail.clone(),
        on_deadline: match on_deadline {
            OnDeadline::Keep => v1::DrainDeadline::Keep,
            OnDeadline::Close => v1::DrainDeadline::Close,
        }
        .into(),
        then: match then {
            Then::None => v1::DrainThen::None,
            Then::Disable => v1::DrainThen::Disable,
            Then::Remove => v1::DrainThen::Remove,
        }
        .into(),
    }
}

/// A phase on the wire.
pub(super) fn phase(phase: DrainPhase) -> v1::DrainPhase {
    match phase {
        DrainPhase::Draining => v1::DrainPhase::Draining,
        DrainPhase::Overdue => v1::DrainPhase::Overdue,
        DrainPhase::Closing => v1::DrainPhase::Closing,
        DrainPhase::Drained => v1::DrainPhase::Drained,
        DrainPhase::Cancelled => v1::DrainPhase::Cancelled,
        DrainPhase::Disabled => v1::DrainPhase::Disabled,
        DrainPhase::Removed => v1::DrainPhase::Removed,
        DrainPhase::Failed => v1::DrainPhase::Failed,
    }
}
