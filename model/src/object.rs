//! What has a place of its own in the configuration: a change names it, the overlay holds an entry for it, a revision
//! belongs to it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Form", from = "Form")]
pub enum Object {
    /// A backend.
    Backend {
        /// Its upstream.
        upstream: String,
        /// Its id.
        id: String,
    },
    /// An upstream, its policy; not its backends.
    Upstream(String),
    /// A route.
    Route(String),
    /// A key of the file that holds none of the others: `server`, `state`.
    Section(String),
}

/// An object as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    Backend { upstream: String, id: String },
    Upstream { name: String },
    Route { name: String },
    Section { name: String },
}

impl Object {
    /// A backend by its names.
    pub fn backend(upstream: impl Into<String>, id: impl Into<String>) -> Self {
        Self::Backend { upstream: upstream.into(), id: id.into() }
    }

    /// The one that is called so among its kind, as [`Object::name`] says it; names have no slash.
    pub fn named(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Backend => {
                let (upstream, id) = name.split_once('/').unwrap_or(("", name));
                Self::backend(upstream, id)
            }
            Kind::Upstream => Self::Upstream(name.to_owned()),
            Kind::Route => Self::Route(name.to_owned()),
            Kind::Section => Self::Section(name.to_owned()),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Backend { .. } => Kind::Backend,
            Self::Upstream(_) => Kind::Upstream,
            Self::Route(_) => Kind::Route,
            Self::Section(_) => Kind::Section,
        }
    }

    /// How it is called among its kind: `UPSTREAM/ID` or its name.
    pub fn name(&self) -> String {
        match self {
            Self::Backend { upstream, id } => format!("{upstream}/{id}"),
            Self::Upstream(name) | Self::Route(name) | Self::Section(name) => name.clone(),
        }
    }

    /// What names of its fields begin with in the API: `backend`, `server`.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Backend { .. } => "backend",
            Self::Upstream(_) => "upstream",
            Self::Route(_) => "route",
            Self::Section(name) => name,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend { upstream, id } => write!(formatter, "backend {upstream}/{id}"),
            Self::Upstream(name) => write!(formatter, "upstream {name}"),
            Self::Route(name) => write!(formatter, "route {name}"),
            Self::Section(name) => formatter.write_str(name),
        }
    }
}

impl From<Object> for Form {
    fn from(object: Object) -> Self {
        match object {
            Object::Backend { upstream, id } => Self::Backend { upstream, id },
            Object::Upstream(name) => Self::Upstream { name },
            Object::Route(name) => Self::Route { name },
            Object::Section(name) => Self::Section { name },
        }
    }
}

impl From<Form> for Object {
    fn from(form: Form) -> Self {
        match form {
            Form::Backend { upstream, id } => Self::Backend { upstream, id },
            Form::Upstream { name } => Self::Upstream(name),
            Form::Route { name } => Self::Route(name),
            Form::Section { name } => Self::Section(name),
        }
    }
}

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A group of backends.
    Upstream,
    /// One of its backends, named `UPSTREAM/ID`.
    Backend,
    /// Host and path to upstream.
    Route,
    /// A key of the file that holds none of the others.
    Section,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Upstream => "upstream",
            Self::Backend => "backend",
            Self::Route => "route",
            Self::Section => "section",
        })
    }
}
