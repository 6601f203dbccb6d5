use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

fn record<'a>() -> Record<'a> {
    Record {
        time: 1_795_237_327_045_678,
        client: IpAddr::V6(Ipv6Addr::LOCALHOST),
        method: b"GET",
        host: b"example.test",
        path: b"/a?b=c",
        version: "HTTP/1.1",
        status: 200,
        route: "default",
        upstream: "default",
        backend: "backend1",
        protocol: "http",
        reason: None,
        bytes_in: 0,
        bytes_out: u64::MAX,
        duration_us: 1_234,
        first_byte_us: Some(1_000),
        connect_us: None,
        tries: 1,
        reused: true,
    }
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the log is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

#[test]
fn a_line_says_everything_in_the_order_of_the_record() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("access.log");
    let log = AccessLog::start(Some(path.clone())).expect("a new file");
    let mut ring = log.ring();
    ring.record(&record());
    drop(ring);
    drop(log);
    assert_eq!(
        fs::read_to_string(&path).expect("written"),
        concat!(
            r#"{"time":"2026-11-21T05:02:07.045Z","client":"::1","method":"GET","host":"example.test","path":"/a?b=c","#,
            r#""version":"HTTP/1.1","status":200,"route":"default","upstream":"default","backend":"backend1","#,
            r#""protocol":"http","reason":null,"bytes_in":0,"bytes_out":18446744073709551615,"duration_us":1234,"#,
            r#""first_byte_us":1000,"connect_us":null,"tries":1,"reused":true}"#,
            "\n"
        )
    );
}

#[test]
fn a_dropped_log_has_written_every_line_of_every_ring() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("access.log");
    let log = AccessLog::start(Some(path.clone())).expect("a new file");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mut ring = log.ring();
            scope.spawn(move || {
                for _ in 0..1_000 {
                    ring.record(&Record { tries: worker, ..record() });
                }
                assert_eq!(ring.dropped(), 0);
            });
        }
    });
    drop(log);
    let found = lines(&path);
    for worker in 0..4 {
        assert_eq!(found.iter().filter(|line| line["tries"] == worker).count(), 1_000);
    }
}

#[test]
fn reopening_goes_on_in_a_new_file() {
    let folder = TempDir::new().expect("a folder");
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = AccessLog::start(Some(path.clone())).expect("a new file");
    let mut ring = log.ring();
    ring.record(&record());
    drop(ring);
    // The first line is in the file once a log that owns it was dropped: restart over the same file appends.
    drop(log);
    let log = AccessLog::start(Some(path.clone())).expect("the same file");
    fs::rename(&path, &old).expect("rotated");
    log.reopen();
    let mut ring = log.ring();
    ring.record(&Record { status: 201, ..record() });
    drop(ring);
    drop(log);
    assert_eq!(lines(&old).len(), 1);
    assert_eq!(lines(&path)[0]["status"], 201);
}

#[test]
fn a_folder_that_is_gone_at_reopening_loses_nothing() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("logs/access.log");
    let moved = folder.path().join("moved");
    fs::create_dir(folder.path().join("logs")).expect("made");
    let log = AccessLog::start(Some(path)).expect("a new file");
    fs::rename(folder.path().join("logs"), &moved).expect("moved");
    log.reopen();
    let mut ring = log.ring();
    ring.record(&record());
    drop(ring);
    drop(log);
    assert_eq!(lines(&moved.join("access.log")).len(), 1);
}

#[test]
fn a_writer_that_is_behind_costs_lines_not_time() {
    // Nobody reads this queue: the ring must run out of blocks, count, and keep what it holds.
    let (sender, receiver) = sync_channel(writer::QUEUE);
    let mut ring = LogRing::new(sender);
    let mut recorded = 0_u64;
    while ring.dropped() < 10 {
        ring.record(&record());
        recorded += 1;
        assert!(recorded < 1_000_000, "the ring has no bound");
    }
    let kept = recorded - ring.dropped();
    // Once the writer comes back, what was kept is still there, whole.
    let mut found = 0;
    while let Ok(writer::Message::Lines(block, give_back)) = receiver.try_recv() {
        found += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
        ring::recycle(block, &give_back);
    }
    ring.tick();
    while let Ok(writer::Message::Lines(block, _)) = receiver.try_recv() {
        found += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }
    assert_eq!(found, kept);
    let before = ring.dropped();
    ring.record(&record());
    assert_eq!(ring.dropped(), before, "lines are taken again");
}

#[test]
fn a_full_disk_loses_lines_and_says_how_many() {
    let log = AccessLog::start(Some("/dev/full".into())).expect("a device of every Linux");
    let mut ring = log.ring();
    for _ in 0..3 {
        ring.record(&record());
    }
    drop(ring);
    let shared = log.shared.clone();
    drop(log);
    assert_eq!(shared.lost.load(Ordering::Relaxed), 3);
}

proptest! {
    #[test]
    fn any_bytes_make_one_line_that_parses(host: Vec<u8>, path: Vec<u8>, status: u16, duration_us: u64) {
        let mut out = Vec::new();
        let record = Record { host: &host, path: &path, status, duration_us, ..record() };
        line::append(&mut out, &mut line::Clock::default(), &record);
        prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        prop_assert!(out[..out.len() - 1].iter().all(|&byte| byte >= 0x20 && byte != 0x7f));
        let line: Value = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(line["path"].as_str(), Some(&*String::from_utf8_lossy(&path)));
        prop_assert_eq!(line["host"].as_str(), Some(&*String::from_utf8_lossy(&host)));
        prop_assert_eq!(line["status"].as_u64(), Some(u64::from(status)));
        prop_assert_eq!(line["duration_us"].as_u64(), Some(duration_us));
    }
}
