//! A drain: no new exchange on a backend, until those in flight have ended. What is wanted is part of the store, so that
//! it can outlive the process; what is going on is watched by the control task, whoever looks on or not.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

mod board;
mod running;
mod words;

pub(super) use board::Board;
pub use board::Cut;
pub(super) use running::Running;

/// Backends that are draining, by upstream and id.
pub type Drains = BTreeMap<(String, String), Drain>;

/// What an operator wants of a backend that drains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Who began it.
    pub by: String,
    /// When, in microseconds since 1970.
    pub begun_at: u64,
    /// When `on_deadline` is done, in microseconds since 1970; none is never.
    pub deadline_at: Option<u64>,
    /// What becomes of exchanges that are left then.
    pub on_deadline: OnDeadline,
    /// What becomes of the backend once nothing is left.
    pub then: Then,
}

/// What becomes of exchanges that are left at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// They go on to their end, and the drain with them.
    #[default]
    Keep,
    /// They are ended.
    Close,
}

/// What becomes of a backend that is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays out until somebody says otherwise.
    #[default]
    None,
    /// It is disabled.
    Disable,
    /// It is removed.
    Remove,
}

/// What a caller asks for; what it does not say is a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// After so long, `on_deadline` is done.
    pub deadline: Option<Duration>,
    /// Default [`OnDeadline::Keep`].
    pub on_deadline: Option<OnDeadline>,
    /// Default [`Then::None`].
    pub then: Option<Then>,
    /// Takes the place of another plan.
    pub replace: bool,
}

impl Plan {
    /// The drain that it begins. `at`: now, in microseconds since 1970.
    pub(super) fn begin(&self, by: &str, at: u64) -> Drain {
        Drain {
            by: by.to_owned(),
            begun_at: at,
            deadline_at: self.deadline.map(|deadline| at.saturating_add(micros(deadline))),
            on_deadline: self.on_deadline.unwrap_or_default(),
            then: self.then.unwrap_or_default(),
        }
    }

    /// Whether a caller who asks for this means a drain that is going on.
    pub(super) fn means(&self, drain: &Drain) -> bool {
        let same = self.begin(&drain.by, drain.begun_at) == *drain;
        same || (self.deadline.is_none() && self.on_deadline.is_none() && self.then.is_none())
    }
}

/// Where a drain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainPhase {
    /// Exchanges are going on.
    Draining,
    /// The deadline has passed, and what is left may go on.
    Overdue,
    /// The deadline has passed, and what was left is being closed.
    Closing,
    /// Over: nothing is left, and what was to be done then is done.
    Drained,
    /// Over: the backend was enabled.
    Cancelled,
    /// Over: the backend was disabled meanwhile.
    Disabled,
    /// Over: the backend was removed meanwhile.
    Removed,
    /// Over: nothing is left, but what was to be done then was refused.
    Failed,
}

impl DrainPhase {
    /// Whether it is over.
    pub fn is_last(self) -> bool {
        !matches!(self, Self::Draining | Self::Overdue | Self::Closing)
    }
}

/// How far a drain is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is wanted.
    pub drain: Drain,
    /// The revision that last changed the backend.
    pub revision: u64,
    /// Where it stands.
    pub phase: DrainPhase,
    /// Exchanges in flight.
    pub remaining: u32,
    /// How long the oldest of them has been going on, and when that was looked up.
    pub oldest: Option<(Duration, SystemTime)>,
    /// Exchanges that the deadline ended.
    pub closed: u32,
    /// Why it failed.
    pub detail: String,
}

/// A duration in microseconds; the longest there is where it does not fit.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
