//! A drain as the audit log tells it.

use std::fmt;

use super::{Drain, OnDeadline, Then};

impl fmt::Display for Drain {
    /// What is wanted, with the time of the deadline: `deadline=2026-01-02T03:04:05Z, on_deadline=close, then=remove`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.deadline_at.and_then(|at| jiff::Timestamp::from_microsecond(i64::try_from(at).ok()?).ok()) {
            Some(at) => write!(formatter, "deadline={}, ", at.strftime("%Y-%m-%dT%H:%M:%SZ"))?,
            None => formatter.write_str("no deadline, ")?,
        }
        let on_deadline = match self.on_deadline {
            OnDeadline::Keep => "keep",
            OnDeadline::Close => "close",
        };
        let then = match self.then {
            Then::None => "none",
            Then::Disable => "disable",
            Then::Remove => "remove",
        };
        write!(formatter, "on_deadline={on_deadline}, then={then}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_told_in_words() {
        let drain = Drain {
            by: "ops".into(),
            begun_at: 0,
            deadline_at: Some(86_400_000_000),
            on_deadline: OnDeadline::Close,
            then: Then::Remove,
        };
        assert_eq!(drain.to_string(), "deadline=1970-01-02T00:00:00Z, on_deadline=close, then=remove");
        let open = Drain { deadline_at: None, on_deadline: OnDeadline::Keep, then: Then::None, ..drain };
        assert_eq!(open.to_string(), "no deadline, on_deadline=keep, then=none");
    }
}
