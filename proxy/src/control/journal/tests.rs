//! What is written down is what a process goes on with.

use serde_json::json;
use speedmimi_model::{Backend, Change, Config, Conflict, Edit, Object, Selector, Upstream};

use super::super::caller::Caller;
use super::super::drain;
use super::super::persist::{Batch, Limits, Memory, Nowhere, Storage, StoreError, Surroundings, Table};
use super::super::store::{Guard, Store};
use super::open::{Begun, begin, kept_around, read};
use super::*;

/// A store that outlives its journal.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Memory>>);

impl Disk {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Memory::new(Limits::default()))))
    }

    /// A process that starts with this file.
    async fn start(&self, file: Config) -> (Store, Journal) {
        let found = read(self).expect("it makes sense");
        let Begun { store, batch, .. } = begin(file, &found, &Caller::default());
        let mut journal = Journal { storage: Some(Box::new(self.clone())), owed: batch, home: Arc::default() };
        journal.settle().await.expect("room");
        (store, journal)
    }
}

impl Storage for Disk {
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.lock().entries(table)
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().get(table, key)
    }

    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().answer(request_id, now)
    }

    fn answers(&self) -> Result<u64, StoreError> {
        self.0.lock().answers()
    }

    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().record(revision)
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.0.lock().history(before, limit)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.lock().commit(batch)
    }
}

fn file(ids: &[(&str, i32)]) -> Config {
    let backend = |(id, max_conn): &(&str, i32)| Backend {
        id: (*id).to_owned(),
        max_conn: *max_conn,
        ..Backend::new("127.0.0.1", 80)
    };
    let upstream = Upstream { backends: ids.iter().map(backend).map(Arc::new).collect(), ..Upstream::default() };
    Config { upstreams: [("default".to_owned(), upstream)].into(), ..Config::default() }
}

fn change(dice: &mut fastrand::Rng) -> Change {
    let id = ["a", "b", "c", "d"][dice.usize(..4)];
    let object = Object::backend("default", id);
    match dice.u32(..10) {
        0 | 1 => {
            let fields = [("host".to_owned(), json!("127.0.0.1")), ("port".to_owned(), json!(dice.u32(1..9)))].into();
            Change::Add { object, fields }
        }
        2 => Change::Remove { object, cascade: false },
        3 => Change::reset(object, "max_conn"),
        4 => Change::Clear(Selector::Object(object)),
        5 if dice.u32(..5) == 0 => Change::Clear(Selector::All),
        6 => {
            let fields = ["weight", "max_conn"].map(|field| (field.to_owned(), Edit::Set(json!(dice.u32(1..9)))));
            Change::Update { object, fields: fields.into() }
        }
        _ => Change::set(object, "max_conn", dice.i32(0..9)),
    }
}

/// One change as the control task makes it; whether it was made.
async fn make(store: &mut Store, journal: &mut Journal, dice: &mut fastrand::Rng) -> bool {
    let next = match dice.u32(..8) {
        0 => store.disconnect("default", "a", false, &Guard::default()),
        1 => {
            let then = [None, Some(drain::Then::Disable)][dice.usize(..2)];
            let plan = drain::Plan { then, replace: true, ..drain::Plan::default() };
            store.drain("default", ["a", "b"][dice.usize(..2)], &plan, &Guard::default(), now()).map(|(next, _)| next)
        }
        _ => store.change(&change(dice), &Guard::default(), now()).map(|(next, _)| next),
    };
    let Ok(next) = next else { return false };
    let author = Author { by: &Caller::api("here"), at: now(), what: "a change".into() };
    journal.commit(step((&*store).into(), &next, &next.differences(store), &author)).await.expect("room");
    *store = next;
    true
}

fn same(one: &Store, two: &Store) {
    assert_eq!(one.revision(), two.revision());
    assert_eq!(one.layers().overlay(), two.layers().overlay());
    assert_eq!(one.config(), two.config());
    assert_eq!(one.disconnected(), two.disconnected());
    assert_eq!(one.draining(), two.draining());
    for object in one.config().objects() {
        assert_eq!(one.revision_of(&object), two.revision_of(&object), "{object}");
    }
}

#[tokio::test]
async fn a_process_goes_on_where_the_one_before_ended_after_any_change() {
    let mut dice = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let disk = Disk::new();
        let config = || file(&[("a", 0), ("b", 5)]);
        let (mut store, mut journal) = disk.start(config()).await;
        for _ in 0..30 {
            make(&mut store, &mut journal, &mut dice).await;
            let (next, _) = disk.start(config()).await;
            same(&store, &next);
        }
    }
}

