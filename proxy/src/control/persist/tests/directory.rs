//! Real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::{StoreError, open};
use super::*;

pub(super) fn accepting(dir: &Path) -> super::super::Opened {
    open(dir, LIMITS, noon(), |_| Ok(())).expect("a directory that works")
}

pub(super) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn damaged(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> =
        names.map(|name| name.to_string_lossy().into_owned()).filter(|n| n.contains("damaged")).collect();
    names.sort();
    names
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn what_is_committed_is_there_in_the_next_process() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("a/b");
    let mut first = accepting(&dir);
    assert_eq!(first.set_aside, None);
    first.storage.commit(Batch::new().put(Table::Meta, "revision", "7")).expect("room");
    drop(first);
    let second = accepting(&dir);
    assert_eq!(second.storage.get(Table::Meta, "revision").expect("read"), Some(b"7".to_vec()));
    assert_eq!((mode(dir.clone()), mode(dir.join("state.redb")), mode(dir.join("lock"))), (0o700, 0o600, 0o600));
    assert!(!dir.join("state.redb.new").exists());
}

#[test]
fn a_store_in_use_names_who_uses_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = accepting(dir.path());
    let error = open(dir.path(), LIMITS, noon(), |_| Ok(())).expect_err("it is in use");
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(first);
    accepting(dir.path());
}

#[test]
fn a_lock_that_nobody_holds_is_no_obstacle() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("lock"), "4194304000\n").expect("room");
    let opened = accepting(dir.path());
    let text = fs::read_to_string(dir.path().join("lock")).expect("readable");
    assert_eq!(text, format!("{}\n", std::process::id()));
    drop(opened);
}

#[test]
fn a_damaged_store_is_set_aside_and_never_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("state.redb");
    for round in 1..=5 {
        fs::write(&file, format!("no database {round}")).expect("room");
        let opened = accepting(dir.path());
        let aside = opened.set_aside.expect("it was damaged");
        assert_eq!(fs::read_to_string(&aside.to).expect("it is kept"), format!("no database {round}"));
        let message = aside.to_string();
        assert!(message.contains("state.redb is damaged") && message.contains("set aside as"), "{message}");
        assert_eq!(opened.storage.entries(Table::Meta).expect("read"), []);
    }
    let names = damaged(dir.path());
    let expected = ["-03", "-04", "-05"].map(|number| format!("state.redb.damaged-20270115T080000Z{number}"));
    assert_eq!(names, expected, "the newest three");
    fs::write(&file, "no database").expect("room");
    let earlier = open(dir.path(), LIMITS, SystemTime::UNIX_EPOCH, |_| Ok(())).expect("a clock may go back");
    assert!(earlier.set_aside.expect("it was damaged").to.exists());
}

#[test]
fn an_empty_file_is_damaged_and_a_start_cut_short_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("state.redb.new"), "half a file").expect("room");
    assert_eq!(accepting(dir.path()).set_aside, None);
    fs::write(dir.path().join("state.redb"), "").expect("room");
    assert!(accepting(dir.path()).set_aside.is_some());
}

#[test]
fn what_the_caller_cannot_read_is_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    accepting(dir.path()).storage.commit(Batch::new().put(Table::Overlay, "a", "{")).expect("room");
    let refuse = |storage: &dyn Storage| {
        assert_eq!(storage.get(Table::Overlay, "a").expect("read"), Some(b"{".to_vec()));
        Err("overlay entry a: not JSON".to_owned())
    };
    let opened = open(dir.path(), LIMITS, noon(), refuse).expect("a directory that works");
    assert_eq!(opened.set_aside.expect("it was refused").detail, "overlay entry a: not JSON");
    assert_eq!(opened.storage.entries(Table::Overlay).expect("read"), []);
}

#[test]
fn a_system_that_refuses_sets_nothing_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    // A directory in place of the file, a file in place of the directory: as root, permissions refuse nothing.
    fs::create_dir(dir.path().join("state.redb")).expect("room");
    let error = open(dir.path(), LIMITS, noon(), |_| Ok(())).expect_err("no file");
    assert!(matches!(error, StoreError::Unusable { action: "write", .. }), "{error}");
    assert!(dir.path().join("state.redb").is_dir());
    assert_eq!(damaged(dir.path()), Vec::<String>::new());

    fs::write(dir.path().join("file"), "").expect("room");
    let error = open(&dir.path().join("file/state"), LIMITS, noon(), |_| Ok(())).expect_err("no directory");
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
}

#[test]
fn the_directory_may_lose_its_permissions_while_the_store_is_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut opened = accepting(dir.path());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).expect("ours");
    opened.storage.commit(Batch::new().put(Table::Meta, "a", "1")).expect("the file is open for writing");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("ours");
    drop(opened);
    assert_eq!(accepting(dir.path()).storage.get(Table::Meta, "a").expect("read"), Some(b"1".to_vec()));
}

#[test]
fn a_commit_on_this_disk() {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
    let mut opened = accepting(dir.path());
    let mut times: Vec<_> = (0..100)
        .map(|number| {
            let began = std::time::Instant::now();
            let mut batch = Batch::new();
            batch.put(Table::Overlay, format!("default/b{}", number % 10), vec![1; 200]);
            batch.put(Table::Meta, "revision", number.to_string()).record(number, vec![2; 300]);
            batch.remember(format!("request-{number}"), number, vec![3; 200]);
            opened.storage.commit(&batch).expect("room");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("commit: median {:?}, p99 {:?}", times[50], times[98]);
    assert_eq!(opened.storage.entries(Table::Overlay).expect("read").len(), 10);
}
