//! Changes as the API asks for them: partial, checked whole before anything is done.

use std::collections::BTreeMap;

use crate::config::{Backend, HealthCheck, Scheme};
use crate::rules;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new backend; the patch says everything that is not a default. Without an id it is `host:port`.
    AddBackend {
        /// Name of the upstream; it exists.
        upstream: String,
        /// Id, or none.
        id: Option<String>,
        /// Its fields.
        patch: Box<BackendPatch>,
    },
    /// Some fields of a backend.
    UpdateBackend {
        /// Name of the upstream.
        upstream: String,
        /// Id of the backend.
        id: String,
        /// The fields.
        patch: Box<BackendPatch>,
    },
    /// A backend goes.
    RemoveBackend {
        /// Name of the upstream.
        upstream: String,
        /// Id of the backend.
        id: String,
    },
    /// Enable or disable.
    SetActive {
        /// Name of the upstream.
        upstream: String,
        /// Id of the backend.
        id: String,
        /// True to enable.
        active: bool,
    },
}

/// What a change does to a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Patch<T> {
    /// Leaves it.
    #[default]
    Keep,
    /// Gives it this value.
    Set(T),
    /// Takes it back to the file's value, or to the default where the file has none.
    Reset,
}

impl<T: Clone> Patch<T> {
    fn apply(&self, target: &mut T, base: &T) {
        match self {
            Self::Keep => {}
            Self::Set(value) => *target = value.clone(),
            Self::Reset => *target = base.clone(),
        }
    }

    /// Puts a later patch over this one.
    fn merge(&mut self, later: &Self) {
        match later {
            Self::Keep => {}
            // What goes back to the file needs no entry over it.
            Self::Reset => *self = Self::Keep,
            Self::Set(_) => *self = later.clone(),
        }
    }

    /// Whether it leaves the field.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// Fields of a backend, each on its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackendPatch {
    /// See [`Backend::name`].
    pub name: Patch<String>,
    /// See [`Backend::host`].
    pub host: Patch<String>,
    /// See [`Backend::port`]; checked when the change is applied.
    pub port: Patch<u32>,
    /// See [`Backend::weight`]; checked when the change is applied.
    pub weight: Patch<u32>,
    /// See [`Backend::scheme`].
    pub scheme: Patch<Scheme>,
    /// See [`Backend::active`].
    pub active: Patch<bool>,
    /// See [`Backend::max_conn`].
    pub max_conn: Patch<i32>,
    /// See [`Backend::labels`]; replaced as a whole.
    pub labels: Patch<BTreeMap<String, String>>,
    /// See [`Backend::health_check`]; replaced as a whole. `Set(None)` is no own check.
    pub health_check: Patch<Option<HealthCheck>>,
}

impl BackendPatch {
    /// Every field that cannot be.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |field: &str, result: Result<(), String>| {
            if let Err(description) = result {
                found.push(Violation { field: format!("backend.{field}"), description });
            }
        };
        if let Patch::Set(host) = &self.host {
            check("host", rules::host(host).map(drop));
        }
        if let Patch::Set(port) = self.port {
            check("port", rules::port(port).map(drop));
        }
        if let Patch::Set(weight) = self.weight {
            check("weight", rules::weight(weight).map(drop));
        }
        if let Patch::Set(Some(health)) = &self.health_check {
            check("health_check.path", rules::path(&health.path).map(drop));
            for (field, number) in [("failures", health.failures), ("successes", health.successes)] {
                let fits = (1..=1000).contains(&number);
                check(
                    &format!("health_check.{field}"),
                    fits.then_some(()).ok_or(format!("{number} is not within 1..1000")),
                );
            }
            for (field, duration) in [("interval", health.interval), ("timeout", health.timeout)] {
                check(&format!("health_check.{field}"), rules::duration_value(duration).map(drop));
            }
        }
        found
    }

    /// The backend with this patch over it. The numbers have been checked.
    pub(crate) fn apply(&self, target: &mut Backend, base: &Backend) {
        let narrow = |port: u32| u16::try_from(port).unwrap_or(base.port);
        match &self.name {
            Patch::Keep => {}
            Patch::Set(name) => target.name = Some(name.clone()),
            Patch::Reset => target.name.clone_from(&base.name),
        }
        match self.port {
            Patch::Keep => {}
            Patch::Set(port) => target.port = narrow(port),
            Patch::Reset => target.port = base.port,
        }
        match &self.host {
            Patch::Keep => {}
            // As the file writes it: `[::1]` is `::1`.
            Patch::Set(host) => target.host = rules::host(host).unwrap_or_else(|_| host.clone()),
            Patch::Reset => target.host.clone_from(&base.host),
        }
        self.weight.apply(&mut target.weight, &base.weight);
        self.scheme.apply(&mut target.scheme, &base.scheme);
        self.active.apply(&mut target.active, &base.active);
        self.max_conn.apply(&mut target.max_conn, &base.max_conn);
        self.labels.apply(&mut target.labels, &base.labels);
        self.health_check.apply(&mut target.health_check, &base.health_check);
    }

    /// The fields that the file changed and that this holds at another value.
    pub(crate) fn contradicts(&self, old: &Backend, new: &Backend) -> Vec<&'static str> {
        let mut held = new.clone();
        self.apply(&mut held, new);
        let fields = [
            ("name", old.name != new.name && held.name != new.name),
            ("host", old.host != new.host && held.host != new.host),
            ("port", old.port != new.port && held.port != new.port),
            ("weight", old.weight != new.weight && held.weight != new.weight),
            ("scheme", old.scheme != new.scheme && held.scheme != new.scheme),
            ("active", old.active != new.active && held.active != new.active),
            ("max_conn", old.max_conn != new.max_conn && held.max_conn != new.max_conn),
            ("labels", old.labels != new.labels && held.labels != new.labels),
            ("health_check", old.health_check != new.health_check && held.health_check != new.health_check),
        ];
        fields.into_iter().filter(|(_, contradicts)| *contradicts).map(|(field, _)| field).collect()
    }

    /// Puts a later patch over this one.
    pub(crate) fn merge(&mut self, later: &Self) {
        self.name.merge(&later.name);
        self.host.merge(&later.host);
        self.port.merge(&later.port);
        self.weight.merge(&later.weight);
        self.scheme.merge(&later.scheme);
        self.active.merge(&later.active);
        self.max_conn.merge(&later.max_conn);
        self.labels.merge(&later.labels);
        self.health_check.merge(&later.health_check);
    }
}

/// A kind of object that a change names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A group of backends.
    Upstream,
    /// One of its backends, named `UPSTREAM/ID`.
    Backend,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Upstream => "upstream",
            Self::Backend => "backend",
        })
    }
}

/// A field of a request that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// As in the API: `backend.max_conn`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub description: String,
}

/// Why a change is refused. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// What is to be changed is not there.
    #[error("{kind} {id:?} does not exist; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// Under which name.
        id: String,
        /// What is there instead.
        known: Vec<String>,
    },
    /// What is to be added is there already.
    #[error("{kind} {id:?} exists already")]
    AlreadyExists {
        /// What was to be added.
        kind: Kind,
        /// Under which name.
        id: String,
    },
    /// Some fields cannot be; all of them are named.
    #[error("{}", .0.iter().map(|v| format!("{}: {}", v.field, v.description)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Violation>),
}