/// What is kept of a file spells every key out, and may be larger than a file is allowed to be.
#[tokio::test]
async fn a_file_of_any_size_is_known_again() {
    let names: Vec<String> = (0..40_000).map(|n| format!("b{n}")).collect();
    let backends: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let disk = Disk::new();
    let (store, journal) = disk.start(file(&backends)).await;
    drop(journal);
    let (again, _) = disk.start(file(&backends)).await;
    assert_eq!((again.revision(), again.touched()), (store.revision(), &[][..]));
}

#[tokio::test]
async fn every_revision_of_the_history_can_be_gone_back_to() {
    let mut dice = fastrand::Rng::with_seed(11);
    let disk = Disk::new();
    let (mut store, mut journal) = disk.start(file(&[("a", 0), ("b", 5)])).await;
    let mut past = vec![store.clone()];
    while past.len() < 150 {
        if make(&mut store, &mut journal, &mut dice).await && store.revision() > past[past.len() - 1].revision() {
            past.push(store.clone());
        }
    }
    for earlier in &past {
        let found = journal.earlier(&store, earlier.revision()).await.expect("readable").expect("it is kept");
        assert_eq!(&found.overlay, earlier.layers().overlay(), "revision {}", earlier.revision());
        assert_eq!(&found.draining, &**earlier.draining(), "revision {}", earlier.revision());
    }
    let revisions: Vec<u64> = journal.history(None, 1000).await.expect("readable").iter().map(|r| r.revision).collect();
    let all: Vec<u64> = (1..=store.revision()).rev().collect();
    assert_eq!(revisions, all, "newest first, none left out");
    let page: Vec<u64> = journal.history(Some(10), 3).await.expect("readable").iter().map(|r| r.revision).collect();
    assert_eq!(page, [9, 8, 7]);
}

#[tokio::test]
async fn a_file_changed_while_no_process_ran_makes_a_revision_of_what_it_changed() {
    let disk = Disk::new();
    let (store, _) = disk.start(file(&[("a", 0), ("b", 5)])).await;
    assert_eq!(store.revision(), 1);
    let (store, _) = disk.start(file(&[("a", 0), ("b", 5)])).await;
    assert_eq!(store.revision(), 1, "nothing was changed");
    let (store, mut journal) = disk.start(file(&[("a", 0), ("b", 6), ("c", 1)])).await;
    let revision = |id: &str| store.revision_of(&Object::backend("default", id));
    assert_eq!((store.revision(), revision("a"), revision("b"), revision("c")), (2, 1, 2, 2));
    let told = journal.history(None, 1).await.expect("readable").remove(0);
    assert_eq!(told.what, "start with a file that was changed");
    let keys: Vec<&str> = told.differences.iter().map(|(key, ..)| &**key).collect();
    assert!(keys.contains(&"backends.default.b.max_conn") && keys.contains(&"backends.default.c.port"), "{keys:?}");
}

#[tokio::test]
async fn a_file_edited_while_no_process_ran_is_taken_by_its_own_rule() {
    for (rule, expected) in [(Conflict::Overlay, 10), (Conflict::File, 50)] {
        let disk = Disk::new();
        let (store, mut journal) = disk.start(file(&[("a", 5)])).await;
        let change = Change::set(Object::backend("default", "a"), "max_conn", 10);
        let (next, _) = store.change(&change, &Guard::default(), now()).expect("valid");
        let author = Author { by: &Caller::api("here"), at: now(), what: "a change".into() };
        journal.commit(step((&store).into(), &next, &next.differences(&store), &author)).await.expect("room");
        let mut edited = file(&[("a", 50)]);
        edited.state.conflict = rule;
        let found = read(&disk).expect("it makes sense");
        let begun = begin(edited.clone(), &found, &Caller::default());
        assert_eq!(begun.conflicts.len(), 1, "{:?}", begun.conflicts);
        assert!(begun.conflicts[0].contains("default/a: the file changed max_conn"), "{:?}", begun.conflicts);
        assert_eq!(begun.store.config().backend("default", "a").map(|a| a.max_conn), Some(expected));
        let told = begun.differences.iter().any(|told| told.path == "backends.default.a.max_conn");
        assert_eq!((begun.store.revision(), told), (3, expected == 50));
        let (store, _) = disk.start(edited.clone()).await;
        let (again, _) = disk.start(edited).await;
        assert_eq!(again.revision(), store.revision(), "the next start finds nothing new");
        let marked = again.layers().overlay().entries().any(|(_, entry)| entry.fields["max_conn"].contradicted);
        assert_eq!(marked, rule == Conflict::Overlay);
    }
}

