//! Questions about exchanges in flight, and what workers answer.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::live::BackendRef;
use crate::protocol::Protocol;

mod words;

/// Names one exchange of this process and never another: the worker that carries it, and its number there. Ordered as
/// lists are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Index of the worker.
    pub worker: u32,
    /// Number of the request in that worker, from 1.
    pub serial: u64,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.worker, self.serial)
    }
}

/// Text that is the id of no exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no id of an exchange; they look like 0-17")]
pub struct NoStreamId {
    /// What was given.
    pub given: String,
}

impl FromStr for StreamId {
    type Err = NoStreamId;

    fn from_str(text: &str) -> Result<Self, NoStreamId> {
        let parts = text.split_once('-').and_then(|(worker, serial)| {
            let parts = Self { worker: worker.parse().ok()?, serial: serial.parse().ok()? };
            // One spelling each, so that ids can be compared as text.
            (parts.to_string() == text).then_some(parts)
        });
        parts.ok_or_else(|| NoStreamId { given: text.to_owned() })
    }
}

/// Which exchanges: all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Name of the upstream.
    pub upstream: Option<String>,
    /// Id of the backend in use.
    pub backend: Option<String>,
    /// Name of the route.
    pub route: Option<String>,
    /// Where the client is.
    pub client: Option<IpNet>,
    /// What it is.
    pub protocol: Option<Protocol>,
    /// At least that old.
    pub min_age: Duration,
    /// Silent for at least that long, either way.
    pub min_idle: Duration,
    /// One of these, in order.
    pub ids: Option<Vec<StreamId>>,
    /// In one of these upstreams: those that the caller may see.
    pub within: Option<Arc<[String]>>,
}

impl StreamFilter {
    /// Whether every exchange fits it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to be done with those that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamAction {
    /// Show them.
    List,
    /// End all of them, shown or not.
    Kill,
}

/// Backends by uid, for their names.
pub type Backends = HashMap<u64, BackendRef>;

/// A question to one worker.
#[derive(Debug)]
pub struct StreamQuery {
    /// Which ones.
    pub filter: StreamFilter,
    /// Only those behind this one are shown.
    pub after: Option<StreamId>,
    /// At most so many are shown.
    pub limit: usize,
    /// What becomes of them.
    pub action: StreamAction,
    /// The backends that there are.
    pub backends: Backends,
}

/// What one worker answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamsFound {
    /// How many fit, shown or not; of a kill, how many it ended.
    pub total: u64,
    /// Those that are shown, by id.
    pub streams: Vec<Stream>,
    /// Set when more follow: the last that was looked at.
    pub next: Option<StreamId>,
}

/// One exchange in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name.
    pub id: StreamId,
    /// Who asked.
    pub client: IpAddr,
    /// Name of the route.
    pub route: Box<str>,
    /// Name of the upstream.
    pub upstream: Box<str>,
    /// Id of the backend; empty while it has none.
    pub backend: Box<str>,
    /// What it is.
    pub protocol: Protocol,
    /// Since the head of its request was whole.
    pub age: Duration,
    /// Since the last byte, either way.
    pub idle: Duration,
    /// From the client.
    pub bytes_received: u64,
    /// To the client.
    pub bytes_sent: u64,
    /// Of the request.
    pub method: String,
    /// Of the request, without its query, bounded.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let id = StreamId { worker: 3, serial: 17 };
        assert_eq!((id.to_string().as_str(), "3-17".parse()), ("3-17", Ok(id)));
        for wrong in ["", "-", "3", "3-", "-17", "03-17", "3-+17", "3-17 ", "x-1", "3-17-1", "4294967296-1"] {
            assert!(wrong.parse::<StreamId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_filter_that_says_nothing_is_empty() {
        assert!(StreamFilter::default().is_empty());
        assert!(!StreamFilter { ids: Some(Vec::new()), ..StreamFilter::default() }.is_empty());
        assert!(!StreamFilter { min_age: Duration::from_secs(1), ..StreamFilter::default() }.is_empty());
    }
}
