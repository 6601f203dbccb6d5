//! The fields of a change, put into an object, and everything that is wrong with them at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Layers;
use crate::change::{Change, Edit, Selector, Violation};
use crate::config::Config;
use crate::fields;
use crate::object::Object;
use crate::parse;
use crate::rules;
use crate::write::blank;

impl Layers {
    /// Everything that is wrong with the fields of a change, for whoever knows already that it is refused: also where its
    /// object is not there or has no name yet, and without what only a complete one could be blamed for.
    pub fn violations(&self, change: &Change) -> Vec<Violation> {
        let mut config = (*self.effective).clone();
        let (object, edits) = match change {
            Change::Add { object, fields } => {
                return self.begin(object, fields, &mut config).err().unwrap_or_default();
            }
            Change::Update { object, fields } => (object, fields.clone()),
            Change::Clear(Selector::Field(object, field)) => (object, BTreeMap::from([(field.clone(), Edit::Reset)])),
            Change::Remove { .. } | Change::Apply(_) | Change::Clear(_) | Change::Restore(_) => return Vec::new(),
        };
        if let Some(document) = self.effective.part(object) {
            return self.read(object, document, &edits, &mut config).err().unwrap_or_default();
        }
        let prefix = object.prefix();
        let set: BTreeMap<String, Edit> = edits.into_iter().filter(|(_, edit)| *edit != Edit::Reset).collect();
        let mut found = self.read(object, blank(object), &set, &mut config).err().unwrap_or_default();
        found.retain(|found| {
            let field = found.field.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
            field.is_some_and(|field| set.keys().any(|known| field == known || is_below(field, known)))
        });
        found
    }

    /// Reads a new object into a configuration, as [`Layers::read`].
    pub(super) fn begin(
        &self,
        object: &Object,
        fields: &BTreeMap<String, Value>,
        config: &mut Config,
    ) -> Result<Object, Vec<Violation>> {
        let mut document = Value::Object(serde_json::Map::new());
        if let Object::Backend { id, .. } = object
            && !id.is_empty()
        {
            fields::put(&mut document, "id", id.as_str().into());
        }
        let edits = fields.iter().map(|(field, value)| (field.clone(), Edit::Set(value.clone()))).collect();
        self.read(object, document, &edits, config)
    }

    /// Reads the document of an object, with these edits, into a configuration, which is of no use where something is
    /// wrong. Answers with the object's name.
    pub(super) fn read(
        &self,
        object: &Object,
        mut document: Value,
        edits: &BTreeMap<String, Edit>,
        config: &mut Config,
    ) -> Result<Object, Vec<Violation>> {
        let mut violations = self.edit(object, &mut document, edits);
        match parse::object(object, &document, config) {
            Ok(named) if violations.is_empty() => return Ok(named),
            Ok(_) => {}
            Err(faults) => {
                // What could not be put there is missing for that reason.
                let told: Vec<String> = violations.iter().map(|known| known.field.clone()).collect();
                let faults = faults.into_iter().filter(|fault| !told.contains(&fault.path));
                violations.extend(faults.map(|fault| Violation { field: fault.path, description: fault.message }));
            }
        }
        Err(violations)
    }

    /// Puts the fields of a change into the document of an object; what cannot be put there is named.
    fn edit(&self, object: &Object, document: &mut Value, edits: &BTreeMap<String, Edit>) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut wrong = |field: &str, description: String| {
            violations.push(Violation { field: format!("{}.{field}", object.prefix()), description });
        };
        let known: Vec<&str> = fields::of(object).iter().map(|field| field.path.as_str()).collect();
        for (field, edit) in edits {
            let field = match (object, field.as_str()) {
                (Object::Route(_), "host") if !edits.contains_key("hosts") => "hosts",
                (_, field) => field,
            };
            if let Some(whole) = known.iter().find(|whole| is_below(field, whole)) {
                wrong(field, format!("{whole} is replaced as a whole"));
                continue;
            }
            let value = match edit {
                Edit::Set(value) => {
                    if let Object::Backend { id, .. } = object
                        && field == "id"
                        && value != id.as_str()
                    {
                        wrong(field, "an id cannot be changed; add the backend under the other one".into());
                    }
                    if let Some(rival) = fields::rival(object, field)
                        && !value.is_null()
                        && !matches!(edits.get(rival), Some(Edit::Set(value)) if !value.is_null())
                    {
                        fields::put(document, rival, Value::Null);
                    }
                    value.clone()
                }
                Edit::Reset if !known.iter().any(|known| *known == field || is_below(known, field)) => {
                    wrong(field, rules::unknown("field", field, &known));
                    continue;
                }
                Edit::Reset => {
                    let base = self.file.part(object).unwrap_or_else(|| blank(object));
                    let value = fields::get(&base, field).clone();
                    if value.is_null()
                        && ["backend.host", "backend.port", "route.upstream"]
                            .contains(&&*format!("{}.{field}", object.prefix()))
                    {
                        let kind = object.kind();
                        wrong(field, format!("has no value to go back to: the file does not have this {kind}; set it"));
                    }
                    value
                }
            };
            fields::put(document, field, value);
        }
        violations
    }
}

/// Whether a path leads into what stands at another.
fn is_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'))
}
