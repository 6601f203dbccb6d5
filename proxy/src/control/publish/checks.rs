//! Which backends are checked, and how, out of the configuration.

use speedmimi_model::{Backend, HealthCheckKind, Upstream};
use speedmimi_policy::Thresholds;

use super::backends;
use crate::control::resolve::Names;
use crate::control::store::Store;
use crate::health::{Check, Kind, Target};
use crate::live::Live;

/// Every backend that has a check, its own or its upstream's. Disabled ones too: what is known of them is right when
/// they are enabled.
pub(super) fn targets(store: &Store, names: &Names, live: &Live) -> Vec<Target> {
    let config = store.config();
    backends(config)
        .filter_map(|(name, backend)| {
            let check = check_of(config.upstreams.get(name)?, backend)?;
            let addresses = names.of(&backend.host, backend.port);
            Some(Target { backend: live.find_backend(name, &backend.id)?, addresses, check })
        })
        .collect()
}

fn check_of(upstream: &Upstream, backend: &Backend) -> Option<Check> {
    let check = backend.health_check(upstream)?;
    let kind = match check.kind {
        HealthCheckKind::Tcp => Kind::Tcp,
        HealthCheckKind::Http => Kind::Http {
            path: check.path.clone(),
            host: authority(&backend.host, backend.port),
            expect: check.expect_status.clone(),
        },
    };
    let thresholds = Thresholds { failures: check.failures, successes: check.successes };
    Some(Check { kind, interval: check.interval, timeout: check.timeout, thresholds })
}

/// The `Host` field of a check.
fn authority(host: &str, port: u16) -> String {
    let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    if port == 80 { bracketed } else { format!("{bracketed}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_check_is_an_authority() {
        assert_eq!(authority("example.com", 80), "example.com");
        assert_eq!(authority("10.0.0.1", 8080), "10.0.0.1:8080");
        assert_eq!(authority("::1", 8080), "[::1]:8080");
    }
}
