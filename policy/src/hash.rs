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
