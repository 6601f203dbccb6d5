//! The one place that says whether a caller may.

use std::fmt;

use speedmimi_model::Role;

use super::verbs::{Reach, Right, verb};
use crate::control::Caller;

/// Characters of a name that nothing has, at most, where it is repeated.
const LONGEST: usize = 200;

/// Why a caller may not. Says nothing about what exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What the caller asked for.
    pub verb: String,
    /// What the caller is.
    pub had: Role,
    /// What would be needed.
    pub needed: Needed,
}

/// What a caller lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// A role.
    Role(Role),
    /// This upstream among its own.
    Upstream(String),
    /// An upstream among its own that this leads to, as people call it: `route main`.
    UpstreamOf(String),
    /// No limit to some upstreams.
    Everything,
    /// Nobody could: it is not in the table, or comes later.
    Nothing,
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, had, needed } = self;
        let method = verb.rsplit('/').next().unwrap_or(verb);
        match needed {
            Needed::Role(role) => write!(formatter, "{method} needs the role {role}; this caller has {had}"),
            Needed::Upstream(name) => {
                write!(formatter, "{method}: {name:?} is not within the upstreams of this caller")
            }
            Needed::UpstreamOf(what) => write!(formatter, "{method}: {what} leads to no upstream of this caller"),
            Needed::Everything => {
                write!(formatter, "{method} is about everything; this caller is limited to some upstreams")
            }
            Needed::Nothing => write!(formatter, "{} is no method of this version", self.name()),
        }
    }
}

impl std::error::Error for Denied {}

impl Denied {
    /// What the caller asked for, as far as it is worth repeating.
    pub fn name(&self) -> &str {
        self.verb.char_indices().nth(LONGEST).map_or(&self.verb, |(end, _)| &self.verb[..end])
    }
}

/// Whether a caller may do what a name of the table stands for, as far as is known before the request is read; with an
/// upstream: to that one. What is not in the table nobody may.
pub fn authorise(caller: &Caller, name: &str, upstream: Option<&str>) -> Result<(), Denied> {
    let denied = |needed| Err(Denied { verb: name.to_owned(), had: caller.role, needed });
    let Some(verb) = verb(name) else { return denied(Needed::Nothing) };
    match verb.right {
        Right::Open => return Ok(()),
        Right::Known => {}
        Right::Role(role) if caller.role.includes(role) => {}
        Right::Role(role) => return denied(Needed::Role(role)),
    }
    match upstream {
        _ if verb.reach == Reach::Whole && caller.scope.is_limited() => denied(Needed::Everything),
        Some(upstream) if !caller.scope.has(upstream) => denied(Needed::Upstream(upstream.to_owned())),
        _ => Ok(()),
    }
}
