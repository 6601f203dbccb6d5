//! `speedctl server`.

use speedmimi_proto::v1::GetServerInfoRequest;

use crate::args::{Global, ServerVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{request, view};

/// Runs a verb of this noun.
pub(super) async fn run(verb: ServerVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let client = Client::connect(global).await?;
    match &verb {
        ServerVerb::Info => {
            let info = client.answer(client.server().get_server_info(GetServerInfoRequest {})).await?;
            printer.show("GetServerInfoResponse", &info, view::info)
        }
        ServerVerb::Drain { act, .. } => {
            let response = client.answer(client.server().drain_server(request::stream::drain(&verb))).await?;
            printer.show("DrainServerResponse", &response, |response| view::draining(response, act.dry_run))
        }
        ServerVerb::LogLevel { act, .. } => {
            let response = client.answer(client.server().set_log_level(request::stream::log_level(&verb))).await?;
            printer.show("SetLogLevelResponse", &response, |response| view::log_level(response, act.dry_run))
        }
    }
}
