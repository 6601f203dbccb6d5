//! Header edits of a route, compiled into bytes that are appended as they are.

use speedmimi_model::HeaderOps;

/// What to drop and what to append, for either direction.
#[derive(Debug, Default)]
pub struct HeaderEdits {
    /// Towards the backend.
    pub request: Edits,
    /// Towards the client.
    pub response: Edits,
}

/// Edits of one direction.
#[derive(Debug, Default)]
pub struct Edits {
    /// Lower-case names of fields that are not copied: removed ones and those that are set anew.
    dropped: Vec<Box<[u8]>>,
    /// `Name: value\r\n` of everything set or added.
    pub appended: Box<[u8]>,
}

impl HeaderEdits {
    /// Compiles the edits of a route.
    pub fn new(edits: &speedmimi_model::HeaderEdits) -> Self {
        Self { request: Edits::new(&edits.request), response: Edits::new(&edits.response) }
    }
}

impl Edits {
    fn new(ops: &HeaderOps) -> Self {
        let names = ops.remove.iter().chain(ops.set.iter().map(|(name, _)| name));
        let dropped = names.map(|name| name.to_ascii_lowercase().into_bytes().into_boxed_slice()).collect();
        let mut appended = Vec::new();
        for (name, value) in ops.set.iter().chain(&ops.add) {
            for part in [name.as_str(), ": ", value.as_str(), "\r\n"] {
                appended.extend_from_slice(part.as_bytes());
            }
        }
        Self { dropped, appended: appended.into_boxed_slice() }
    }

    /// Whether a field of that name (any case) is not to be copied.
    #[inline]
    pub fn drops(&self, name: &[u8]) -> bool {
        !self.dropped.is_empty() && self.dropped.iter().any(|dropped| dropped.eq_ignore_ascii_case(name))
    }
}
