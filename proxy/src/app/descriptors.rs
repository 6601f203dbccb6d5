//! How many connections the process's descriptors can carry.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for everything that is not traffic: listeners, management, logs, checks, runtimes.
const RESERVE: u64 = 256;

/// Raises the soft limit of open files to the hard one and returns what is in force.
pub fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "the soft limit of open files cannot be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Client connections that fit: `max_conn`, or fewer where descriptors do not suffice for as many connections to
/// backends beside them. Never below 1.
pub fn carry(max_conn: u32, limit: u64) -> u32 {
    let fits = limit.saturating_sub(RESERVE) / 2;
    max_conn.min(u32::try_from(fits).unwrap_or(u32::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_may_need_a_backend_connection_too() {
        assert_eq!(carry(10_000, 1_048_576), 10_000);
        assert_eq!(carry(10_000, 1_024), 384);
        assert_eq!(carry(100, 1_024), 100);
        assert_eq!(carry(100, 100), 1);
        assert_eq!(carry(u32::MAX, u64::MAX), u32::MAX);
    }

    #[test]
    fn raising_twice_changes_nothing() {
        assert_eq!(raise(), raise());
    }
}
