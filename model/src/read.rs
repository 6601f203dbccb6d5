//! Reading a mapping key by key: every key is known, wanted once, and of the right kind, or it is a fault. Reading goes
//! on after a fault, so that all of them are found.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use crate::fault::Fault;
use crate::rules;
use crate::tree::{Key, Node, Place, Value};

mod later;

pub(crate) use later::Idle;

/// Collects faults.
#[derive(Debug, Default)]
pub(crate) struct Sink(RefCell<Vec<Fault>>);

impl Sink {
    pub(crate) fn add(&self, path: &str, place: Place, message: impl Into<String>) {
        let (line, column) = (place.line.max(1), place.column.max(1));
        // Keys are the user's: what a terminal would obey does not reach it.
        let path = path.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.borrow_mut().push(Fault { path, message: message.into(), line, column });
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The faults, in the order of their places.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }
}

/// A value with its path, for faults about it.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) sink: &'a Sink,
    pub(crate) path: &'a str,
    pub(crate) node: &'a Node,
}

impl At<'_> {
    pub(crate) fn fault(&self, message: impl Into<String>) {
        self.sink.add(self.path, self.node.place, message);
    }

    fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.fault(message);
        None
    }

    /// The scalar as text; anything else is a fault.
    pub(crate) fn text(&self, wanted: &str) -> Option<&str> {
        match &self.node.value {
            Value::Scalar(text) => Some(text),
            _ => self.refuse(format!("{} where {wanted} is expected", self.node.kind())),
        }
    }

    /// The scalar through a rule.
    pub(crate) fn rule<T>(&self, wanted: &str, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        rule(self.text(wanted)?).map_or_else(|message| self.refuse(message), Some)
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        self.rule("true or false", |text| match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })
    }

    pub(crate) fn integer(&self, allowed: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.amount(allowed, "")
    }

    /// A whole number of something; the unit is for the messages.
    pub(crate) fn amount(&self, allowed: std::ops::RangeInclusive<i64>, unit: &str) -> Option<i64> {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let range = format!("{}..{}{unit}", allowed.start(), allowed.end());
        self.rule("a whole number", |text| {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("{text:?} is no whole number; {range} is allowed"));
            }
            // More digits than a number holds are out of every range.
            let number = text.parse().ok().filter(|number| allowed.contains(number));
            number.ok_or_else(|| format!("{text} is not within {range}"))
        })
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        self.rule("a duration such as 30s", rules::duration)
    }

    /// The elements of a list; a single value counts as a list of one.
    pub(crate) fn list(&self, each: &mut dyn FnMut(At<'_>)) {
        match &self.node.value {
            Value::Null => {}
            Value::Sequence(items) => {
                for (index, node) in items.iter().enumerate() {
                    each(At { sink: self.sink, path: &format!("{}[{index}]", self.path), node });
                }
            }
            _ => each(*self),
        }
    }

    /// The entries of a mapping whose keys are names that the user chose.
    pub(crate) fn named(&self, what: &str, each: &mut dyn FnMut(&str, Place, At<'_>)) {
        let entries = match &self.node.value {
            Value::Null => return,
            Value::Mapping(entries) => entries,
            _ => return self.fault(format!("{} where a mapping of {what} is expected", self.node.kind())),
        };
        let mut seen = HashSet::new();
        for (key, node) in entries {
            let path = format!("{}.{}", self.path, key.text);
            if !seen.insert(key.text.as_str()) {
                self.sink.add(&path, key.place, "this key stands twice");
                continue;
            }
            each(&key.text, key.place, At { sink: self.sink, path: &path, node });
        }
    }
}

/// A mapping with a fixed set of keys.
pub(crate) struct Section<'a> {
    sink: &'a Sink,
    path: String,
    place: Place,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Opens a mapping; nothing counts as an empty one, anything else is a fault.
    pub(crate) fn open(at: At<'a>) -> Self {
        let entries = match &at.node.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                at.fault(format!("{} where a mapping is expected", at.node.kind()));
                &[]
            }
        };
        let section =
            Self { sink: at.sink, path: at.path.to_owned(), place: at.node.place, entries, known: Vec::new() };
        let mut seen = HashSet::new();
        for (key, _) in entries {
            if !seen.insert(key.text.as_str()) {
                at.sink.add(&section.path_of(&key.text), key.place, "this key stands twice");
            }
        }
        section
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reads the value of a key, if it is there and is not nothing.
    pub(crate) fn read<T>(&mut self, key: &'static str, read: impl FnOnce(At<'_>) -> Option<T>) -> Option<T> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        if matches!(node.value, Value::Null) {
            return None;
        }
        read(At { sink: self.sink, path: &self.path_of(key), node })
    }

    /// The value of a key.
    pub(crate) fn at(&self, key: &'static str) -> Option<At<'a>> {
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        Some(At { sink: self.sink, path: key, node })
    }

    /// Visits the value of a key, if it is there and is not nothing.
    pub(crate) fn visit(&mut self, key: &'static str, visit: impl FnOnce(At<'_>)) {
        self.read(key, |at| {
            visit(at);
            Some(())
        });
    }

    /// Whether the key stands there and names something.
    pub(crate) fn names(&self, key: &str) -> bool {
        let nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Mapping(entries) => entries.is_empty(),
            Value::Scalar(_) | Value::Sequence(_) => false,
        };
        self.entries.iter().any(|(known, node)| known.text == key && !nothing(&node.value))
    }

    /// Whether the key stands there with a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, node)| known.text == key && !matches!(node.value, Value::Null))
    }

    /// A fault about a key, or about the whole section when the key is not there.
    pub(crate) fn fault(&self, key: &str, message: impl Into<String>) {
        let place = self.entries.iter().find(|(known, _)| known.text == key).map_or(self.place, |(_, node)| node.place);
        self.sink.add(&self.path_of(key), place, message);
    }

    /// Replaces the target by the value of the key, if there is a good one.
    pub(crate) fn set<T>(&mut self, key: &'static str, target: &mut T, read: impl FnOnce(At<'_>) -> Option<T>) {
        if let Some(value) = self.read(key, read) {
            *target = value;
        }
    }

    /// Keys of later versions: their idle values are accepted, anything that asks for something is a fault.
    pub(crate) fn later(&mut self, keys: &[(&'static str, Idle)]) {
        for (key, idle) in keys {
            self.visit(key, |at| idle.check(at));
        }
    }

    /// Every key must have been asked for by now.
    pub(crate) fn finish(self) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.text.as_str()) {
                let message = rules::unknown("key", &key.text, &self.known);
                self.sink.add(&self.path_of(&key.text), key.place, message);
            }
        }
    }
}
