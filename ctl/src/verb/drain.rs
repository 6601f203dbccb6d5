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
        options: request::options(&arguments.mutation),
    };
    printer.append();
    let left =
        format!("the drain goes on: speedctl backend drain {name} looks on, speedctl backend enable {name} cancels it");
    let mut drain = Drain { name, request, detach: arguments.detach };
    follow(&mut drain, global, printer, Some(&left)).await
}

struct Drain {
    name: BackendName,
    request: DrainBackendRequest,
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
        printer.progress("DrainBackendResponse", &message, live, |message| view::drain(&name, message))?;
        match message.phase() {
            DrainPhase::Cancelled => Err(Failure::Unfinished(format!("{name} was enabled: the drain is cancelled"))),
            DrainPhase::Disabled => Err(Failure::Unfinished(format!(
                "{name} was disabled instead: {} still in flight go on to their end",
                message.remaining
            ))),
            DrainPhase::Failed => Err(Failure::Unfinished(message.detail)),
            _ => Ok(over || self.detach),
        }
    }

    /// A drain that ended meanwhile must not be begun a second time.
    async fn again(&mut self, client: &Client, printer: &mut Printer<'_>) -> Result<bool, Failure> {
        let state = match client.backend(&self.name).await {
            Ok(entry) => entry.status.unwrap_or_default().admin_state(),
            Err(failure) if failure.exit_code() == 4 => {
                printer.note(&format!("{} is no longer there", self.name))?;
                return Ok(false);
            }
            Err(failure) => return Err(failure),
        };
        if state == AdminState::Draining {
            let BackendName { upstream, id } = self.name.clone();
            self.request = DrainBackendRequest { upstream, backend_id: id, ..DrainBackendRequest::default() };
            return Ok(true);
        }
        printer.note(&format!("{} is {} now", self.name, view::admin_state(state)))?;
        Ok(false)
    }
}
