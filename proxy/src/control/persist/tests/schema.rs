//! Stores of other versions.

use redb::{Database, ReadableDatabase, TableHandle};

use super::super::StoreError;
use super::super::disk::{CURRENT, tables};
use super::device::{Device, Fault, cut_everywhere};
use super::*;

fn database(device: &Device) -> Database {
    Database::builder().create_with_backend(Plain(device.clone())).expect("a database")
}

/// The same device without the guard of the store.
#[derive(Debug)]
struct Plain(Device);

impl redb::StorageBackend for Plain {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

#[test]
fn a_store_without_a_version_is_brought_up_to_date() {
    let device = Device::default();
    let old = database(&device);
    let write = old.begin_write().expect("a transaction");
    write.open_table(tables::before_3(Table::Overlay)).expect("a table").insert("a", b"1".as_slice()).expect("room");
    let mut answers = write.open_table(tables::ANSWERS).expect("a table");
    for number in 0..60_u64 {
        answers.insert(format!("request-{number}").as_str(), (number, b"x".as_slice())).expect("room");
    }
    drop(answers);
    write.commit().expect("room");
    drop(old);

    let mut store = opened(device.clone());
    assert_eq!(store.get(Table::Overlay, "a").expect("read"), Some(b"1".to_vec()));
    assert_eq!(store.answers().expect("read"), 60);
    store.commit(Batch::new().remember("new", 100, "y")).expect("room");
    assert_eq!(store.answers().expect("read"), LIMITS.answers, "the old ones are forgotten in their order");
    assert_eq!(store.answer("request-20", 100).expect("read"), None);
    assert_eq!(store.answer("request-21", 100).expect("read"), Some(b"x".to_vec()));
    drop(store);

    let read = database(&device).begin_read().expect("a transaction");
    let version = read.open_table(tables::SCHEMA).expect("a table").get(tables::VERSION).expect("readable");
    assert_eq!(version.expect("a version").value(), CURRENT);
}

/// What each table of [`of_version_2`] has: none in the first, one entry in the second, and so on.
fn kept() -> Vec<(Table, Entries)> {
    let entries = |number: u8| (0..number).map(|key| (format!("key-{key}"), vec![number, key])).collect();
    (0..).zip(Table::ALL).map(|(number, table)| (table, entries(number))).collect()
}

/// A store of version 2, closed.
fn of_version_2() -> Device {
    let device = Device::default();
    let old = database(&device);
    let write = old.begin_write().expect("a transaction");
    write.open_table(tables::SCHEMA).expect("a table").insert(tables::VERSION, 2).expect("room");
    write.open_table(tables::ANSWERS).expect("a table").insert("r", (7, b"x".as_slice())).expect("room");
    write.open_table(tables::BY_AGE).expect("a table").insert((7, "r"), ()).expect("room");
    write.open_table(tables::HISTORY).expect("a table").insert(3, b"h".as_slice()).expect("room");
    for (table, entries) in kept() {
        let mut before = write.open_table(tables::before_3(table)).expect("a table");
        for (key, value) in entries {
            before.insert(key.as_str(), value.as_slice()).expect("room");
        }
    }
    write.commit().expect("room");
    drop(old);
    device
}

/// Everything of [`of_version_2`] is there, in the newest version.
fn assert_whole(store: &Disk<Device>, place: &str) {
    for (table, entries) in kept() {
        assert_eq!(store.entries(table).expect("read"), entries, "{place}: {table:?}");
    }
    let rest = (store.answers().expect("read"), store.record(3).expect("read"));
    assert_eq!(rest, (1, Some(b"h".to_vec())), "{place}");
}

#[test]
fn a_power_cut_in_the_middle_leaves_a_store_that_is_whole_in_one_version_or_the_other() {
    let (device, mut dice) = (of_version_2(), fastrand::Rng::with_seed(seed()));
    let disk = device.disk();
    device.listen();
    drop(opened(device.clone()));
    let cuts = cut_everywhere(disk, device.events(), &mut dice, |image, _, event| {
        assert_whole(&opened(Device::holding(image)), &format!("event {event}, SPEEDMIMI_SEED={}", seed()));
    });
    assert!(cuts > 20, "only {cuts} power cuts");
}

#[test]
fn a_device_that_fails_in_the_middle_refuses_the_start_and_loses_nothing() {
    let disk = of_version_2().disk();
    for errno in [libc::EIO, libc::ENOSPC] {
        for after in 0.. {
            let device = Device::holding(disk.clone());
            device.fail(Some(Fault { after, times: usize::MAX, errno }));
            let done = Disk::open(device.clone(), Path::new(PATH), LIMITS);
            let place = format!("errno {errno} from call {after} on");
            if !device.has_failed() {
                assert_whole(&done.expect("nothing failed"), &place);
                assert!(after > 4, "it takes more calls than {after}");
                break;
            }
            // Closing may be what fails, when everything is durable.
            if let Err(error) = done {
                assert!(!matches!(error, StoreError::Damaged { .. }), "{place}: it would be set aside: {error}");
            }
            device.fail(None);
            assert_whole(&opened(device), &place);
        }
    }
}

#[test]
fn entries_of_every_table_move_into_the_one_tree_and_leave_nothing_behind() {
    let device = of_version_2();
    assert_whole(&opened(device.clone()), "moved");

    let read = database(&device).begin_read().expect("a transaction");
    let mut names: Vec<String> = read.list_tables().expect("readable").map(|table| table.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["entries", "history", "requests", "requests_by_age", "schema"]);
}

#[test]
fn a_newer_store_is_refused_and_both_versions_are_named() {
    let device = Device::default();
    drop(opened(device.clone()));
    let newer = database(&device);
    let write = newer.begin_write().expect("a transaction");
    write.open_table(tables::SCHEMA).expect("a table").insert(tables::VERSION, 7).expect("room");
    write.commit().expect("room");
    drop(newer);
    let error = Disk::open(device, Path::new(PATH), LIMITS).expect_err("too new");
    assert!(matches!(error, StoreError::Newer { found: 7, known: CURRENT, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("schema 7") && message.contains(&format!("up to {CURRENT}")), "{message}");
}

#[test]
fn a_newer_file_format_is_not_called_damaged() {
    let device = Device::default();
    drop(opened(device.clone()));
    let mut image = device.disk();
    image[64] = 4;
    image[192] = 4;
    let error = Disk::open(Device::holding(image), Path::new(PATH), LIMITS).expect_err("too new").to_string();
    assert!(error.contains("file format 4") && error.contains("up to 3"), "{error}");
}
