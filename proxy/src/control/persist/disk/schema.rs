//! Which tables there are, and how those of an older version become them.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, WriteTransaction};

use super::super::medium::{Guard, Medium};
use super::super::{StoreError, Table};
use super::refusal;

/// The tables of the database. What a table holds never changes under its name: a new shape is a new name, and a step
/// of [`STEPS`].
pub(in super::super) mod tables {
    use std::ops::Range;

    use redb::TableDefinition;

    use super::super::super::Table;

    /// The version under [`VERSION`]; out of reach of a batch.
    pub(in super::super::super) const SCHEMA: TableDefinition<'_, &str, u64> = TableDefinition::new("schema");
    /// The only key of [`SCHEMA`].
    pub(in super::super::super) const VERSION: &str = "version";
    /// Request → when it was answered, and what.
    pub(in super::super::super) const ANSWERS: TableDefinition<'_, &str, (u64, &[u8])> =
        TableDefinition::new("requests");
    /// The requests in the order in which they are forgotten.
    pub(in super::super::super) const BY_AGE: TableDefinition<'_, (u64, &str), ()> =
        TableDefinition::new("requests_by_age");
    /// Revision → record.
    pub(in super::super::super) const HISTORY: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("history");

    /// Entries of every [`Table`], by its number and their name: nearly every change touches several, and each tree of
    /// the database costs a commit some pages of its own.
    pub(in super::super::super) const ENTRIES: TableDefinition<'_, (u8, &str), &[u8]> = TableDefinition::new("entries");

    /// The number of a table, for ever.
    pub(in super::super::super) fn number(table: Table) -> u8 {
        match table {
            Table::Meta => 0,
            Table::Overlay => 1,
            Table::Revisions => 2,
            Table::Disconnected => 3,
            Table::Drains => 4,
        }
    }

    /// The keys of a table.
    pub(in super::super::super) fn all(table: Table) -> Range<(u8, &'static str)> {
        (number(table), "")..(number(table) + 1, "")
    }

    /// Where the entries of a table were before version 3.
    pub(in super::super::super) fn before_3(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match table {
            Table::Meta => "meta",
            Table::Overlay => "overlay",
            Table::Revisions => "revisions",
            Table::Disconnected => "disconnected",
            Table::Drains => "drains",
        })
    }
}

/// What takes a store from one version to the next; the first makes version 1 out of version 0, which has no version
/// and which an empty database is, too.
const STEPS: [Step; 3] = [index_requests_by_age, rows_say_more, entries_in_one_tree];

type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The newest version, in which this program writes.
pub(in super::super) const CURRENT: u64 = STEPS.len() as u64;

/// Makes the newest version of whatever the database has, in one durable transaction; refuses one that is newer.
pub(super) fn bring_up_to_date(database: &Database, path: &Path) -> Result<(), StoreError> {
    let migrate = || -> Result<u64, redb::Error> {
        let mut transaction = database.begin_write()?;
        let found = transaction.open_table(tables::SCHEMA)?.get(tables::VERSION)?.map_or(0, |version| version.value());
        if found >= CURRENT {
            transaction.abort()?;
            return Ok(found);
        }
        transaction.set_durability(Durability::Immediate)?;
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
            step(&transaction)?;
        }
        transaction.open_table(tables::SCHEMA)?.insert(tables::VERSION, CURRENT)?;
        transaction.commit()?;
        Ok(found)
    };
    let found = migrate().map_err(|error| refusal("bring up to date", path, error))?;
    if found > CURRENT {
        return Err(StoreError::Newer { path: path.to_owned(), what: "schema", found, known: CURRENT });
    }
    Ok(())
}

/// Version 1: requests are forgotten by age without a look at each.
fn index_requests_by_age(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(tables::HISTORY)?;
    let answers = transaction.open_table(tables::ANSWERS)?;
    let mut by_age = transaction.open_table(tables::BY_AGE)?;
    for entry in answers.iter()? {
        let (request_id, answer) = entry?;
        by_age.insert((answer.value().0, request_id.value()), ())?;
    }
    Ok(())
}

/// Version 2: rows of the overlay may say that the file contradicts them, and records what drained. What is there needs no
/// change; but version 1 would take a row that says so for damaged.
fn rows_say_more(_: &WriteTransaction) -> Result<(), redb::Error> {
    Ok(())
}

/// Version 3: one tree has the entries that had one for each table.
fn entries_in_one_tree(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    for table in Table::ALL {
        for entry in transaction.open_table(tables::before_3(table))?.iter()? {
            let (key, value) = entry?;
            entries.insert((tables::number(table), key.value()), value.value())?;
        }
        transaction.delete_table(tables::before_3(table))?;
    }
    Ok(())
}

/// The newest format of the file itself that the database library reads.
const FORMAT: u8 = 3;

/// Refuses a file in a later format than the library knows, which it would call damaged: the format is the first byte
/// of each of the two commit slots, at 64 and 192 (design document of redb, "Database header").
pub(super) fn refuse_newer_format<M: Medium>(guard: &Arc<Guard<M>>, path: &Path) -> Result<(), StoreError> {
    let mark = guard.mark().map_err(|error| StoreError::unusable("read", path, error))?;
    let [Some(slot), Some(other)] = [mark.head().get(64), mark.head().get(192)] else { return Ok(()) };
    if mark.head().starts_with(b"redb") && slot == other && *slot > FORMAT {
        let found = u64::from(*slot);
        return Err(StoreError::Newer { path: path.to_owned(), what: "file format", found, known: FORMAT.into() });
    }
    Ok(())
}