#[tokio::test]
async fn what_changes_nothing_needs_no_disk() {
    let mut journal = Journal { storage: Some(Box::new(Nowhere)), owed: Batch::new(), home: Arc::default() };
    journal.owed.put(Table::Meta, "owed", "1");
    journal.commit(Batch::new()).await.expect("there is nothing to keep");
    assert!(!journal.owed.is_empty(), "it waits for the next that has to be kept");
    assert!(journal.recall("name").await.expect("nothing is known").is_none());
}

#[tokio::test]
async fn a_store_that_was_closed_by_a_failure_is_opened_by_the_next_read() {
    let disk = Disk::new();
    let (_, mut journal) = disk.start(file(&[("a", 0)])).await;
    let call = Call { request_id: "name".into(), fingerprint: 7, encode: Arc::new(|_| Vec::new()) };
    journal.commit(remember(&call, b"answer")).await.expect("room");
    let closed = Closed { disk, open: Arc::default() };
    journal.storage = Some(Box::new(closed.clone()));
    assert_eq!(
        journal.recall("name").await.expect("it is opened").map(|(_, answer)| answer.to_vec()),
        Some(b"answer".to_vec())
    );
    *closed.open.lock() = false;
    assert_eq!(journal.history(None, 10).await.expect("it is opened").len(), 1);
}

/// A store that is read only after it was recovered.
#[derive(Debug, Clone)]
struct Closed {
    disk: Disk,
    open: Arc<Mutex<bool>>,
}

impl Closed {
    fn opened(&self) -> Result<&Disk, StoreError> {
        let source = io::Error::other("closed");
        let closed = StoreError::Unusable { action: "read", path: PathBuf::from("state"), source };
        if *self.open.lock() { Ok(&self.disk) } else { Err(closed) }
    }
}

impl Storage for Closed {
    fn entries(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.opened()?.entries(table)
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.opened()?.get(table, key)
    }

    fn answer(&self, request_id: &str, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.opened()?.answer(request_id, now)
    }

    fn answers(&self) -> Result<u64, StoreError> {
        self.opened()?.answers()
    }

    fn record(&self, revision: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.opened()?.record(revision)
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.opened()?.history(before, limit)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.disk.commit(batch)
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        *self.open.lock() = true;
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_owed_and_not_lost() {
    let disk = Disk::new();
    let (mut store, mut journal) = disk.start(file(&[("a", 0)])).await;
    // As after a start with nothing that could be written.
    journal.owed.put(Table::Meta, "owed", "1");
    let mut dice = fastrand::Rng::with_seed(3);
    while !make(&mut store, &mut journal, &mut dice).await {}
    assert_eq!(disk.get(Table::Meta, "owed").expect("readable"), Some(b"1".to_vec()));
    assert!(journal.owed.is_empty());
}

#[test]
fn what_makes_no_sense_is_said() {
    let disk = Disk::new();
    disk.0.lock().commit(Batch::new().put(Table::Overlay, "x", "{}")).expect("room");
    let told = read(&disk).expect_err("no row");
    assert!(told.starts_with("the entry of x cannot be read"), "{told}");
}

#[tokio::test]
async fn without_any_directory_it_starts_and_says_with_every_refusal_what_to_set() {
    let around = Surroundings { state_directory: None, xdg_state_home: None, home: None, working: Path::new("/") };
    let (storage, home) = kept_around(&Config::default(), Path::new("c.yaml"), around).expect("a start without it");
    assert!(!home.is_volatile() && home.problem().is_some_and(|told| told.contains("state.dir")), "{home:?}");
    let mut journal = Journal { storage: Some(storage), owed: Batch::new(), home: Arc::new(home) };
    let mut batch = Batch::new();
    batch.put(Table::Meta, "key", *b"value");
    let refused = journal.commit(batch).await.expect_err("there is nowhere to keep it");
    assert!(refused.to_string().contains("STATE_DIRECTORY"), "{refused}");
    assert!(journal.history(None, 10).await.expect("an empty one").is_empty());
}
