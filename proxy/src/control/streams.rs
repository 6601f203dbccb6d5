//! Exchanges in flight, and the pick that would be made now: questions to workers, gathered.

use std::sync::Arc;

use super::{Caller, Control, Refused};
use crate::worker::mailbox::Message;
use crate::worker::mailbox::explain::Explained;
pub use crate::worker::mailbox::explain::{Candidate, NotExplained, Obstacle, Pick, Question, Rule, Subject};
use crate::worker::mailbox::streams::StreamsFound;
pub use crate::worker::mailbox::streams::{NoStreamId, Stream, StreamAction, StreamFilter, StreamId, StreamQuery};

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

/// Why no pick is explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The question does not fit what there is.
    #[error(transparent)]
    Question(#[from] NotExplained),
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
    pub async fn streams(&self, filter: StreamFilter, after: Option<StreamId>, limit: usize) -> Streams {
        self.ask_workers(StreamQuery { filter, after, limit, action: StreamAction::List }).await
    }

    /// Ends the exchanges that fit, and resolves once they have ended; shows at most `show` of them.
    pub async fn kill_streams(&self, filter: StreamFilter, show: usize, by: &Caller) -> Streams {
        let said = filter.to_string();
        let killed =
            self.ask_workers(StreamQuery { filter, after: None, limit: show, action: StreamAction::Kill }).await;
        let (who, from) = (&*by.who, &*by.from);
        tracing::info!(who, from, killed = killed.total, filter = said, "exchanges were ended through the API");
        killed
    }

    /// Who would be picked by that worker now, and why.
    pub async fn explain(&self, worker: usize, question: Question) -> Result<Explained, ExplainError> {
        let Some(mailboxes) = self.shared.mailboxes.get() else { return Err(ExplainError::Stopping) };
        let answer = mailboxes.ask(worker, |reply| Message::Explain(Box::new(question), reply)).await;
        Ok(answer.ok_or(ExplainError::Stopping)??)
    }

    async fn ask_workers(&self, query: StreamQuery) -> Streams {
        let Some(mailboxes) = self.shared.mailboxes.get() else { return Streams::default() };
        let limit = query.limit;
        let query = Arc::new(query);
        let asked =
            (0..mailboxes.0.len()).map(|worker| mailboxes.ask(worker, |reply| Message::Streams(query.clone(), reply)));
        // A worker that ends carries nothing any more.
        let answers = futures_util::future::join_all(asked).await;
        gather(answers.into_iter().map(Option::unwrap_or_default), limit)
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
