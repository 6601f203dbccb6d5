//! From what was stored to the first state of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use speedmimi_model::{Config, Difference, Layers, Object, Overlay, Row, diff_of, from_json};

use super::super::audit;
use super::super::caller::Caller;
use super::super::drain::Drains;
use super::super::persist::{self, Batch, Limits, Memory, Nowhere, Storage, StoreError, Surroundings, Table};
use super::super::reload;
use super::super::store::{Past, Store};
use super::{Author, Before, FILE, Home, Journal, REVISION, now, step};

/// What was stored, as far as it makes sense.
#[derive(Debug, Default)]
pub(super) struct Found {
    revision: Option<u64>,
    pub(super) overlay: Overlay,
    revisions: BTreeMap<Object, u64>,
    disconnected: BTreeSet<(String, String)>,
    draining: Drains,
    /// The file as it was when the process before ended. None where this version cannot read it.
    file: Option<Config>,
}

/// The state that a process starts with: the file, with what was stored over it. Without a file to belong to, and
/// without `state.persist`, changes end with the process.
pub(in super::super) async fn open(config: Config, file: Option<&Path>) -> Result<(Store, Journal), StoreError> {
    let (storage, home) = match file.filter(|_| config.state.persist) {
        None => (Box::new(Memory::new(Limits::in_memory())) as Box<dyn Storage>, Home::default()),
        Some(file) => kept(&config, file)?,
    };
    let found =
        read(&*storage).map_err(|detail| StoreError::Damaged { path: home.dir.clone().unwrap_or_default(), detail })?;
    let origin = file.map_or_else(|| "command line".to_owned(), |path| path.display().to_string());
    let by = Caller { from: origin.into(), asks: "Start", ..Caller::default() };
    let begun = begin(config, &found, &by);
    tell(&begun, &found, &by);
    let mut journal = Journal { storage: Some(storage), owed: begun.batch, home: Arc::new(home) };
    // Where it cannot be written, that was said, and it is owed.
    let _ = journal.settle().await;
    Ok((begun.store, journal))
}

/// Says what a start makes of what was changed before.
fn tell(begun: &Begun, found: &Found, by: &Caller) {
    let Begun { store, conflicts, differences, .. } = begun;
    let revision = store.revision();
    reload::tell(revision, conflicts);
    let overlay = store.layers().overlay();
    for (object, entry) in overlay.entries() {
        if let Some(problem) = &entry.parked {
            tracing::warn!(%object, problem, "a change made earlier has no effect now");
        }
    }
    if !overlay.is_empty() {
        let objects = overlay.entries().count();
        tracing::info!(revision, objects, "what was changed through the API lies over the file: see config diff");
    }
    if let Some(before) = found.revision.filter(|before| *before != revision) {
        let (keys, told) = (differences.len(), conflicts.len());
        tracing::info!(revision, before, keys, conflicts = told, "the file was changed while no process ran");
        audit::started(by, revision, differences, [&begun.before, store.config()]);
    }
}

fn kept(config: &Config, file: &Path) -> Result<(Box<dyn Storage>, Home), StoreError> {
    let [state_directory, xdg_state_home] = ["STATE_DIRECTORY", "XDG_STATE_HOME"].map(std::env::var_os);
    let home = std::env::home_dir();
    let working = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let around = Surroundings {
        state_directory: state_directory.as_deref(),
        xdg_state_home: xdg_state_home.as_deref(),
        home: home.as_deref().map(Path::as_os_str),
        working: &working,
    };
    kept_around(config, file, around)
}

/// [`kept`], in surroundings that a test can say.
pub(super) fn kept_around(
    config: &Config,
    file: &Path,
    around: Surroundings<'_>,
) -> Result<(Box<dyn Storage>, Home), StoreError> {
    let dir = match persist::place(config.state.dir.as_deref(), file, around) {
        Ok(dir) => dir,
        Err(error) => return Ok((Box::new(Nowhere), Home::refusing(None, &error))),
    };
    let accept = |storage: &dyn Storage| read(storage).map(drop);
    let opened = persist::open(&dir, Limits::default(), SystemTime::now(), accept)?;
    let home = match (&opened.unwritable, &opened.damaged) {
        (None, _) => Home { dir: Some(dir), ..Home::default() },
        (Some(error), None) => Home::refusing(Some(dir), error),
        (Some(error), Some(damaged)) => {
            let told = format!(
                "{damaged}; the configuration file alone is in effect, and the store cannot be set aside: {error}"
            );
            Home::refusing(Some(dir), &told)
        }
    };
    let note = opened.set_aside.as_ref().map(ToString::to_string);
    Ok((opened.storage, Home { note, ..home }))
}

