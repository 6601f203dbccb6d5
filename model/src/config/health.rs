//! `health_check`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a backend is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Default http.
    pub kind: HealthCheckKind,
    /// Requested of an HTTP check; default `/`.
    pub path: String,
    /// Statuses that pass; default 200..=399.
    pub expect_status: StatusRanges,
    /// Between two probes; default 30 s.
    pub interval: Duration,
    /// Of one probe; default 5 s.
    pub timeout: Duration,
    /// Failures in a row until it is down; default 3.
    pub failures: u32,
    /// Successes in a row until it is up again; default 2.
    pub successes: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            kind: HealthCheckKind::Http,
            path: "/".into(),
            expect_status: StatusRanges::default(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            failures: 3,
            successes: 2,
        }
    }
}

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthCheckKind {
    /// GET a path and look at the status.
    #[default]
    Http,
    /// Connect.
    Tcp,
}

/// Statuses, as inclusive ranges within 100..=599.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRanges(Vec<(u16, u16)>);

impl Default for StatusRanges {
    fn default() -> Self {
        Self(vec![(200, 399)])
    }
}

impl StatusRanges {
    /// The ranges, first to last.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether a status passes.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&status))
    }
}

impl FromStr for StatusRanges {
    type Err = String;

    /// `200`, `200-299`, or several with commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let range = |part: &str| -> Option<(u16, u16)> {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            ((100..=599).contains(&first) && (first..=599).contains(&last)).then_some((first, last))
        };
        text.split(',')
            .map(|part| range(part.trim()))
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no status: write 200, 200-299 or 200,404 within 100..599"))
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            if first == last { write!(formatter, "{first}")? } else { write!(formatter, "{first}-{last}")? }
        }
        Ok(())
    }
}
