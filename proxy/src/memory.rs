//! What the process holds of the machine's memory beyond what it uses: as little as can be.
//!
//! An allocator keeps what a burst of connections freed until it is asked, and a proxy that has become quiet asks for
//! nothing any more.

use std::sync::OnceLock;

/// How this program's allocator gives back what the calling thread has freed.
static TRIM: OnceLock<fn()> = OnceLock::new();
/// Connections that must have ended since the last time: fewer are not worth the system calls.
const WORTH: u64 = 256;

/// Says how the allocator of this program is trimmed; without it, freed memory stays with the process. The function
/// is called on a worker thread, at most once a second and after many connections have ended.
pub fn trim_with(trim: fn()) {
    // A second call would come from a second `main`.
    let _ = TRIM.set(trim);
}

/// Keeps the kernel from backing memory with pages of 2 MiB, which the allocator asks for: an idle connection of 1.4 KiB
/// would be rounded up to twice that, and a proxy that has just started would hold three times the memory. For the
/// whole process; does nothing where the kernel knows no such pages.
pub fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory may be rounded up to large pages");
    }
}

/// The connections of a worker over time, as far as its memory is concerned.
#[derive(Debug, Default)]
pub(crate) struct Tide {
    high: u64,
}

impl Tide {
    /// Looks at the connections there are now: trims where most of a burst has gone.
    pub(crate) fn look(&mut self, connections: u64) {
        if self.has_ebbed(connections)
            && let Some(trim) = TRIM.get()
        {
            trim();
        }
    }

    fn has_ebbed(&mut self, connections: u64) -> bool {
        let ebbed = connections <= self.high / 2 && self.high - connections >= WORTH;
        self.high = if ebbed { connections } else { self.high.max(connections) };
        ebbed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_a_burst() {
        let mut tide = Tide::default();
        let looks = [0, 5000, 4000, 2501, 2500, 2400, 0, 0, 255, 0, 256, 0, 0];
        let ebbed: Vec<u64> =
            looks.into_iter().enumerate().filter(|(_, now)| tide.has_ebbed(*now)).map(|(at, _)| at as u64).collect();
        assert_eq!(ebbed, [4, 6, 11]);
    }
}