/// Reads everything but answers and history; an error says what makes no sense.
pub(super) fn read(storage: &dyn Storage) -> Result<Found, String> {
    let entries = |table| storage.entries(table).map_err(|error| error.to_string());
    let mut found = Found::default();
    let mut rows: Vec<Row> = Vec::new();
    for (key, value) in entries(Table::Overlay)? {
        rows.push(value_of(&value, || format!("the entry of {key}"))?);
    }
    found.overlay = Overlay::from_rows(rows)?;
    for (key, value) in entries(Table::Revisions)? {
        let revision = value_of(&value, || format!("the revision of {key}"))?;
        found.revisions.insert(value_of(key.as_bytes(), || format!("the object {key}"))?, revision);
    }
    for (key, _) in entries(Table::Disconnected)? {
        found.disconnected.insert(value_of(key.as_bytes(), || format!("the backend {key}"))?);
    }
    for (key, value) in entries(Table::Drains)? {
        let pair = value_of(key.as_bytes(), || format!("the backend {key}"))?;
        found.draining.insert(pair, value_of(&value, || format!("the drain of {key}"))?);
    }
    for (key, value) in entries(Table::Meta)? {
        match key.as_str() {
            REVISION => found.revision = Some(value_of(&value, || "the revision".to_owned())?),
            FILE => found.file = file(&value),
            _ => {}
        }
    }
    Ok(found)
}

/// The file as the process before had it. Without it the start goes on, and everything counts as changed.
fn file(bytes: &[u8]) -> Option<Config> {
    let read = value_of(bytes, || "the file as it was".to_owned());
    match read.and_then(|document: serde_json::Value| from_json(&document).map_err(|faults| faults.to_string())) {
        Ok(config) => Some(config),
        Err(error) => {
            tracing::warn!(error, "what the file said before this start is not known: all of it counts as changed");
            None
        }
    }
}

fn value_of<T: DeserializeOwned>(bytes: &[u8], what: impl Fn() -> String) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{} cannot be read: {error}", what()))
}

/// What a process begins with.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) store: Store,
    /// What it takes to write that down.
    pub(super) batch: Batch,
    /// Where the file was changed beneath what was changed through the API.
    pub(super) conflicts: Vec<String>,
    /// What is otherwise than when the process before ended, as far as that is known.
    pub(super) differences: Vec<Difference>,
    /// What was in force then.
    pub(super) before: Arc<Config>,
}

/// The first store. A file that was changed while no process ran makes a revision, like one that is reloaded, and by the
/// same rule.
pub(super) fn begin(config: Config, found: &Found, by: &Caller) -> Begun {
    let rule = config.state.conflict;
    let base = found.file.as_ref().map(|file| Layers::load(file.clone(), found.overlay.clone()).0);
    let (layers, conflicts) = match &base {
        Some(base) => {
            let (layers, summary) = base.resume(config, rule);
            (layers, summary.conflicts)
        }
        None => (Layers::load(config, found.overlay.clone()).0, Vec::new()),
    };
    let changed = match &base {
        Some(base) => base.effective().changed_objects(layers.effective()),
        // What this version cannot read may have said anything.
        None if found.revision.is_some() => layers.effective().objects().collect(),
        None => Vec::new(),
    };
    let nothing = Config::default();
    let known = base.as_ref().map_or(&nothing, |base| base.effective());
    let differences = diff_of(known, layers.effective(), &changed);
    let before = Before {
        revision: found.revision.unwrap_or_default(),
        overlay: &found.overlay,
        file: found.file.as_ref(),
        disconnected: &found.disconnected,
        draining: &found.draining,
    };
    let past = Past {
        revision: before.revision,
        revisions: found.revisions.clone(),
        disconnected: found.disconnected.clone(),
        draining: found.draining.clone(),
    };
    // What a start makes of the entries is a step like any other, which can be gone back on.
    let differs = found.revision.is_some() && layers.overlay() != &found.overlay;
    let store = Store::resumed(layers, past, (differs || !changed.is_empty()).then_some(changed), by);
    let what = if found.revision.is_none() { "first start" } else { "start with a file that was changed" };
    let batch = step(before, &store, &differences, &Author { by, at: now(), what: what.to_owned() });
    let differences = if base.is_some() { differences } else { Vec::new() };
    let before = base.map(|base| base.effective().clone()).unwrap_or_default();
    Begun { store, batch, conflicts, differences, before }
}
