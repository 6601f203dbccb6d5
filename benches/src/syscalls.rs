//! System calls a request: structural counts, true on a machine of any speed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cli::{Stage, SyscallsArgs};
use crate::contender::{Contender, Running, Setting, Shape};
use crate::load::{Load, Mode, Pace, Plan};
use crate::process::{self, Child, Launch};
use crate::table::{Table, note, number, say};

/// Calls that move bytes.
const DATA: [&str; 13] = [
    "read",
    "write",
    "readv",
    "writev",
    "recvfrom",
    "sendto",
    "recvmsg",
    "sendmsg",
    "recvmmsg",
    "sendmmsg",
    "sendfile",
    "splice",
    "io_uring_enter",
];
/// How long strace may take to attach, and to print.
const STRACE: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &SyscallsArgs) -> Result<()> {
    if args.connections == 0 || !(0.5..=120.0).contains(&args.seconds) {
        bail!("--connections must be at least 1 and --seconds within 0.5..=120");
    }
    let strace = process::find("strace")?;
    let contenders = args.common.contenders()?;
    let mut stage = Stage::set(&args.common)?;
    say(&format!(
        "keepalive, {} busy connections, {} bytes, {} s under strace",
        args.connections, args.body, args.seconds
    ));
    let mut table = Table::new(&["calls a request", "data", "all", "requests", "most frequent"]);
    let mut figures = serde_json::Map::new();
    for contender in &contenders {
        stage.check()?;
        note(&format!("  {}", contender.name));
        let counted = count(args, contender, &stage, &strace).with_context(|| contender.name.clone())?;
        table.row(vec![
            contender.name.clone(),
            number(Some(counted.data()), 2),
            number(Some(counted.all()), 2),
            counted.requests.to_string(),
            counted.top(),
        ]);
        figures.insert(contender.name.clone(), counted.json());
    }
    table.print();
    if let Some(path) = &args.json {
        let all = json!({"connections": args.connections, "body": args.body, "contenders": figures});
        fs::write(path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Calls by name, and the requests they served.
struct Counted {
    requests: u64,
    calls: BTreeMap<String, u64>,
}

impl Counted {
    fn all(&self) -> f64 {
        self.calls.values().sum::<u64>() as f64 / self.requests as f64
    }

    fn data(&self) -> f64 {
        let calls = self.calls.iter().filter(|(name, _)| DATA.contains(&name.as_str()));
        calls.map(|(_, calls)| calls).sum::<u64>() as f64 / self.requests as f64
    }

    /// `recvfrom 2.00, sendto 1.01, …`, down to one in a hundred requests.
    fn top(&self) -> String {
        let mut sorted: Vec<_> =
            self.calls.iter().map(|(name, calls)| (*calls as f64 / self.requests as f64, name)).collect();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let shown: Vec<String> = sorted
            .iter()
            .filter(|(share, _)| *share >= 0.01)
            .take(6)
            .map(|(share, name)| format!("{name} {share:.2}"))
            .collect();
        shown.join(", ")
    }

    fn json(&self) -> Value {
        json!({
            "requests": self.requests, "data_calls_per_request": self.data(), "calls_per_request": self.all(),
            "calls": self.calls,
        })
    }
}

fn count(args: &SyscallsArgs, contender: &Contender, stage: &Stage, strace: &Path) -> Result<Counted> {
    let setting = Setting {
        origins: stage.origins,
        max_conn: 1000,
        core: args.common.proxy_core,
        shape: if args.body > 16 * 1024 { Shape::Large } else { Shape::Small },
    };
    let running = contender.start(&setting, stage.scratch.path())?;
    let plan = Plan { target: running.address, mode: Mode::Keepalive, connections: args.connections, body: args.body };
    // The connections stand and the pools are full before anything is counted.
    let mut load = Load::new(plan)?;
    load.run(Duration::from_millis(500), Pace::Closed)?;
    load.drain()?;
    let output = stage.scratch.path().join(format!("{}.strace", contender.name));
    let mut tracer = attach(&running, strace, &output, stage, args.common.load_core)?;
    let tally = load.run_to_rest(Duration::from_secs_f64(args.seconds))?;
    tracer.finish(Signal::INT, STRACE)?;
    if tally.errors > 0 || tally.completed == 0 {
        bail!("{} requests failed ({}), {} answered", tally.errors, tally.why(), tally.completed);
    }
    let text = fs::read_to_string(&output).context("strace wrote nothing")?;
    Ok(Counted { requests: tally.completed, calls: parse(&text)? })
}

/// strace on every process of the contender, once it says that it is there.
fn attach(running: &Running, strace: &Path, output: &Path, stage: &Stage, core: usize) -> Result<Child> {
    let mut args: Vec<String> = ["-f", "-c", "-o", &output.display().to_string()].map(str::to_owned).into();
    for pid in &running.pids {
        args.extend(["-p".to_owned(), pid.to_string()]);
    }
    let launch = Launch { name: "strace", core, program: strace, args, dir: stage.scratch.path(), announces: false };
    let mut child = launch.start()?;
    let deadline = Instant::now() + STRACE;
    while child.stderr().lines().filter(|line| line.contains("attached")).count() < running.pids.len() {
        child.check()?;
        if Instant::now() >= deadline {
            bail!("strace did not attach within {STRACE:?}: {}", child.stderr().trim_end());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

/// The table of `strace -c`: share, seconds, µs a call, calls, errors (or nothing), name.
fn parse(text: &str) -> Result<BTreeMap<String, u64>> {
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(share), Some(number), Some(name)) = (fields.first(), fields.get(3), fields.last()) else { continue };
        if share.parse::<f64>().is_err() || *name == "total" || fields.len() < 5 {
            continue;
        }
        *calls.entry((*name).to_owned()).or_default() +=
            number.parse::<u64>().with_context(|| format!("strace: {line}"))?;
    }
    if calls.is_empty() {
        bail!("strace counted nothing: {text}");
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 48.85    0.084873           4     20000           sendto
 41.59    0.072259           3     20010        10 recvfrom
  9.56    0.016609           7      2000           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.173741           4     42010        10 total
";

    #[test]
    fn the_table_of_strace_is_read_with_and_without_errors() {
        let counted = Counted { requests: 10_000, calls: parse(TEXT).expect("well formed") };
        assert!((counted.data() - 4.001).abs() < 1e-9);
        assert!((counted.all() - 4.201).abs() < 1e-9);
        assert_eq!(counted.top(), "recvfrom 2.00, sendto 2.00, epoll_wait 0.20");
    }

    #[test]
    fn an_empty_table_is_an_error() {
        assert!(parse("").is_err());
    }
}
