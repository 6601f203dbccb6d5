//! What has come of a connection of management so far, as the connection and the calls on it know it together.
//!
//! Places for connections are few. Whoever holds one without ever making a call that counts, or takes nothing of what it
//! asked for, keeps others out; [`Line::verdict`] says when it has to go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Time for the first call of a caller that is known, where places are scarce.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// Time without a call, where places are scarce.
const QUIET: Duration = Duration::from_secs(60);
/// Time in which a reader has to take something of an answer. A watch is ended with a reason after 60 s; this is half a
/// minute more to come and read it.
const UNREAD: Duration = Duration::from_secs(90);

/// A connection.
#[derive(Debug)]
pub struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    begun: Instant,
    /// A call of somebody who is known was let in.
    known: bool,
    /// As `known`, and nobody has shown a wrong token since.
    trusted: bool,
    /// Calls under way.
    calls: usize,
    /// When the last one began or ended.
    moved: Instant,
    /// Number of the next call.
    next: u64,
    /// Since when what was told to a call has not been taken.
    unread: HashMap<u64, Instant>,
}

/// Why a connection has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    /// An answer is not read.
    #[error("nothing of an answer was taken for {} s", UNREAD.as_secs())]
    Unread,
    /// Its certificate was checked against authorities that are no longer ours.
    #[error("the authorities of client certificates were replaced")]
    Outdated,
    /// Nobody who is known has called, and others wait for its place.
    #[error("nobody who is known has called, and places are scarce")]
    Stranger,
    /// Nobody has called for long, and others wait for its place.
    #[error("nothing was asked for {} s, and places are scarce", QUIET.as_secs())]
    Quiet,
}

impl Default for Line {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            begun: now,
            known: false,
            trusted: false,
            calls: 0,
            moved: now,
            next: 0,
            unread: HashMap::new(),
        }))
    }
}

impl Line {
    /// A call was let in: of somebody who is known, or of anybody.
    pub fn admit(self: &Arc<Self>, known: bool) -> UnderWay {
        let mut state = self.0.lock();
        if known && !state.known {
            (state.known, state.trusted) = (true, true);
        }
        state.calls += 1;
        state.moved = Instant::now();
        state.next += 1;
        UnderWay { line: self.clone(), number: state.next }
    }

    /// Whether somebody who is known has called.
    pub fn is_known(&self) -> bool {
        self.0.lock().known
    }

    /// Whether somebody who is known has called, and no wrong token was shown since.
    pub fn is_trusted(&self) -> bool {
        self.0.lock().trusted
    }

    /// A wrong token was shown.
    pub fn doubt(&self) {
        self.0.lock().trusted = false;
    }

    /// Whether anybody has ever called.
    pub fn is_used(&self) -> bool {
        self.0.lock().next > 0
    }

    /// Whether the connection has to go.
    pub fn verdict(&self, scarce: bool, outdated: bool) -> Option<Verdict> {
        let now = Instant::now();
        let state = self.0.lock();
        if state.unread.values().any(|since| now.saturating_duration_since(*since) >= UNREAD) {
            return Some(Verdict::Unread);
        }
        if outdated && state.calls == 0 {
            return Some(Verdict::Outdated);
        }
        match (scarce, state.known) {
            (true, false) if now.saturating_duration_since(state.begun) >= INTRODUCTION => Some(Verdict::Stranger),
            (true, true) if state.calls == 0 && now.saturating_duration_since(state.moved) >= QUIET => {
                Some(Verdict::Quiet)
            }
            _ => None,
        }
    }
}

/// A call, until it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    line: Arc<Line>,
    number: u64,
}

impl UnderWay {
    /// Something was handed out, and is to be taken.
    pub fn told(&self) {
        self.line.0.lock().unread.insert(self.number, Instant::now());
    }

    /// What was handed out was taken.
    pub fn taken(&self) {
        self.line.0.lock().unread.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.line.0.lock();
        state.unread.remove(&self.number);
        state.calls -= 1;
        state.moved = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_ten_seconds_where_places_are_scarce() {
        let line = Arc::new(Line::default());
        let anonymous = line.admit(false);
        advance(INTRODUCTION - Duration::from_millis(1)).await;
        assert_eq!(line.verdict(true, false), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!((line.verdict(true, false), line.verdict(false, false)), (Some(Verdict::Stranger), None));
        drop(anonymous);
        drop(line.admit(true));
        assert_eq!(line.verdict(true, false), None, "it is known");
        advance(QUIET).await;
        assert_eq!((line.verdict(true, false), line.verdict(false, false)), (Some(Verdict::Quiet), None));
        let _watch = line.admit(true);
        advance(QUIET).await;
        assert_eq!(line.verdict(true, false), None, "something goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_goes_in_any_case_and_who_takes_does_not() {
        let line = Arc::new(Line::default());
        let (read, unread) = (line.admit(true), line.admit(true));
        unread.told();
        for _ in 0..10 {
            read.told();
            advance(UNREAD / 10).await;
            read.taken();
        }
        assert_eq!(line.verdict(false, false), Some(Verdict::Unread));
        drop(unread);
        assert_eq!(line.verdict(false, false), None);
    }

    #[test]
    fn an_outdated_line_ends_with_its_last_call() {
        let line = Arc::new(Line::default());
        let call = line.admit(true);
        assert_eq!(line.verdict(false, true), None);
        drop(call);
        assert_eq!(line.verdict(false, true), Some(Verdict::Outdated));
    }

    #[test]
    fn a_wrong_token_takes_trust_away_for_good() {
        let line = Arc::new(Line::default());
        drop(line.admit(false));
        assert!(!line.is_trusted() && line.is_used());
        drop(line.admit(true));
        assert!(line.is_trusted());
        line.doubt();
        drop(line.admit(true));
        assert!(line.is_known() && !line.is_trusted());
    }
}
