//! Memory of what rests: silent streams, and connections between two requests.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::cli::{IdleArgs, Stage};
use crate::contender::{Contender, Running, Setting, Shape};
use crate::load::{Held, Holder, Load, Mode, Pace, Plan};
use crate::measure::{machine_name, pss};
use crate::table::{Table, note, number, say};

/// A proxy holds two descriptors a stream, of 20,000.
const MOST: usize = 9_500;
/// How long opening all of them may take.
const OPENING: Duration = Duration::from_secs(60);
/// How long memory may take to come to rest.
const SETTLING: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &IdleArgs) -> Result<()> {
    if args.streams == 0 || args.streams > MOST {
        bail!("--streams must be within 1..={MOST}: a proxy needs two descriptors a stream, of 20,000");
    }
    let contenders = args.common.contenders()?;
    let mut stage = Stage::set(&args.common)?;
    let setting =
        Setting { origins: stage.origins, max_conn: args.streams, core: args.common.proxy_core, shape: Shape::Stream };
    say(&format!("{}; {} held of each", machine_name(), args.streams));
    let mut table =
        Table::new(&["PSS", "start MB", "KB/SSE stream", "after / start", "KB/idle connection", "after / start"]);
    let mut figures = serde_json::Map::new();
    for contender in &contenders {
        let mut rested = Vec::new();
        for held in [Held::Stream, Held::Keepalive] {
            stage.check()?;
            let found = measure(contender, &setting, &stage, held, args.streams);
            rested.push(found.with_context(|| format!("{}: {held:?}", contender.name))?);
        }
        let mut row = vec![contender.name.clone(), number(Some(rested[0].start as f64 / 1e6), 1)];
        row.extend(
            rested.iter().flat_map(|rest| [number(Some(rest.each() / 1024.0), 2), number(Some(rest.after()), 2)]),
        );
        table.row(row);
        figures.insert(contender.name.clone(), json!({"sse": rested[0].json(), "keepalive": rested[1].json()}));
    }
    table.print();
    if let Some(path) = &args.json {
        let all = json!({"machine": machine_name(), "held": args.streams, "contenders": figures});
        fs::write(path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// PSS in bytes, of all processes of a contender.
struct Rest {
    count: usize,
    /// Warm, without a connection.
    start: u64,
    /// With `count` held.
    held: u64,
    /// After they ended.
    end: u64,
}

impl Rest {
    /// Bytes each: the slope, so that what a proxy needs anyway stays out.
    fn each(&self) -> f64 {
        (self.held as f64 - self.start as f64) / self.count as f64
    }

    fn after(&self) -> f64 {
        self.end as f64 / self.start as f64
    }

    fn json(&self) -> Value {
        json!({
            "start_bytes": self.start, "held_bytes": self.held, "end_bytes": self.end,
            "bytes_each": self.each(), "end_to_start": self.after(),
        })
    }
}

fn measure(contender: &Contender, setting: &Setting, stage: &Stage, held: Held, count: usize) -> Result<Rest> {
    note(&format!("  {}: {count} × {held:?}", contender.name));
    let mut running = contender.start(setting, stage.scratch.path())?;
    warm(&running)?;
    let start = settled(&running)?;
    let holder = Holder::open(running.address, held, count, OPENING)?;
    let with = settled(&running)?;
    let lost = holder.lost()?;
    if lost > 0 {
        bail!("{lost} of {count} ended while they should rest");
    }
    drop(holder);
    let end = settled(&running)?;
    running.check()?;
    Ok(Rest { count, start, held: with, end })
}

/// Code paged in, pools and arenas laid out: what the first requests cost is not what streams cost.
fn warm(running: &Running) -> Result<()> {
    let plan = Plan { target: running.address, mode: Mode::Keepalive, connections: 64, body: 100 };
    let mut load = Load::new(plan)?;
    load.run(Duration::from_millis(500), Pace::Closed)?;
    load.drain()
}

/// PSS once it has stayed within 0.5 % for a second and a half, allocators being slow to give back;
/// the last value when it never does.
fn settled(running: &Running) -> Result<u64> {
    let deadline = Instant::now() + SETTLING;
    let mut same_since = Instant::now();
    let mut reference = pss(&running.pids)?;
    loop {
        thread::sleep(Duration::from_millis(250));
        let now = pss(&running.pids)?;
        if now.abs_diff(reference) > reference / 200 {
            (reference, same_since) = (now, Instant::now());
        }
        if same_since.elapsed() >= Duration::from_millis(1500) || Instant::now() >= deadline {
            return Ok(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_needs_anyway_is_not_counted_for_its_streams() {
        let rest = Rest { count: 1000, start: 10_000_000, held: 14_800_000, end: 11_000_000 };
        assert!((rest.each() - 4_800.0).abs() < 1e-9);
        assert!((rest.after() - 1.1).abs() < 1e-9);
    }
}
