//! What a request says of a health check.

use serde_json::{Map, Value};
use speedmimi_proto::v1;

use super::time;
use crate::admin::status::Violations;

/// A check of a backend or an upstream as the file writes it; what is not set is left out.
pub(super) fn health_check(prefix: &str, check: v1::HealthCheck, violations: &mut Violations) -> Value {
    let mut written = Map::new();
    let mut write = |key: &str, value: Value| drop(written.insert(key.to_owned(), value));
    match v1::HealthCheckType::try_from(check.r#type) {
        Ok(v1::HealthCheckType::Off) => return off(prefix, &check, violations),
        Ok(v1::HealthCheckType::Tcp) => write("type", "tcp".into()),
        Ok(v1::HealthCheckType::Http) => write("type", "http".into()),
        Ok(v1::HealthCheckType::Unspecified) => {}
        Err(_) => {
            let allowed = "HEALTH_CHECK_TYPE_HTTP, HEALTH_CHECK_TYPE_TCP and HEALTH_CHECK_TYPE_OFF are";
            violations.push(
                &format!("{prefix}.health_check.type"),
                format!("{} is not available in this version; {allowed}", check.r#type),
            );
        }
    }
    for (key, text) in [("path", check.path), ("expect_status", check.expect_status)] {
        if !text.is_empty() {
            write(key, text.into());
        }
    }
    for (key, given) in [("interval", check.interval), ("timeout", check.timeout)] {
        if let Some(value) = time(&format!("{prefix}.health_check.{key}"), given, violations) {
            write(key, value);
        }
    }
    for (key, number) in [("failures", check.failures), ("successes", check.successes)] {
        if number > 0 {
            write(key, number.into());
        }
    }
    Value::Object(written)
}

/// No check; one that is described all the same is a contradiction.
fn off(prefix: &str, check: &v1::HealthCheck, violations: &mut Violations) -> Value {
    if *check != (v1::HealthCheck { r#type: check.r#type, ..v1::HealthCheck::default() }) {
        violations.push(
            &format!("{prefix}.health_check"),
            "a check that is off has no other fields; leave them out or choose another type",
        );
    }
    "off".into()
}
