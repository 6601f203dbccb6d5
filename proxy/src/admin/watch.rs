//! Watches: streams that tell what happens, at the pace of whoever reads.
//!
//! A task a watcher reads the feed and fills an [`Outlet`] of one message. It waits for the reader, and nobody waits for
//! it. A reader that falls behind the feed, or takes nothing for [`STALLED`], is ended with RESOURCE_EXHAUSTED; it costs
//! one message and what HTTP/2 has under way until then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

use super::convert;
use super::status::{self, Violations};
use crate::control::feed::Place;
use crate::control::{Caller, Control};

pub(super) mod backends;
pub(super) mod config;
pub(super) mod events;
mod revisions;
pub(super) mod stats;

/// A reader that takes nothing for so long is ended.
pub(super) const STALLED: Duration = Duration::from_secs(60);
/// Longest silence: by default, least, most.
const HEARTBEAT: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(1), Duration::from_secs(60)];
/// Bytes of a part of a snapshot: it is sent when it is as large as this.
const PART: usize = 64 << 10;

/// What a watching call answers with.
#[derive(Debug)]
pub(super) struct Stream<T> {
    messages: mpsc::Receiver<T>,
    ending: Ending,
    _place: Place,
}

/// What a stream ends with, if it does not end well.
type Ending = Arc<Mutex<Option<Status>>>;

/// Where the task of a watcher puts its messages.
#[derive(Debug)]
pub(super) struct Outlet<T>(mpsc::Sender<T>);

/// Why a watch is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The reader left.
    Left,
    /// The reader does not keep up.
    Slow,
    /// There is nothing to watch any more.
    Gone(Status),
}

impl<T> futures_util::Stream for Stream<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.get_mut();
        stream.messages.poll_recv(context).map(|message| match message {
            Some(message) => Some(Ok(message)),
            None => stream.ending.lock().take().map(Err),
        })
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Runs a task that fills the stream, and tells what it ended with: `None` when it is done.
    pub(super) fn run<F>(place: Place, fill: impl FnOnce(Outlet<T>) -> F) -> Self
    where
        F: Future<Output = Option<Status>> + Send + 'static,
    {
        let (sender, messages) = mpsc::channel(1);
        let ending = Ending::default();
        let (fill, told) = (fill(Outlet(sender.clone())), ending.clone());
        tokio::spawn(async move {
            let status = fill.await;
            *told.lock() = status;
            // The ending stands before the stream is seen to end.
            drop(sender);
        });
        Self { messages, ending, _place: place }
    }
}

impl<T> Outlet<T> {
    /// Hands a message over when the reader takes it.
    pub(super) async fn send(&self, message: T) -> Result<(), Over> {
        match timeout(STALLED, self.0.reserve()).await {
            Ok(Ok(place)) => {
                place.send(message);
                Ok(())
            }
            Ok(Err(_)) => Err(Over::Left),
            Err(_) => Err(Over::Slow),
        }
    }

    /// Waits until the reader takes what was handed over, so that the next message need not be there before.
    pub(super) async fn room(&self) -> Result<(), Over> {
        match timeout(STALLED, self.0.reserve()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Over::Left),
            Err(_) => Err(Over::Slow),
        }
    }

    /// Hands a message over if the reader is ready for it; says whether it was.
    pub(super) fn offer(&self, message: T) -> Result<bool, Over> {
        match self.0.try_send(message) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Over::Left),
        }
    }

    /// Resolves when the reader has left.
    pub(super) async fn left(&self) {
        self.0.closed().await;
    }
}

/// A place among the watchers.
pub(super) fn place(control: &Control, by: &Caller) -> Result<Place, Status> {
    control.feed().enter(by).map_err(status::too_many_watchers)
}

/// The longest silence that a caller wants.
fn heartbeat(field: &str, given: Option<prost_types::Duration>, violations: &mut Violations) -> Duration {
    let [default, least, most] = HEARTBEAT;
    within(field, given, default, least..=most, "1s..60s", violations)
}

/// A duration that has a default and bounds.
fn within(
    field: &str,
    given: Option<prost_types::Duration>,
    default: Duration,
    bounds: std::ops::RangeInclusive<Duration>,
    told: &str,
    violations: &mut Violations,
) -> Duration {
    match given.map(convert::duration) {
        None => default,
        Some(Ok(duration)) if bounds.contains(&duration) => duration,
        Some(_) => {
            violations.push(field, format!("is not within {told}"));
            default
        }
    }
}

#[cfg(test)]
mod tests;
