//! The names of the balancing algorithms, as users write them.

use std::fmt;
use std::str::FromStr;

/// How the backend of an exchange is chosen. [`crate::Picker`] documents what each one promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// `round_robin`: in turn, weights ignored.
    RoundRobin,
    /// `weighted_round_robin`: in turn by weight, spread as evenly as possible (smooth).
    WeightedRoundRobin,
    /// `weight`: at random, in proportion to weight.
    Weight,
    /// `random`: at random, weights ignored.
    Random,
    /// `ip_hash`: a client address stays with its backend, shares by weight.
    IpHash,
    /// `consistent_hash`: like `ip_hash` on any part of a request, with bounded load. Of a later version.
    ConsistentHash,
    /// `least_connections`: the fewest exchanges in flight.
    LeastConnections,
    /// `least_connections_weight`: the fewest exchanges in flight for its weight. The default.
    #[default]
    LeastConnectionsWeight,
    /// `performance_least_connections_weight`: the same, weight scaled by reported performance.
    PerformanceLeastConnectionsWeight,
    /// `fastest_response`: the shortest expected response time (peak EWMA). Of a later version.
    FastestResponse,
}

impl Algorithm {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 10] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::Weight,
        Self::Random,
        Self::IpHash,
        Self::ConsistentHash,
        Self::LeastConnections,
        Self::LeastConnectionsWeight,
        Self::PerformanceLeastConnectionsWeight,
        Self::FastestResponse,
    ];

    /// The name in configuration, API and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::Weight => "weight",
            Self::Random => "random",
            Self::IpHash => "ip_hash",
            Self::ConsistentHash => "consistent_hash",
            Self::LeastConnections => "least_connections",
            Self::LeastConnectionsWeight => "least_connections_weight",
            Self::PerformanceLeastConnectionsWeight => "performance_least_connections_weight",
            Self::FastestResponse => "fastest_response",
        }
    }

    /// Whether this version has it. A configuration that asks for another is refused, not bent.
    #[must_use]
    pub const fn is_available(self) -> bool {
        !matches!(self, Self::ConsistentHash | Self::FastestResponse)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| UnknownAlgorithm { given: name.to_owned() })
    }
}

/// A name that no version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown load_balancer `{given}`; allowed: {allowed}", allowed = allowed())]
pub struct UnknownAlgorithm {
    /// What was written.
    pub given: String,
}

/// A known algorithm that this version does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("load_balancer `{0}` is not available in this version; allowed: {allowed}", allowed = allowed())]
pub struct NotAvailable(pub Algorithm);

fn allowed() -> String {
    let names = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available()).map(Algorithm::as_str);
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(algorithm.to_string(), algorithm.as_str());
        }
        assert_eq!(Algorithm::default().as_str(), "least_connections_weight");
    }

    #[test]
    fn a_wrong_name_is_told_what_is_allowed_now() {
        let message = "leastconn".parse::<Algorithm>().expect_err("not a name of ours").to_string();
        assert!(message.contains("`leastconn`") && message.contains("least_connections,"), "{message}");
        assert!(!message.contains("consistent_hash"), "offers what this version lacks: {message}");
        for case in ["Round_Robin", "round-robin", " round_robin", ""] {
            assert!(case.parse::<Algorithm>().is_err(), "{case:?}");
        }
    }
}
