//! What the kernel says about a contender: CPU time, memory, and whether the machine was ours.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::Pid;

/// `root` and every process below it, `root` first.
pub(crate) fn tree(root: Pid) -> Result<Vec<i32>> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // A process may end while we look.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root.as_raw_nonzero().get()];
    let mut next = 0;
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// The parent's id out of `/proc/PID/stat`; the name before it may hold spaces and parentheses.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// CPU time of each thread of a group of processes since it started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    threads: BTreeMap<i32, Thread>,
}

/// Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    /// Carries exchanges, by its name.
    worker: bool,
    running: u64,
    /// Ready to run while something else ran.
    waiting: u64,
}

/// What a group of processes spent between two looks, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// All threads together.
    pub(crate) running: u64,
    /// Threads called `worker-N`.
    pub(crate) workers: u64,
    /// The busiest thread, running or ready to: near the wall clock when the group was the limit.
    pub(crate) wanted: u64,
}

impl Cpu {
    /// All threads of `pids`.
    pub(crate) fn of(pids: &[i32]) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for pid in pids {
            let tasks =
                fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} has ended"))?;
            for task in tasks {
                let task = task?;
                // A thread may end while we look; what it spent is lost to us.
                let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
                let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                let thread = Thread::parse(&text, &name).context("this kernel has no schedstat")?;
                threads.insert(id, thread);
            }
        }
        Ok(Self { threads })
    }

    pub(crate) fn since(&self, before: &Self) -> Spent {
        let mut spent = Spent::default();
        for (id, thread) in &self.threads {
            let old = before.threads.get(id).copied().unwrap_or_default();
            let running = thread.running.saturating_sub(old.running);
            spent.running += running;
            spent.workers += if thread.worker { running } else { 0 };
            spent.wanted = spent.wanted.max(running + thread.waiting.saturating_sub(old.waiting));
        }
        spent
    }
}

impl Thread {
    fn parse(text: &str, name: &str) -> Option<Self> {
        let mut fields = text.split_whitespace().map(|field| field.parse().ok());
        let worker = name.starts_with("worker-");
        Some(Self { worker, running: fields.next()??, waiting: fields.next()?? })
    }
}

/// Proportional set size of a group of processes, in bytes.
pub(crate) fn pss(pids: &[i32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        sum += kibibytes(&text, "Pss:").with_context(|| format!("no Pss in {path}"))? * 1024;
    }
    Ok(sum)
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// Ticks of the whole machine so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    all: u64,
    steal: u64,
}

impl Machine {
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        Self::parse(&text).context("no cpu line in /proc/stat")
    }

    /// user nice system idle iowait irq softirq steal; guest time is within user already.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|tick| tick.parse().ok()).collect();
        Some(Self { all: ticks.iter().sum(), steal: *ticks.get(7)? })
    }

    /// Percent of the machine's time that the hypervisor gave to others since `before`.
    pub(crate) fn steal_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        if all == 0 { 0.0 } else { 100.0 * self.steal.saturating_sub(before.steal) as f64 / all as f64 }
    }
}

/// The model of the processor and the kernel, for the head of a report.
pub(crate) fn machine_name() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, m)| m);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_of_a_process_with_an_awkward_name() {
        assert_eq!(parent("42 (a) b (c) S 7 42 42 0"), Some(7));
    }

    #[test]
    fn schedstat_holds_running_and_waiting() {
        let found = |worker| Some(Thread { worker, running: 1500, waiting: 300 });
        assert_eq!(Thread::parse("1500 300 12\n", "worker-3\n"), found(true));
        assert_eq!(Thread::parse("1500 300 12\n", "control\n"), found(false));
        assert_eq!(Thread::parse("", ""), None);
    }

    /// A worker that waits for its own log thread is the limit, and nobody else's fault.
    #[test]
    fn spent_adds_up_running_and_takes_the_busiest_thread_for_wanted() {
        let cpu = |threads: &[(i32, u64, u64)]| Cpu {
            threads: threads
                .iter()
                .map(|(id, running, waiting)| (*id, Thread { worker: *id == 1, running: *running, waiting: *waiting }))
                .collect(),
        };
        let before = cpu(&[(1, 100, 0)]);
        let after = cpu(&[(1, 950, 140), (2, 140, 10)]);
        assert_eq!(after.since(&before), Spent { running: 990, workers: 850, wanted: 990 });
    }

    #[test]
    fn pss_is_found_among_its_parts() {
        let text = "55 rollup\nRss:   9 kB\nPss:   1234 kB\nPss_Dirty:   7 kB\n";
        assert_eq!(kibibytes(text, "Pss:"), Some(1234));
    }

    #[test]
    fn steal_is_a_share_of_all_ticks_without_guest_time() {
        let before = Machine::parse("cpu  100 0 0 100 0 0 0 0 50 0\n").expect("well formed");
        let after = Machine::parse("cpu  150 0 0 148 0 0 0 2 90 0\n").expect("well formed");
        assert!((after.steal_since(before) - 2.0).abs() < 1e-12);
        assert!(before.steal_since(before).abs() < 1e-12);
    }

    #[test]
    fn this_process_is_in_its_own_tree_and_has_memory_and_time() {
        let pids = tree(rustix::process::getpid()).expect("proc is mounted");
        assert_eq!(pids.first().copied(), i32::try_from(std::process::id()).ok());
        assert!(pss(&pids[..1]).expect("readable") > 64 * 1024);
        let spent = Cpu::of(&pids[..1]).expect("readable").since(&Cpu::default());
        assert!(spent.running > 0 && spent.wanted > 0);
    }
}
