//! Exchanges in flight, and the pick that would be made now: questions to workers, gathered.

use std::sync::Arc;
use std::time::Duration;

use speedmimi_model::Role;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::{Caller, Control, Refused};
use crate::worker::mailbox::Message;
use crate::worker::mailbox::explain::Explained;
pub use crate::worker::mailbox::explain::{Candidate, NotExplained, Obstacle, Pick, Question, Rule, Subject};
use crate::worker::mailbox::streams::{Backends, StreamsFound};
pub use crate::worker::mailbox::streams::{NoStreamId, Stream, StreamAction, StreamFilter, StreamId, StreamQuery};

/// Questions that wait for their turn, of readers and of operators each.
const WAITING: usize = 16;
/// How long they do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Exchanges, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    /// How many fit; of a kill, how many were ended.
    pub total: u64,
    /// Those that are shown.
    pub streams: Vec<Stream>,
    /// Set when more follow: behind which one.
    pub next: Option<StreamId>,
}

/// Why a question is not asked: each takes time from traffic, so they are asked one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many questions about exchanges are being answered: ask again in a moment, and one at a time")]
pub struct Crowded;

/// Questions that may be asked of workers. Whoever reads has one turn among them all, whoever operates has another, so
/// that readers cannot keep operators from ending what has to end.
#[derive(Debug)]
pub(super) struct Askers {
    readers: Turn,
    operators: Turn,
}

/// One question at once; some wait for their turn.
#[derive(Debug)]
struct Turn {
    /// The one that is asked, and those that wait.
    known: Semaphore,
    asked: Semaphore,
}

impl Default for Askers {
    fn default() -> Self {
        let turn = || Turn { known: Semaphore::new(1 + WAITING), asked: Semaphore::new(1) };
        Self { readers: turn(), operators: turn() }
    }
}

impl Askers {
    /// Waits for a turn.
    async fn wait(&self, by: &Caller) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Crowded> {
        let turn = if by.role.includes(Role::Operate) { &self.operators } else { &self.readers };
        let known = turn.known.try_acquire().map_err(|_| Crowded)?;
        let asked = timeout(PATIENCE, turn.asked.acquire()).await.map_err(|_| Crowded)?.map_err(|_| Crowded)?;
        Ok((known, asked))
    }
}

/// Why no pick is explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The question does not fit what there is.
    #[error(transparent)]
    Question(#[from] NotExplained),
    /// Too many ask.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// Nobody answers.
    #[error("the process is stopping")]
    Stopping,
}

impl From<ExplainError> for Refused {
    fn from(_: ExplainError) -> Self {
        Self::Stopping
    }
}

impl Control {
    /// The exchanges that fit, behind `after`, at most `limit` of them.
    pub async fn streams(
        &self,
        filter: StreamFilter,
        after: Option<StreamId>,
        limit: usize,
        by: &Caller,
    ) -> Result<Streams, Crowded> {
        self.ask_workers(filter, after, limit, StreamAction::List, by).await
    }

    /// Ends the exchanges that fit, and resolves once they have ended; shows at most `show` of them.
    pub async fn kill_streams(&self, filter: StreamFilter, show: usize, by: &Caller) -> Result<Streams, Crowded> {
        let said = filter.to_string();
        let killed = self.ask_workers(filter, None, show, StreamAction::Kill, by).await?;
        let (who, from) = (&*by.who, &*by.from);
        tracing::info!(who, from, killed = killed.total, filter = said, "exchanges were ended through the API");
        Ok(killed)
    }

    /// Who would be picked by that worker now, and why.
    pub async fn explain(&self, worker: usize, question: Question, by: &Caller) -> Result<Explained, ExplainError> {
        let Some(mailboxes) = self.shared.mailboxes.get() else { return Err(ExplainError::Stopping) };
        let _turn = self.shared.askers.wait(by).await?;
        let answer = mailboxes.ask(worker, |reply| Message::Explain(Box::new(question), reply)).await;
        Ok(answer.ok_or(ExplainError::Stopping)??)
    }

    async fn ask_workers(
        &self,
        filter: StreamFilter,
        after: Option<StreamId>,
        limit: usize,
        action: StreamAction,
        by: &Caller,
    ) -> Result<Streams, Crowded> {
        let Some(mailboxes) = self.shared.mailboxes.get() else { return Ok(Streams::default()) };
        let _turn = self.shared.askers.wait(by).await?;
        // Gathered here, once for all workers: their time is that of traffic.
        let backends: Backends = self.live().backends().into_iter().map(|backend| (backend.uid, backend)).collect();
        let query = Arc::new(StreamQuery { filter, after, limit, action, backends });
        let asked =
            (0..mailboxes.0.len()).map(|worker| mailboxes.ask(worker, |reply| Message::Streams(query.clone(), reply)));
        // A worker that ends carries nothing any more.
        let answers = futures_util::future::join_all(asked).await;
        Ok(gather(answers.into_iter().map(Option::unwrap_or_default), limit))
    }
}

/// Puts the answers of workers, in their order, together to one page. Nothing behind a gap is shown: it belongs on a
/// later page.
fn gather(answers: impl IntoIterator<Item = StreamsFound>, limit: usize) -> Streams {
    let mut whole = Streams::default();
    for answer in answers {
        whole.total += answer.total;
        if whole.next.is_some() {
            continue;
        }
        let room = limit - whole.streams.len();
        if answer.streams.len() > room {
            whole.streams.extend(answer.streams.into_iter().take(room));
            whole.next = whole.streams.last().map(|stream| stream.id);
        } else {
            whole.streams.extend(answer.streams);
            whole.next = answer.next;
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(worker: u32, serial: u64) -> StreamId {
        StreamId { worker, serial }
    }

    fn found(worker: u32, serials: &[u64], next: Option<u64>, total: u64) -> StreamsFound {
        let stream = |&serial: &u64| Stream {
            id: id(worker, serial),
            client: [127, 0, 0, 1].into(),
            route: "".into(),
            upstream: "default".into(),
            backend: "b1".into(),
            protocol: crate::protocol::Protocol::Http,
            age: Duration::ZERO,
            idle: Duration::ZERO,
            bytes_received: 0,
            bytes_sent: 0,
            method: "GET".into(),
            path: "/".into(),
        };
        StreamsFound {
            total,
            streams: serials.iter().map(stream).collect(),
            next: next.map(|serial| id(worker, serial)),
        }
    }

    fn ids(page: &Streams) -> Vec<StreamId> {
        page.streams.iter().map(|stream| stream.id).collect()
    }

    #[test]
    fn a_page_ends_where_it_is_full() {
        let page = gather([found(0, &[1, 2], None, 2), found(1, &[5, 6], Some(6), 9)], 3);
        assert_eq!((ids(&page), page.next, page.total), (vec![id(0, 1), id(0, 2), id(1, 5)], Some(id(1, 5)), 11));
        let page = gather([found(0, &[], None, 2), found(1, &[5, 6], None, 2)], 3);
        assert_eq!((ids(&page), page.next, page.total), (vec![id(1, 5), id(1, 6)], None, 4));
    }

    #[test]
    fn what_lies_behind_a_worker_that_has_more_waits_for_the_next_page() {
        // Two of the three that worker 0 looked at ended meanwhile.
        let page = gather([found(0, &[1], Some(3), 9), found(1, &[5, 6], None, 2)], 3);
        assert_eq!((ids(&page), page.next, page.total), (vec![id(0, 1)], Some(id(0, 3)), 11));
    }
}
