//! The access log allocates nothing once its blocks are made.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use speedmimi_model::AccessFormat;
use speedmimi_proxy::telemetry::access_log::{AccessLog, Record};

fn record<'a>(time: u64) -> Record<'a> {
    Record {
        time,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: b"GET",
        host: b"example.test",
        path: b"/with \"quotes\" and \xff",
        version: "HTTP/1.1",
        status: 200,
        route: "default",
        upstream: "default",
        backend: "backend1",
        protocol: "http",
        reason: None,
        bytes_in: 100,
        bytes_out: 200,
        duration_us: 1_234,
        first_byte_us: Some(1_000),
        connect_us: None,
        tries: 1,
        reused: true,
    }
}

#[test]
fn the_steady_state_allocates_nothing() {
    let settings =
        speedmimi_model::AccessLog { format: AccessFormat::Json, file: Some(PathBuf::from("/dev/null")), sample: 1.0 };
    let log = AccessLog::open(&settings).expect("/dev/null takes everything");
    let mut ring = log.ring();
    // More lines than all blocks of a ring hold: whatever is made once is made now.
    for line in 0..20_000 {
        ring.record(&record(line * 10_000));
    }
    let info = allocation_counter::measure(|| {
        for line in 0..20_000 {
            ring.record(&record(line * 10_000));
            if line % 100 == 0 {
                ring.tick();
            }
        }
    });
    // The writer may fall behind on a busy machine, then a ring makes its remaining blocks: at most 64, once.
    assert!(info.count_total <= 64, "{} allocations for 20,000 lines", info.count_total);
}
