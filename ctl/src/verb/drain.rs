//! `speedctl backend drain`.

use prost_types::Duration as WireDuration;
use speedmimi_proto::v1::{
    AdminState, DrainBackendRequest, DrainBackendResponse, DrainDeadline, DrainPhase, DrainThen,
};
use tonic::{Response, Status, Streaming};

use crate::args::{DrainArguments, Global};
use crate::client::Client;
use crate::failure::Failure;
use crate::follow::{Follow, follow};
use crate::name::BackendName;
use crate::printer::Printer;
use crate::{request, view};

/// Begins a drain, or looks on, until it has ended.
pub(super) async fn drain(
    arguments: &DrainArguments,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let name = arguments.name.resolve(&Client::connect(global).await?).await?;
    let BackendName { upstream, id } = name.clone();
    let deadline = arguments.deadline;
    let request = DrainBackendRequest {
        upstream,
        backend_id: id,
        deadline: deadline.map(|d| WireDuration { seconds: d.as_secs() as i64, nanos: d.subsec_nanos() as i32 }),
        on_deadline: arguments.on_deadline.map_or(DrainDeadline::Unspecified, DrainDeadline::from).into(),
        then: arguments.then.map_or(DrainThen::Unspecified, DrainThen::from).into(),
        replace: arguments.replace,
        watch_only: arguments.watch_only,
        options: request::options(&arguments.mutation),
    };
    printer.append();
    let left = format!(
        "the drain goes on: speedctl backend drain {name} --watch-only looks on, speedctl backend enable {name} \
         cancels it"
    );
    let then = request.then();
    let mut drain = Drain { name, request, then, detach: arguments.detach };
    follow(&mut drain, global, printer, Some(&left)).await
}

struct Drain {
    name: BackendName,
    request: DrainBackendRequest,
    /// What is to become of the backend: as asked for, then as the proxy says.
    then: DrainThen,
    detach: bool,
}

impl Follow for Drain {
    type Message = DrainBackendResponse;

    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status> {
        client.backends().drain_backend(self.request.clone()).await
    }

    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        let name = self.name.to_string();
        let over = !matches!(message.phase(), DrainPhase::Draining | DrainPhase::Overdue | DrainPhase::Closing);
        let live = !over && !self.detach;
        if message.then() != DrainThen::Unspecified {
            self.then = message.then();
        }
        printer.progress("DrainBackendResponse", &message, live, |message| view::drain(&name, message))?;
        match message.phase() {
            DrainPhase::Cancelled => Err(Failure::Unfinished(format!("{name} was enabled: the drain is cancelled"))),
            DrainPhase::Disabled => Err(Failure::Unfinished(format!(
                "{name} was disabled instead: {} still in flight go on to their end",
                message.remaining
            ))),
            DrainPhase::Removed if message.remaining > 0 => Err(Failure::Unfinished(format!(
                "{name} was removed instead: {} were still in flight",
                message.remaining
            ))),
            DrainPhase::Failed => Err(Failure::Unfinished(message.detail)),
            _ => Ok(over || self.detach),
        }
    }

    /// A drain that ended meanwhile must not be begun a second time, nor be taken for done where nobody saw its end.
    async fn again(&mut self, client: &Client, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        let name = &self.name;
        let status = match client.backend(name).await {
            Ok(entry) => entry.status.unwrap_or_default(),
            Err(failure) if failure.exit_code() == 4 && self.then == DrainThen::Remove => {
                printer.note(&format!("{name} is no longer there"))?;
                return Ok(false);
            }
            Err(failure) if failure.exit_code() == 4 => {
                return Err(Failure::Unfinished(format!(
                    "{name} is no longer there, and whether anything was in flight then is not known"
                )));
            }
            Err(failure) => return Err(failure),
        };
        // One that was cut off meanwhile is disabled, and drains all the same.
        if status.admin_state() == AdminState::Draining || status.drain.is_some() {
            let BackendName { upstream, id } = name.clone();
            self.request =
                DrainBackendRequest { upstream, backend_id: id, watch_only: true, ..DrainBackendRequest::default() };
            return Ok(true);
        }
        match (status.admin_state(), self.then, status.in_flight) {
            (AdminState::Disabled, DrainThen::Disable, 0) => {
                printer.note(&format!("{name} is disabled now, and nothing is in flight"))?;
                Ok(false)
            }
            (AdminState::Disabled, _, left) => {
                Err(Failure::Unfinished(format!("{name} does not drain any more: it is disabled, {left} in flight")))
            }
            (state, _, left) => Err(Failure::Unfinished(format!(
                "{name} does not drain any more: it is {} again, {left} in flight",
                view::admin_state(state)
            ))),
        }
    }

    /// A drain that ended just now is looked at again.
    fn comes_back(&self, failure: &Failure) -> bool {
        matches!(failure.exit_code(), 3 | 4 | 7)
    }
}
