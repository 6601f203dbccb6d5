//! Where each value comes from.

use serde_json::Value;

use super::Layers;
use crate::fields;
use crate::object::Object;
use crate::overlay::{Origin, Presence};
use crate::write::blank;

/// Who says what a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Nobody.
    Default,
    /// The file.
    File,
    /// Somebody through the API.
    Overlay,
}

/// A field and where its value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Its path: `timeouts.connect`.
    pub field: String,
    /// Its value; nothing where it has none, or where that is for the upstream or the system to say.
    pub value: Value,
    /// Who says so.
    pub layer: Layer,
    /// Who set it through the API, and when.
    pub origin: Option<Origin>,
    /// What the file says of it, if it says something.
    pub file_value: Option<Value>,
    /// What it is where nobody says it.
    pub default: Value,
    /// The file was changed here after it was set through the API, and says something else.
    pub contradicted: bool,
}

impl Layers {
    /// Every field of an object, those that nobody says included; none where there is no such object.
    pub fn explain(&self, object: &Object) -> Vec<Explained> {
        let Some(document) = self.effective.part(object) else { return Vec::new() };
        let in_file = self.file.part(object);
        let entry = self.overlay.live(object);
        let added = entry.is_some_and(|entry| matches!(entry.presence, Presence::Added { .. }));
        let blank = blank(object);
        let or_default = |value: &Value, default: &Value| if value.is_null() { default.clone() } else { value.clone() };
        let explained = fields::of(object).iter().map(|field| {
            let path = field.path.as_str();
            let held = entry.and_then(|entry| entry.fields.get(path));
            let written = in_file.as_ref().map(|file| fields::get(file, path));
            let says = |value: &&Value| self.file.spelled.has(object, path) || **value != *fields::get(&blank, path);
            let written = written.filter(says);
            let layer = match (held, written) {
                (Some(_), _) => Layer::Overlay,
                (None, Some(_)) if !added => Layer::File,
                (None, _) => Layer::Default,
            };
            let default = or_default(fields::get(&blank, path), &field.default);
            Explained {
                field: field.path.clone(),
                value: or_default(fields::get(&document, path), &default),
                layer,
                origin: held.map(|held| held.origin.clone()),
                file_value: written.map(|value| or_default(value, &default)),
                default,
                contradicted: held.is_some_and(|held| held.contradicted),
            }
        });
        explained.collect()
    }
}
