//! Wrong tokens are answered slowly, each address for itself. Nobody is locked out: a good token is never looked up
//! here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Addresses that are remembered; the one heard of longest ago gives way.
const ADDRESSES: usize = 1024;
/// How long they are.
const MEMORY: Duration = Duration::from_secs(60);
/// Wrong tokens that are answered at once: somebody mistyped.
const FREE: u32 = 3;
/// The first wait; it doubles with each further wrong token.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3);
/// Answers that wait at once; further ones do not, so that they cannot fill the memory.
const WAITING: usize = 256;

/// Who has been guessing.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    addresses: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    waiting: AtomicUsize,
}

impl Guesses {
    /// Another wrong token from there: how long its answer has to wait.
    pub(super) fn wrong(&self, address: IpAddr, now: Instant) -> Duration {
        let mut addresses = self.addresses.lock();
        let address = network(address);
        if !addresses.contains_key(&address) && addresses.len() >= ADDRESSES {
            addresses.retain(|_, (_, last)| now.saturating_duration_since(*last) < MEMORY);
            if addresses.len() >= ADDRESSES
                && let Some(oldest) = addresses.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key)
            {
                addresses.remove(&oldest);
            }
        }
        let (count, last) = addresses.entry(address).or_insert((0, now));
        if now.saturating_duration_since(*last) >= MEMORY {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = now;
        match count.saturating_sub(FREE) {
            0 => Duration::ZERO,
            further => FIRST.saturating_mul(1 << (further - 1).min(10)).min(LONGEST),
        }
    }

    /// Waits, unless too many do.
    pub(super) async fn wait(&self, length: Duration) {
        if length.is_zero() {
            return;
        }
        let place = Place::new(&self.waiting);
        if place.0.load(Ordering::Relaxed) <= WAITING {
            tokio::time::sleep(length).await;
        }
    }
}

/// One that waits; a caller that leaves does so no longer.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One subscriber has a whole network of IPv6 addresses (RFC 6177): they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_becomes_slow_and_is_forgotten_later() {
        let guesses = Guesses::default();
        let now = Instant::now();
        let address = IpAddr::from([192, 0, 2, 1]);
        let waits: Vec<u128> = (0..12).map(|_| guesses.wrong(address, now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3000, 3000, 3000, 3000]);
        assert_eq!(guesses.wrong([192, 0, 2, 2].into(), now), Duration::ZERO);
        assert_eq!(guesses.wrong(address, now + MEMORY), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for n in 0..10_000_u32 {
            guesses.wrong(n.to_be_bytes().into(), now + Duration::from_micros(n.into()));
        }
        assert_eq!(guesses.addresses.lock().len(), ADDRESSES);
        // Neighbours in one network are one guesser.
        let neighbours = (0..5_u16).map(|n| guesses.wrong([0x2001, 0xdb8, 0, 0, n, 0, 0, 1].into(), now));
        assert!(neighbours.last().is_some_and(|wait| wait > Duration::ZERO));
    }
}
