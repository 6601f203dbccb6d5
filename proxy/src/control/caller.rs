//! Who asks for something, and what they may ask for.

use std::sync::Arc;

use speedmimi_model::Role;

/// Who asks, as the audit log and the origins of values name it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A name: of a token, a certificate, a user; `api` where nobody has to say who they are.
    pub who: Arc<str>,
    /// Where the call comes from: an address, a socket, a signal.
    pub from: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// The upstreams it is about.
    pub scope: Scope,
    /// What it asks for: a name of the table of verbs, a signal, or nothing.
    pub asks: &'static str,
}

/// The upstreams that a caller sees and changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope(Option<Arc<[String]>>);

impl Scope {
    /// These alone.
    pub fn only(upstreams: &[String]) -> Self {
        Self(Some(upstreams.into()))
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// The upstreams, where there is a limit.
    pub fn names(&self) -> Option<Arc<[String]>> {
        self.0.clone()
    }

    /// Whether an upstream is within.
    pub fn has(&self, upstream: &str) -> bool {
        self.0.as_ref().is_none_or(|upstreams| upstreams.iter().any(|known| known == upstream))
    }
}

impl Default for Caller {
    /// The process itself.
    fn default() -> Self {
        Self::of_the_process("speedmimi", "start")
    }
}

impl Caller {
    /// Anybody who reaches the API, where nobody has to say who they are.
    pub fn api(from: impl Into<Arc<str>>) -> Self {
        Self { who: "api".into(), from: from.into(), role: Role::Admin, scope: Scope::default(), asks: "" }
    }

    /// Whoever sends signals to the process.
    pub fn signal() -> Self {
        Self::of_the_process("signal", "SIGHUP")
    }

    /// Who was let in without being looked at, which cannot be: may do nothing.
    pub fn nobody() -> Self {
        let scope = Scope::only(&[]);
        Self { who: "nobody".into(), from: "unknown".into(), role: Role::Report, scope, asks: "" }
    }

    /// Whether it is nobody who is known.
    pub fn is_nobody(&self) -> bool {
        self.scope.0.as_ref().is_some_and(|upstreams| upstreams.is_empty())
    }

    fn of_the_process(who: &str, asks: &'static str) -> Self {
        Self { who: who.into(), from: "process".into(), role: Role::Admin, scope: Scope::default(), asks }
    }
}
