//! Stable hashes: the same on every worker, instance, machine and version.
//!
//! Clients are pinned by them across restarts and between proxies, so changing one moves every client; the tests
//! hold their values fast.

use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

/// The hash of a name, such as a backend's id (XXH3, 64 bits, seed 0).
#[must_use]
pub fn hash_key(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The hash of a whole client address; an IPv4 address mapped into IPv6 is the IPv4 address.
#[must_use]
pub fn hash_ip(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash_key(&ip.octets()),
        IpAddr::V6(ip) => hash_key(&ip.octets()),
    }
}

/// Scatters 64 bits: each bit of the input turns about half of the output's.
///
/// The output function of `SplitMix64` (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators",
/// 2014, with Stafford's variant 13 constants).
pub(crate) fn scatter(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> u64 {
        hash_ip(text.parse().expect("an address"))
    }

    /// Values are pinned: another one would move every client at an upgrade.
    #[test]
    fn hashes_never_change() {
        assert_eq!(hash_key(b""), 0x2d06_8005_38d3_94c2, "XXH3 of nothing, from its specification");
        assert_eq!((hash_key(b"backend1"), ip("192.0.2.1"), ip("2001:db8::1"), scatter(1)), PINNED);
    }

    const PINNED: (u64, u64, u64, u64) =
        (0xa403_7b4f_d72a_6d47, 0x2c1c_901e_ed9a_dc4a, 0x275c_8fa5_8c2d_19a0, 0x5692_161d_100b_05e5);

    #[test]
    fn an_address_is_one_whichever_family_carries_it() {
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert_ne!(ip("::192.0.2.1"), ip("192.0.2.1"), "only mapped addresses are IPv4 addresses");
    }

    #[test]
    fn the_whole_address_counts() {
        assert_ne!(ip("192.0.2.1"), ip("192.0.2.2"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8::2"));
    }
}
