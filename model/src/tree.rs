//! YAML (and JSON, which is YAML) as a tree that knows where everything stands. The one file that knows the parser.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, options};

use crate::fault::Fault;

/// Largest document, in bytes.
const SIZE: usize = 4 * 1024 * 1024;
/// Deepest nesting.
const DEPTH: usize = 32;
/// Most nodes, aliases resolved: a few lines of nested aliases must not become a gigabyte.
const NODES: usize = 500_000;
/// Most bytes of text, aliases resolved: neither must one long text, repeated by aliases.
const BYTES: usize = 4 * SIZE;

/// A place in the file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    /// A scalar, quoted or not: what it must be is for the key to say.
    Scalar(String),
    Sequence(Vec<Node>),
    /// In the order of the file, repeated keys included.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Node {
    /// What the node is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

impl Node {
    /// A document that comes from the API: it has no places.
    pub(crate) fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(switch) => Value::Scalar(switch.to_string()),
            Json::Number(number) => Value::Scalar(number.to_string()),
            Json::String(text) => Value::Scalar(text.clone()),
            Json::Array(items) => Value::Sequence(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => {
                let key = |text: &String| Key { text: text.clone(), place: Place::default() };
                Value::Mapping(entries.iter().map(|(name, value)| (key(name), Self::from_json(value))).collect())
            }
        };
        Self { place: Place::default(), value }
    }

    /// The value of a key, if this is a mapping and has something there.
    pub(crate) fn at(&self, key: &str) -> Option<&Self> {
        let Value::Mapping(entries) = &self.value else { return None };
        let (_, node) = entries.iter().find(|(known, _)| known.text == key)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Levels below the node; at most [`DEPTH`], which bounds the recursion.
    fn levels(&self) -> usize {
        let below = match &self.value {
            Value::Null | Value::Scalar(_) => None,
            Value::Sequence(items) => items.iter().map(Self::levels).max(),
            Value::Mapping(entries) => entries.iter().map(|(_, node)| node.levels()).max(),
        };
        below.map_or(0, |levels| levels + 1)
    }
}

/// Reads a document. A fault of syntax ends the reading: nothing behind it can be trusted.
pub(crate) fn read(text: &str) -> Result<Node, Fault> {
    let start = Place { line: 1, column: 1 };
    if text.len() > SIZE {
        return Err(fault(start, format!("the document has {} bytes; at most {SIZE} are read", text.len())));
    }
    let parser = Parser::new_from_str_with_options(text, options! { emit_comments: false });
    let mut builder = Builder { parser, anchors: HashMap::new(), size: Size::default() };
    let mut document = None;
    loop {
        let (event, place) = builder.next()?;
        match event {
            Event::StreamEnd => return Ok(document.unwrap_or(Node { place: start, value: Value::Null })),
            Event::DocumentStart(..) if document.is_some() => {
                return Err(fault(place, "a second document begins; one is read".into()));
            }
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => document = Some(builder.node(event, place, 0)?),
        }
    }
}

/// A node that aliases may repeat, with what repeating it costs.
#[derive(Clone)]
struct Anchored {
    node: Node,
    size: Size,
    levels: usize,
}

/// How much a document holds, aliases resolved.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

struct Builder<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Anchored>,
    size: Size,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Place), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(span))),
            Some(Err(error)) => {
                let marker = error.marker();
                let place = Place { line: narrow(marker.line()), column: narrow(marker.col() + 1) };
                Err(fault(place, format!("this is not YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<Node, Fault> {
        let before = self.size;
        self.count(Size { nodes: 1, bytes: 0 }, place)?;
        if depth > DEPTH {
            return Err(fault(place, format!("nested deeper than {DEPTH} levels")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                self.count(Size { nodes: 0, bytes: text.len() }, place)?;
                let plain = matches!(style, ScalarStyle::Plain);
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (if null { Value::Null } else { Value::Scalar(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, place) => items.push(self.node(event, place, depth + 1)?),
                    }
                }
                (Value::Sequence(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Value::Mapping(self.mapping(depth)?), anchor),
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return Err(fault(place, "this alias has no anchor before it".into()));
                };
                let (size, levels) = (anchored.size, anchored.levels);
                self.count(size, place)?;
                if depth + levels > DEPTH {
                    return Err(fault(place, format!("nested deeper than {DEPTH} levels, aliases included")));
                }
                return Ok(self.anchors[&id].node.clone());
            }
            _ => return Err(fault(place, "this is not YAML: a value was expected".into())),
        };
        let node = Node { place, value };
        if anchor != 0 {
            let Size { nodes, bytes } = self.size;
            let size = Size { nodes: nodes - before.nodes, bytes: bytes - before.bytes };
            // What is kept for aliases takes memory like anything else; anchors in anchors would multiply it.
            self.count(size, place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, levels: node.levels() });
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Fault> {
        let mut entries = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, place, depth + 1)?;
            let Value::Scalar(text) = key.value else {
                return Err(fault(place, "a key must be a word".into()));
            };
            let (event, place) = self.next()?;
            let value = self.node(event, place, depth + 1)?;
            entries.push((Key { text, place: key.place }, value));
        }
    }

    fn count(&mut self, more: Size, place: Place) -> Result<(), Fault> {
        self.size.nodes += more.nodes;
        self.size.bytes += more.bytes;
        if self.size.nodes > NODES {
            return Err(fault(place, format!("more than {NODES} values, aliases included")));
        }
        if self.size.bytes > BYTES {
            return Err(fault(place, format!("more than {BYTES} bytes of text, aliases included")));
        }
        Ok(())
    }
}

fn place(span: Span) -> Place {
    Place { line: narrow(span.start.line()), column: narrow(span.start.col() + 1) }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number.max(1)).unwrap_or(u32::MAX)
}

fn fault(place: Place, message: String) -> Fault {
    Fault { path: String::new(), message, line: place.line.max(1), column: place.column.max(1) }
}

#[cfg(test)]
mod tests;
