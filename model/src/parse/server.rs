//! `server`.

use std::num::NonZeroUsize;

use super::later;
use crate::config::{HalfClose, Server, ServerLimits};
use crate::read::{At, Section};
use crate::rules;

pub(super) fn read(at: At<'_>) -> Server {
    let mut section = Section::open(at);
    let mut server = Server::default();
    section.set("host", &mut server.host, |at| at.rule("an address", rules::host));
    section.set("port", &mut server.port, |at| at.integer(0..=65535).map(|port| port as u16));
    server.workers = section
        .read("workers", |at| at.amount(1..=1024, "threads"))
        .and_then(|workers| NonZeroUsize::new(workers as usize));
    section.set("max_conn", &mut server.max_conn, |at| {
        at.amount(1..=10_000_000, "connections").map(|number| number as u32)
    });
    section.set("read_timeout", &mut server.read_timeout, |at| at.duration());
    section.set("write_timeout", &mut server.write_timeout, |at| at.duration());
    section.set("idle_timeout", &mut server.idle_timeout, |at| at.duration());
    section.set("graceful_timeout", &mut server.graceful_timeout, |at| at.duration());
    server.real_ip_header = section
        .read("real_ip_header", |at| at.rule("a header name", rules::header_name))
        .map(|n| n.to_ascii_lowercase());
    section.visit("trusted_proxies", |at| {
        at.list(&mut |at| server.trusted_proxies.extend(at.rule("a network", rules::network)));
    });
    section.set("limits", &mut server.limits, |at| Some(limits(at)));
    section.set("half_close", &mut server.half_close, |at| {
        at.rule("cancel or keep", |text| match text {
            "cancel" => Ok(HalfClose::Cancel),
            "keep" => Ok(HalfClose::Keep),
            _ => Err(rules::unknown("value", text, &["cancel", "keep"])),
        })
    });
    section.later(later::SERVER);
    section.finish();
    server
}

fn limits(at: At<'_>) -> ServerLimits {
    let mut section = Section::open(at);
    let mut limits = ServerLimits::default();
    section.set("request_line", &mut limits.request_line, |at| at.amount(64..=65_536, "bytes").map(|n| n as usize));
    section.set("header_field", &mut limits.header_field, |at| at.amount(64..=65_536, "bytes").map(|n| n as usize));
    section
        .set("header_count", &mut limits.header_count, |at| at.amount(1..=1000, "header fields").map(|n| n as usize));
    section.set("body", &mut limits.body, |at| at.rule("a size", size));
    section.finish();
    limits
}

/// Bytes: a number, or one with KiB, MiB or GiB.
fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    units
        .iter()
        .find_map(|(unit, bytes)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*bytes))
        .ok_or_else(|| format!("{text:?} is no size: write bytes, or a number with KiB, MiB or GiB; 0 is no limit"))
}
