//! Wrong tokens are answered slowly, each address for itself. While many wait, further ones from there are not looked at
//! at all; whoever has shown a good one on its connection goes on.

use std::collections::HashMap;
use std::net::IpAddr;
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
/// Answers that wait at once. With so many, no further token is looked at.
const WAITING: usize = 256;
/// As many of one address. One address cannot have all of them, and so keep everybody out.
const EACH: usize = 16;

/// Who has been guessing.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    addresses: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    waiting: Mutex<Waiting>,
}

/// Answers that wait, in all and of each address.
#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by: HashMap<IpAddr, usize>,
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

    /// Whether so many answers wait that nobody there is to be told whether a token is right.
    pub(super) fn is_crowded(&self, address: IpAddr) -> bool {
        let waiting = self.waiting.lock();
        waiting.all >= WAITING || waiting.by.get(&network(address)).is_some_and(|&waits| waits >= EACH)
    }

    /// Waits. Each that waits is a call under way, and those are bounded.
    pub(super) async fn wait(&self, address: IpAddr, length: Duration) {
        if length.is_zero() {
            return;
        }
        let _place = Place::new(self, network(address));
        tokio::time::sleep(length).await;
    }
}

/// One that waits; a caller that leaves does so no longer.
struct Place<'a>(&'a Guesses, IpAddr);

impl<'a> Place<'a> {
    fn new(guesses: &'a Guesses, address: IpAddr) -> Self {
        let mut waiting = guesses.waiting.lock();
        waiting.all += 1;
        *waiting.by.entry(address).or_default() += 1;
        Self(guesses, address)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.all -= 1;
        if let Some(waits) = waiting.by.get_mut(&self.1) {
            *waits -= 1;
            if *waits == 0 {
                waiting.by.remove(&self.1);
            }
        }
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

    #[tokio::test(start_paused = true)]
    async fn past_some_that_wait_no_further_token_is_looked_at() {
        let guesses = Guesses::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let waits: Vec<_> = (0..EACH).map(|_| Place::new(&guesses, one)).collect();
        assert!(guesses.is_crowded(one) && !guesses.is_crowded(other));
        let everywhere: Vec<_> =
            (0..WAITING - EACH).map(|n| Place::new(&guesses, [198, 51, 100, n as u8].into())).collect();
        assert!(guesses.is_crowded(other), "there are too many of them in all");
        drop((waits, everywhere));
        assert!(!guesses.is_crowded(one) && guesses.waiting.lock().by.is_empty());
        let begun = tokio::time::Instant::now();
        guesses.wait(one, LONGEST).await;
        assert_eq!(begun.elapsed(), LONGEST);
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
