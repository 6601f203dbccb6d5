//! What the control thread asks of workers. Every message is acknowledged once the worker has acted on it.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{mpsc, oneshot};

use crate::snapshot::Snapshot;

pub mod explain;
pub mod streams;

use explain::{Explained, NotExplained, Question};
use streams::{StreamQuery, StreamsFound};

/// A request to a worker.
#[derive(Debug)]
pub enum Message {
    /// Use this view from the next exchange on.
    Publish(Arc<Snapshot>),
    /// End the exchanges on the backend with this uid and close its idle connections. Adds how many were ended.
    Cut(u64, Arc<AtomicU64>),
    /// Raise this to the age of the oldest exchange on the backend with this uid, in microseconds.
    Oldest(u64, Arc<AtomicU64>),
    /// Stop accepting and close idle client connections; go on until [`Message::Stop`] or the last connection ends.
    Drain,
    /// Close everything and end the thread.
    Stop,
    /// A client connection handed over by another worker before its first byte.
    Adopt(TcpStream, SocketAddr),
    /// Show exchanges, or end them.
    Streams(Arc<StreamQuery>, oneshot::Sender<StreamsFound>),
    /// Say who would be picked, and why.
    Explain(Box<Question>, oneshot::Sender<Result<Explained, NotExplained>>),
}

/// A message and whom to tell when it is done.
#[derive(Debug)]
pub struct Envelope {
    /// What to do.
    pub message: Message,
    /// Told once done; dropped when the worker is gone.
    pub done: Option<oneshot::Sender<()>>,
}

/// Sending side of a worker's mailbox.
pub type Sender = mpsc::UnboundedSender<Envelope>;
/// Receiving side of a worker's mailbox.
pub type Receiver = mpsc::UnboundedReceiver<Envelope>;

/// The mailboxes of all workers, as the control thread holds them.
#[derive(Debug, Clone)]
pub struct Mailboxes(pub Vec<Sender>);

impl Mailboxes {
    /// Asks one worker; none where it is gone, or goes before it answers.
    pub async fn ask<T>(&self, worker: usize, question: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.get(worker)?.send(Envelope { message: question(reply), done: None }).ok()?;
        answer.await.ok()
    }

    /// Sends the message to every worker and waits until each has acted on it or is gone.
    pub async fn broadcast(&self, message: impl Fn() -> Message) {
        let waits: Vec<_> = self
            .0
            .iter()
            .filter_map(|sender| {
                let (done, wait) = oneshot::channel();
                sender.send(Envelope { message: message(), done: Some(done) }).ok().map(|()| wait)
            })
            .collect();
        for wait in waits {
            // An error means that the worker ended: it will never act on an older view.
            let _ = wait.await;
        }
    }
}
