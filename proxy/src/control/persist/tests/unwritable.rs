//! A store that cannot be written. Root may write nearly everywhere, so these tests open it as unwritable by hand.

use std::fs;

use super::super::unwritable::Unwritable;
use super::super::{Memory, StoreError};
use super::directory::{accepting, damaged, noon};
use super::*;

fn unwritable(dir: &Path) -> Unwritable {
    Unwritable::open(dir, LIMITS, &|_| Ok(())).expect("readable").0
}

#[test]
fn it_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut opened = accepting(dir.path());
    let (mut dice, mut model) = (fastrand::Rng::with_seed(seed()), Memory::new(LIMITS));
    for clock in 0..20 {
        let batch = random_batch(&mut dice, clock);
        opened.storage.commit(&batch).expect("room");
        model.commit(&batch).expect("room");
    }
    // As after a kill: the file was not closed, so that opening it means to repair it.
    let file = dir.path().join("state.redb");
    let bytes = fs::read(&file).expect("readable");
    drop(opened);
    fs::write(&file, &bytes).expect("room");

    let mut view = unwritable(dir.path());
    assert_eq!(Content::of(&view), Content::of(&model));
    let second = super::super::open(dir.path(), LIMITS, noon(), |_| Ok(()));
    assert!(matches!(second, Err(StoreError::Locked { .. })), "it is in use all the same");
    assert!(fs::read(&file).expect("readable") == bytes, "it was written to");

    // Here nothing really refuses, so the first change finds that it can write.
    let batch = random_batch(&mut dice, 20);
    view.commit(&batch).expect("it can be written");
    model.commit(&batch).expect("room");
    assert_eq!(Content::of(&view), Content::of(&model));
    drop(view);
    assert_eq!(Content::of(&*accepting(dir.path()).storage), Content::of(&model));
}

#[test]
fn a_directory_that_could_not_be_made_is_tried_again() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("state");
    let mut view = unwritable(&dir);
    assert_eq!(view.entries(Table::Overlay).expect("read"), []);
    fs::write(&dir, "a file in its place").expect("room");
    let error = view.commit(Batch::new().put(Table::Meta, "a", "1")).expect_err("no directory");
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    fs::remove_file(&dir).expect("ours");
    view.commit(Batch::new().put(Table::Meta, "a", "2")).expect("now it can be made");
    drop(view);
    assert_eq!(accepting(&dir).storage.get(Table::Meta, "a").expect("read"), Some(b"2".to_vec()));
}

#[test]
fn a_damaged_store_is_no_obstacle_and_is_set_aside_once_that_can_be_done() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("state.redb");
    fs::write(&file, "no database").expect("room");
    let (mut view, problem) = Unwritable::open(dir.path(), LIMITS, &|_| Ok(())).expect("it starts from the file");
    let told = problem.expect("it is said").to_string();
    assert!(told.contains("is damaged"), "{told}");
    assert_eq!(view.entries(Table::Overlay).expect("read"), []);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "no database", "nothing was written");
    view.commit(Batch::new().put(Table::Meta, "a", "1")).expect("by now it can be written");
    drop(view);
    assert_eq!(damaged(dir.path()).len(), 1, "it is kept");
    assert_eq!(accepting(dir.path()).storage.get(Table::Meta, "a").expect("read"), Some(b"1".to_vec()));
}

#[test]
fn what_another_process_began_is_not_taken_over_unread() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("state");
    let mut view = unwritable(&dir);
    drop(accepting(&dir));
    let error = view.commit(Batch::new().put(Table::Meta, "a", "1")).expect_err("it is another store").to_string();
    assert!(error.contains("another process began it"), "{error}");
}
