//! Changes that are stored together or not at all.

/// Tables of entries under a name. Remembered answers and the history have calls of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Single facts: the global revision.
    Meta,
    /// Changes made over the file.
    Overlay,
    /// Which revision last changed an object.
    Revisions,
    /// Backends that a disconnect keeps out.
    Disconnected,
    /// Backends that are being drained.
    Drains,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Meta, Self::Overlay, Self::Revisions, Self::Disconnected, Self::Drains];
}

/// Changes in the order in which they are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) steps: Vec<Step>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Put { table: Table, key: String, value: Vec<u8> },
    Delete { table: Table, key: String },
    Clear { table: Table },
    Remember { request_id: String, at: u64, answer: Vec<u8> },
    Record { revision: u64, record: Vec<u8> },
}

impl Batch {
    /// A batch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Stores an entry, in place of one with the same key.
    pub fn put(&mut self, table: Table, key: impl Into<String>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.step(Step::Put { table, key: key.into(), value: value.into() })
    }

    /// Removes an entry, if it is there.
    pub fn delete(&mut self, table: Table, key: impl Into<String>) -> &mut Self {
        self.step(Step::Delete { table, key: key.into() })
    }

    /// Removes every entry of a table.
    pub fn clear(&mut self, table: Table) -> &mut Self {
        self.step(Step::Clear { table })
    }

    /// Remembers what was answered to a request, `at` in milliseconds since 1970.
    pub fn remember(&mut self, request_id: impl Into<String>, at: u64, answer: impl Into<Vec<u8>>) -> &mut Self {
        self.step(Step::Remember { request_id: request_id.into(), at, answer: answer.into() })
    }

    /// Adds a revision to the history.
    pub fn record(&mut self, revision: u64, record: impl Into<Vec<u8>>) -> &mut Self {
        self.step(Step::Record { revision, record: record.into() })
    }

    /// Adds the changes of another batch after its own: how many small ones become one commit.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.steps.append(&mut other.steps);
        self
    }

    /// How many answers it remembers and the newest moment among them; `None` without any.
    pub(super) fn remembered(&self) -> Option<(usize, u64)> {
        let moments =
            || self.steps.iter().filter_map(|step| if let Step::Remember { at, .. } = step { Some(*at) } else { None });
        moments().max().map(|newest| (moments().count(), newest))
    }

    /// How many revisions it records.
    pub(super) fn recorded(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Record { .. })).count()
    }

    /// The longest value it stores, in bytes.
    pub(super) fn longest(&self) -> usize {
        let length = |step: &Step| match step {
            Step::Put { key, value, .. } => key.len().max(value.len()),
            Step::Remember { request_id, answer, .. } => request_id.len().max(answer.len()),
            Step::Record { record, .. } => record.len(),
            Step::Delete { .. } | Step::Clear { .. } => 0,
        };
        self.steps.iter().map(length).max().unwrap_or(0)
    }

    fn step(&mut self, step: Step) -> &mut Self {
        self.steps.push(step);
        self
    }
}
