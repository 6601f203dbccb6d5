//! `speedctl server`.

use speedmimi_proto::v1::GetServerInfoRequest;

use crate::args::{Global, ServerVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::view;

/// Runs a verb of this noun.
pub(super) async fn run(verb: ServerVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let ServerVerb::Info = verb;
    let client = Client::connect(global).await?;
    let info = client.answer(client.server().get_server_info(GetServerInfoRequest {})).await?;
    printer.show("GetServerInfoResponse", &info, view::info)
}
