//! Keys whose time has not come: they are known, so that a file written for a later version says what is missing here
//! instead of "unknown key"; none is ignored.

use super::{At, Section};
use crate::tree::Value;

/// What may stand at a key that has no effect yet.
#[derive(Debug)]
pub(crate) enum Idle {
    /// One of these words: the default.
    Is(&'static [&'static str]),
    /// Nothing: no entry, an empty list or mapping.
    Nothing,
    /// Anything scalar: it has no effect while the switch beside it is off.
    Any,
    /// A mapping of such keys.
    Keys(&'static [(&'static str, Idle)]),
}

const MESSAGE: &str = "not available in this version";

/// The word is the one that stands there; `True` is `true`, as for keys of this version.
fn is(word: &str, text: &str) -> bool {
    word == text || matches!(word, "true" | "false") && word.eq_ignore_ascii_case(text)
}

impl Idle {
    pub(crate) fn check(&self, at: At<'_>) {
        match (self, &at.node.value) {
            (_, Value::Null) => {}
            (Self::Is(words), Value::Scalar(text)) if words.iter().any(|word| is(word, text)) => {}
            (Self::Is(words), Value::Scalar(text)) => {
                at.fault(format!("{text:?} is {MESSAGE}; allowed: {}", words.join(", ")));
            }
            (Self::Nothing, Value::Sequence(items)) if items.is_empty() => {}
            (Self::Nothing, Value::Mapping(entries)) if entries.is_empty() => {}
            (Self::Any, Value::Scalar(_)) => {}
            (Self::Keys(keys), Value::Mapping(_)) => {
                let mut section = Section::open(at);
                section.later(keys);
                section.finish();
            }
            _ => at.fault(format!("{MESSAGE}; leave it out")),
        }
    }
}
