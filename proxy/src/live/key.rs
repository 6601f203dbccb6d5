//! The name of a backend as a key, which can be looked up by what it is made of without making one.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// An upstream and an id in it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) upstream: Box<str>,
    pub(super) id: Box<str>,
}

/// What names a backend.
pub(super) trait Named {
    fn parts(&self) -> (&str, &str);
}

impl Named for Key {
    fn parts(&self) -> (&str, &str) {
        (&self.upstream, &self.id)
    }
}

impl Named for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Named + 'a> for Key {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

// The name and what it can be looked up by have to agree in both of these, so both go by the parts.
impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}
