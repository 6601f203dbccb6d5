//! Who asks for something.

use std::sync::Arc;

/// Who asks, as the audit log and the origins of values name it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A name: of a token, a certificate, a user; `api` where nobody has to say who they are.
    pub who: Arc<str>,
    /// Where the call comes from: an address, a socket, a signal.
    pub from: Arc<str>,
}

impl Default for Caller {
    /// The process itself.
    fn default() -> Self {
        Self { who: "speedmimi".into(), from: "process".into() }
    }
}

impl Caller {
    /// Anybody who reaches the API, where nobody has to say who they are.
    pub fn api(from: impl Into<Arc<str>>) -> Self {
        Self { who: "api".into(), from: from.into() }
    }

    /// Whoever sends signals to the process.
    pub fn signal() -> Self {
        Self { who: "signal".into(), from: "process".into() }
    }
}
