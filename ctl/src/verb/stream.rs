//! `speedctl stream`.

use crate::args::{Global, StreamVerb, WatchArguments};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{request, view};

/// Runs a verb of this noun.
pub(super) async fn run(verb: StreamVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    match verb {
        StreamVerb::List { filter, watch: WatchArguments { watch } } => {
            let request = request::stream::list(&filter)?;
            let client = Client::connect(global).await?;
            if watch.is_some() {
                printer.repeat();
            }
            loop {
                printer.show("ListStreamsResponse", &client.all_streams(&request).await?, view::streams)?;
                let Some(period) = watch else { return Ok(()) };
                tokio::time::sleep(period).await;
            }
        }
        StreamVerb::Kill { filter, all, show, act } => {
            // What is wrong with the command line itself is said before anybody is asked.
            let request = request::stream::kill(&filter, all, show, &act)?;
            let client = Client::connect(global).await?;
            let response = client.answer(client.streams().kill_streams(request)).await?;
            printer.show("KillStreamsResponse", &response, |response| view::killed(response, act.dry_run))
        }
    }
}
