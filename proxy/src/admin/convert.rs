//! Requests into valid types: what cannot be meant is found here, all of it at once, with the field's name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use speedmimi_model::Edit;
use speedmimi_proto::v1;

use super::status::Violations;

pub(super) mod backend;
mod check;
pub(super) mod route;
pub(super) mod upstream;

/// The name of an upstream; empty is `default`.
pub(super) fn upstream_name(name: &str) -> &str {
    if name.is_empty() { "default" } else { name }
}

/// A name that has to be given: of something that exists, or of a new one.
pub(super) fn needed<'a>(field: &str, name: &'a str, violations: &mut Violations) -> &'a str {
    if name.is_empty() {
        violations.push(field, "is needed");
    }
    name
}

/// The paths that an update names; none: whatever is set. A path may stand for all fields below it.
struct Mask(Option<Vec<String>>);

impl Mask {
    /// Reads a mask over these fields.
    fn new(mask: Option<prost_types::FieldMask>, fields: &[&str], violations: &mut Violations) -> Self {
        let paths = mask.map(|mask| mask.paths);
        for (index, path) in paths.iter().flatten().enumerate() {
            if !fields.iter().any(|field| stands_for(path, field)) {
                let field = format!("update_mask.paths[{index}]");
                violations.push(&field, format!("{path:?} is not one of {}", fields.join(", ")));
            }
        }
        Self(paths)
    }

    /// Whether a field is named; nothing where there is no mask.
    fn names(&self, field: &str) -> Option<bool> {
        self.0.as_ref().map(|paths| paths.iter().any(|path| stands_for(path, field)))
    }

    /// What becomes of each field: those that are named, or those that are set where there is no mask. One that is
    /// named and not set goes back to the file's value.
    fn edits<const N: usize>(&self, values: [(&str, Option<Value>); N]) -> BTreeMap<String, Edit> {
        let decide = |(field, value): (&str, Option<Value>)| {
            let edit = match (value, self.names(field)) {
                (Some(value), None | Some(true)) => Edit::Set(value),
                (None, Some(true)) => Edit::Reset,
                (_, Some(false)) | (None, None) => return None,
            };
            Some((field.to_owned(), edit))
        };
        values.into_iter().filter_map(decide).collect()
    }
}

fn stands_for(path: &str, field: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The values of a new object: what is set.
fn values(edits: BTreeMap<String, Edit>) -> BTreeMap<String, Value> {
    let set = |(field, edit)| match edit {
        Edit::Set(value) => Some((field, value)),
        Edit::Reset => None,
    };
    edits.into_iter().filter_map(set).collect()
}

/// An algorithm as the file writes it.
fn load_balancer(field: &str, number: Option<i32>, violations: &mut Violations) -> Option<Value> {
    let number = number?;
    match v1::LoadBalancer::try_from(number) {
        Ok(v1::LoadBalancer::Unspecified) => None,
        Ok(known) => {
            let name = known.as_str_name();
            Some(name.strip_prefix("LOAD_BALANCER_").unwrap_or(name).to_ascii_lowercase().into())
        }
        Err(_) => {
            violations.push(field, format!("{number} is no LoadBalancer of this version"));
            None
        }
    }
}

/// A duration as the file writes it.
fn time(field: &str, given: Option<prost_types::Duration>, violations: &mut Violations) -> Option<Value> {
    match duration(given?) {
        Ok(duration) => Some(spelled(duration).into()),
        Err(description) => {
            violations.push(field, description);
            None
        }
    }
}

/// The four clocks as the file writes them, in the order of the message; a total of nothing is off.
fn timeouts(prefix: &str, given: Option<v1::Timeouts>, violations: &mut Violations) -> [Option<Value>; 4] {
    let v1::Timeouts { connect, first_byte, idle, total } = given.unwrap_or_default();
    let mut read = |field: &str, given| time(&format!("{prefix}.timeouts.{field}"), given, violations);
    let limits = [read("connect", connect), read("first_byte", first_byte), read("idle", idle)];
    let off = total == Some(prost_types::Duration::default());
    let [connect, first_byte, idle] = limits;
    [connect, first_byte, idle, if off { Some("off".into()) } else { read("total", total) }]
}

/// A duration as the file writes it. One that is no whole number of milliseconds cannot be written there, and is
/// refused by the same rule.
fn spelled(duration: Duration) -> String {
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{duration:?}")
    }
}

/// A duration that is not negative, in either part.
pub(super) fn duration(given: prost_types::Duration) -> Result<Duration, String> {
    // Looked at by hand: the library that reads it overflows where both parts are as small as they get.
    let negative = given.seconds < 0 || given.nanos < 0;
    let read = if negative { None } else { Duration::try_from(given).ok() };
    read.ok_or_else(|| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests;
