//! Follows a stream of the proxy: begins again where it was left when the connection is lost, ends when the user says so
//! or nobody reads any more.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Response, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::args::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;

/// Before the first and the last of the tries to connect again.
const WAIT: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// What is followed.
pub(crate) trait Follow {
    /// What comes.
    type Message;

    /// Begins, or goes on behind what was taken last.
    async fn open(&self, client: &Client) -> Result<Response<Streaming<Self::Message>>, Status>;

    /// Shows what came; says whether that was the last.
    fn take(&mut self, message: Self::Message, printer: &mut Printer<'_>) -> Result<bool, Failure>;

    /// Whether to begin again, once there is a connection again.
    async fn again(&mut self, _client: &Client, _printer: &mut Printer<'_>) -> Result<bool, Failure> {
        Ok(true)
    }

    /// Whether what failed when it was to begin again is worth another try: who is asked is unreachable, or late.
    fn comes_back(&self, failure: &Failure) -> bool {
        matches!(failure.exit_code(), 3 | 7)
    }
}

/// Follows until the end, or until interrupted. Where the end is what the user waits for, an interruption is a failure
/// that says `interrupted`.
pub(crate) async fn follow(
    followed: &mut impl Follow,
    global: &Global,
    printer: &mut Printer<'_>,
    interrupted: Option<&str>,
) -> Result<(), Failure> {
    let end = tokio::select! {
        end = Box::pin(on(followed, global, printer)) => Some(end),
        // Without a handler, the signal ends the process by itself.
        Ok(()) = tokio::signal::ctrl_c() => None,
    };
    match (end, interrupted) {
        (Some(end), _) => end,
        (None, Some(text)) => {
            printer.end_line()?;
            Err(Failure::Unfinished(text.to_owned()))
        }
        (None, None) => Ok(()),
    }
}

async fn on(followed: &mut impl Follow, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let mut client = Client::connect(global).await?;
    let mut stream = client.answer(followed.open(&client)).await?;
    loop {
        let lost = loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    if followed.take(message, printer)? {
                        return Ok(());
                    }
                }
                Ok(None) => break "the proxy ended it".to_owned(),
                Err(status) if is_lost(&status) => break status.message().to_owned(),
                Err(status) => return Err(Failure::of_status(status, client.endpoint())),
            }
        };
        printer.note(&format!("interrupted: {lost}; going on where it was left"))?;
        (client, stream) = match Box::pin(reopen(followed, global, printer)).await? {
            Some(opened) => opened,
            None => return Ok(()),
        };
    }
}

/// Tries until there is a proxy again.
async fn reopen<F: Follow>(
    followed: &mut F,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<Option<(Client, Streaming<F::Message>)>, Failure> {
    let [mut wait, longest] = WAIT;
    loop {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
        let failure = match Client::connect(global).await {
            Ok(client) => {
                // A connection that is lost at once is as good as none.
                match followed.again(&client, printer).await {
                    Ok(false) => return Ok(None),
                    Ok(true) => match client.answer(followed.open(&client)).await {
                        Ok(stream) => {
                            printer.note("connected again")?;
                            return Ok(Some((client, stream)));
                        }
                        Err(failure) => failure,
                    },
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        if !followed.comes_back(&failure) {
            return Err(failure);
        }
    }
}

/// Whether a stream broke, rather than that the proxy ended it for a reason that will not go away.
fn is_lost(status: &Status) -> bool {
    let slow = || status.get_error_details().error_info().is_some_and(|info| info.reason == "SLOW_WATCHER");
    match status.code() {
        Code::Unavailable | Code::Cancelled => true,
        Code::Unknown | Code::Internal => status.source().is_some(),
        Code::ResourceExhausted => slow(),
        _ => false,
    }
}
