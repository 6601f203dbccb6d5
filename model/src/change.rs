//! Changes as the API asks for them: partial, checked whole before anything is done.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Config;
use crate::object::{Kind, Object};
use crate::overlay::Overlay;

/// One change. Fields are named by their paths inside the object, as written in the file (`max_conn`,
/// `timeouts.connect`, `headers.request.set`), and their values are what the file would spell, as JSON (`"30s"`). A
/// path that holds several fields stands for all of them. Lists, `labels`, what headers are set to, and `health_check`
/// are replaced as a whole; nothing (`null`) is what is so where nobody says it.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new object; the fields say everything that is not a default. A backend without an id is `host:port`.
    Add {
        /// Its name; the upstream of a backend exists.
        object: Object,
        /// Its fields.
        fields: BTreeMap<String, Value>,
    },
    /// Some fields of an object.
    Update {
        /// Which one; it exists.
        object: Object,
        /// The fields.
        fields: BTreeMap<String, Edit>,
    },
    /// An object goes. No section can.
    Remove {
        /// Which one; no route leads to it.
        object: Object,
        /// With its backends, if it is an upstream that has any.
        cascade: bool,
    },
    /// The configuration becomes this one; what the file says otherwise goes into the overlay, and nothing else.
    Apply(Box<Config>),
    /// Takes back what was changed through the API.
    Clear(Selector),
    /// Goes back to an earlier overlay. What fits nothing in the file of today is kept without effect.
    Restore(Box<Overlay>),
}

impl Change {
    /// One field of an object gets a value.
    pub fn set(object: Object, field: &str, value: impl Into<Value>) -> Self {
        Self::Update { object, fields: BTreeMap::from([(field.to_owned(), Edit::Set(value.into()))]) }
    }

    /// One field of an object goes back to the file's value.
    pub fn reset(object: Object, field: &str) -> Self {
        Self::Update { object, fields: BTreeMap::from([(field.to_owned(), Edit::Reset)]) }
    }
}

/// What a change does to a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Gives it this value.
    Set(Value),
    /// Takes it back to the file's value, or to the default where the file has none.
    Reset,
}

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Everything.
    All,
    /// Everything about one object: it is as the file has it, or gone. A removed upstream comes back with its backends.
    Object(Object),
    /// One field.
    Field(Object, String),
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
    /// Others need what is to be removed.
    #[error("{object} is in use by {}; {advice}", by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    InUse {
        /// What was to be removed.
        object: Object,
        /// What needs it.
        by: Vec<Object>,
        /// What to do first.
        advice: &'static str,
    },
    /// Each object may be so, but not all of them together.
    #[error("{0}")]
    Unroutable(String),
    /// Only a restart can change these, named key by key: `grpc.port`.
    #[error("a restart is needed to change {}: change it in the file", fields.join(", "))]
    RestartNeeded {
        /// The keys.
        fields: Vec<String>,
    },
}
