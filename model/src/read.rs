//! Reading a mapping key by key: every key is known, wanted once, and of the right kind, or it is a fault. Reading goes
//! on after a fault, so that all of them are found.

use std::cell::RefCell;
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
        self.0.borrow_mut().push(Fault { path: path.to_owned(), message: message.into(), line, column });
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

    /// Text gathered from the node through a rule.
    pub(crate) fn rule_on<T>(&self, text: &str, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        rule(text).map_or_else(|message| self.refuse(message), Some)
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        self.rule("true or false", |text| match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })
    }

    pub(crate) fn integer(&self, allowed: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let (first, last) = (*allowed.start(), *allowed.end());
        self.rule("a whole number", |text| {
            let number: i64 =
                text.parse().map_err(|_| format!("{text:?} is no whole number; {first}..{last} is allowed"))?;
            if allowed.contains(&number) { Ok(number) } else { Err(format!("{number} is not within {first}..{last}")) }
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
        for (index, (key, node)) in entries.iter().enumerate() {
            let path = format!("{}.{}", self.path, key.text);
            if entries[..index].iter().any(|(earlier, _)| earlier.text == key.text) {
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
        for (index, (key, _)) in entries.iter().enumerate() {
            if entries[..index].iter().any(|(earlier, _)| earlier.text == key.text) {
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

    /// Visits the value of a key, if it is there and is not nothing.
    pub(crate) fn visit(&mut self, key: &'static str, visit: impl FnOnce(At<'_>)) {
        self.read(key, |at| {
            visit(at);
            Some(())
        });
    }

    /// Whether the key stands there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, _)| known.text == key)
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

    /// A key of a later version: its idle value is accepted, anything that asks for something is a fault.
    pub(crate) fn later(&mut self, key: &'static str, idle: &Idle) {
        self.known.push(key);
        if let Some((_, node)) = self.entries.iter().find(|(known, _)| known.text == key) {
            idle.check(At { sink: self.sink, path: &self.path_of(key), node });
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
