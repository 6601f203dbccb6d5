//! One contender's turn: started, warmed up, driven flat out, driven at a fixed rate, ended.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::contender::{Contender, Running, Setting};
use crate::load::{Load, Mode, Pace, Plan, Tally};
use crate::measure::{Cpu, Machine, Spent};
use crate::stats::Quantile;
use crate::updates::{Updater, Updates};

/// Below this share of a core the contender waited for the generator, not the other way round.
const SATURATED: f64 = 0.95;

/// What all contenders are driven with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) mode: Mode,
    pub(crate) connections: usize,
    /// Bytes.
    pub(crate) body: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} connections, {} bytes", self.mode.name(), self.connections, self.body)
    }
}

/// What every turn of a case has in common.
pub(crate) struct Course<'a> {
    pub(crate) setting: Setting,
    pub(crate) case: Case,
    /// For configurations and logs.
    pub(crate) dir: &'a Path,
    /// Of each measurement.
    pub(crate) span: Duration,
    /// The generator and the origin.
    pub(crate) load_pids: Vec<i32>,
}

/// What a turn found.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    closed: Phase,
    open: Phase,
    /// Percent of the machine's time given to others.
    steal: f64,
}

/// One run of the generator, with what the contender spent on it.
#[derive(Clone, Debug)]
struct Phase {
    requests: u64,
    errors: u64,
    why: String,
    reconnects: u64,
    /// Answers a second.
    rate: f64,
    /// µs of CPU a request.
    cpu: f64,
    /// µs of CPU a request of the threads that carry it.
    worker_cpu: f64,
    /// µs of CPU a request of generator and origin together.
    load_cpu: f64,
    /// Share of the wall clock that it ran, all threads together.
    busy: f64,
    /// Share of the wall clock that its busiest thread ran or was ready to.
    wanted: f64,
    /// µs.
    p50: f64,
    p99: f64,
    p999: f64,
    updates: Option<Updates>,
}

/// A figure of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Requests/s of the closed loop; none when the generator was the limit.
    Capacity,
    /// µs of CPU a request in the closed loop.
    Cpu,
    /// µs of CPU a request of the worker threads alone, in the closed loop and at the fixed rate.
    WorkerCpu,
    HalfWorkerCpu,
    /// Percent of its core that the contender used or wanted in the closed loop.
    Saturation,
    /// µs of CPU a request that generator and origin spent in the closed loop. On a shared core it must
    /// be below [`Metric::Cpu`], or the generator is the limit.
    LoadCpu,
    /// µs of CPU a request at the fixed rate.
    HalfCpu,
    /// µs at the fixed rate, from when a request was due.
    P50,
    P99,
    P999,
    /// µs until a change is answered while the load runs flat out, from when it was due.
    UpdateP50,
    UpdateP99,
    /// µs that the disk takes for a page meanwhile.
    SyncP99,
}

impl Turn {
    /// Why the turn says nothing, if it does not.
    pub(crate) fn void(&self, max_steal: f64, max_wait: f64) -> Option<String> {
        let wait = 100.0 * self.closed.disturbed().max(self.open.disturbed());
        for phase in [&self.closed, &self.open] {
            if phase.errors > 0 {
                return Some(format!("{} requests failed ({})", phase.errors, phase.why));
            }
        }
        if self.steal > max_steal {
            Some(format!("steal {:.1} % > {max_steal} %", self.steal))
        } else if wait > max_wait {
            Some(format!("others held its core for {wait:.0} % of the time > {max_wait} %"))
        } else {
            None
        }
    }

    fn saturation(&self) -> f64 {
        self.closed.wanted
    }

    /// Whether the contender, not the generator, was the limit.
    pub(crate) fn saturated(&self) -> bool {
        self.saturation() >= SATURATED
    }

    pub(crate) fn figure(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Capacity => self.saturated().then_some(self.closed.rate),
            Metric::Cpu => Some(self.closed.cpu),
            Metric::WorkerCpu => Some(self.closed.worker_cpu),
            Metric::HalfWorkerCpu => Some(self.open.worker_cpu),
            Metric::Saturation => Some(100.0 * self.saturation()),
            Metric::LoadCpu => Some(self.closed.load_cpu),
            Metric::HalfCpu => Some(self.open.cpu),
            Metric::P50 => Some(self.open.p50),
            Metric::P99 => Some(self.open.p99),
            Metric::P999 => Some(self.open.p999),
            Metric::UpdateP50 => self.closed.updates.map(|updates| updates.p50),
            Metric::UpdateP99 => self.closed.updates.map(|updates| updates.p99),
            Metric::SyncP99 => self.closed.updates.map(|updates| updates.sync_p99),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "saturated": self.saturated(), "steal_percent": self.steal,
            "closed": self.closed.json(), "open": self.open.json(),
        })
    }
}

impl Phase {
    fn new(tally: &Tally, cpu: Spent, load: Spent, wall: Duration, updates: Option<Updates>) -> Self {
        let wall = wall.as_secs_f64().max(1e-9);
        let micros_each = |nanos: u64| nanos as f64 / 1e3 / tally.completed.max(1) as f64;
        let latency = |quantile| tally.latencies.micros(quantile);
        Self {
            requests: tally.completed,
            errors: tally.errors,
            why: tally.why().to_owned(),
            reconnects: tally.reconnects,
            rate: tally.rate(),
            cpu: micros_each(cpu.running),
            worker_cpu: micros_each(cpu.workers),
            load_cpu: micros_each(load.running),
            busy: cpu.running as f64 / 1e9 / wall,
            wanted: cpu.wanted as f64 / 1e9 / wall,
            p50: latency(Quantile::P50),
            p99: latency(Quantile::P99),
            p999: latency(Quantile::P999),
            updates,
        }
    }

    /// Share of the wall clock that it wanted its core and other processes had it.
    fn disturbed(&self) -> f64 {
        (self.wanted - self.busy).max(0.0)
    }

    fn json(&self) -> Value {
        json!({
            "requests": self.requests, "errors": self.errors, "reconnects": self.reconnects,
            "requests_per_second": self.rate, "cpu_us_per_request": self.cpu, "worker_cpu_us_per_request": self.worker_cpu, "load_cpu_us_per_request": self.load_cpu,
            "core_used": self.busy, "core_wanted": self.wanted,
            "p50_us": self.p50, "p99_us": self.p99, "p99_9_us": self.p999, "updates": self.updates.map(|updates| updates.json()),
        })
    }
}

impl Course<'_> {
    /// Starts the contender, measures both ways, ends it. `rate`: requests/s of the open loop.
    pub(crate) fn turn(&self, contender: &Contender, rate: f64) -> Result<Turn> {
        let mut running = contender.start(&self.setting, self.dir)?;
        let mut load = self.warmed(&running)?;
        let machine = Machine::now()?;
        let closed = self.phase(&mut load, &running, contender, Pace::Closed)?;
        load.drain()?;
        let open = self.phase(&mut load, &running, contender, Pace::Open(rate))?;
        let steal = Machine::now()?.steal_since(machine);
        running.check()?;
        Ok(Turn { closed, open, steal })
    }

    /// Requests/s flat out, to choose the fixed rate by.
    pub(crate) fn capacity(&self, contender: &Contender) -> Result<f64> {
        let running = contender.start(&self.setting, self.dir)?;
        let mut load = self.warmed(&running)?;
        Ok(load.run(self.span, Pace::Closed)?.rate())
    }

    /// A load whose connections stand and whose target has filled its pools.
    fn warmed(&self, running: &Running) -> Result<Load> {
        let Case { mode, connections, body } = self.case;
        let mut load = Load::new(Plan { target: running.address, mode, connections, body })?;
        load.run((self.span / 4).max(Duration::from_millis(200)), Pace::Closed)?;
        Ok(load)
    }

    fn phase(&self, load: &mut Load, running: &Running, contender: &Contender, pace: Pace) -> Result<Phase> {
        let updater = match running.grpc.zip(contender.updates) {
            None => None,
            Some((grpc, changes)) => Some(Updater::start(grpc, changes, self.dir)?),
        };
        let begin = Instant::now();
        let (proxy, own) = (Cpu::of(&running.pids)?, Cpu::of(&self.load_pids)?);
        let tally = load.run(self.span, pace)?;
        let proxy = Cpu::of(&running.pids)?.since(&proxy);
        let own = Cpu::of(&self.load_pids)?.since(&own);
        let wall = begin.elapsed();
        let updates = updater.map(Updater::finish).transpose()?;
        Ok(Phase::new(&tally, proxy, own, wall, updates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(busy: f64, wanted: f64, steal: f64, errors: u64) -> Turn {
        let phase = Phase {
            requests: 1,
            errors,
            why: "x".to_owned(),
            reconnects: 0,
            rate: 1000.0,
            cpu: 15.0,
            worker_cpu: 15.0,
            load_cpu: 10.0,
            busy,
            wanted,
            p50: 1.0,
            p99: 2.0,
            p999: 3.0,
            updates: None,
        };
        Turn { closed: phase.clone(), open: phase, steal }
    }

    #[test]
    fn requests_a_second_count_only_when_the_contender_was_the_limit() {
        assert_eq!(turn(0.99, 0.99, 0.0, 0).figure(Metric::Capacity), Some(1000.0));
        assert_eq!(turn(0.80, 0.80, 0.0, 0).figure(Metric::Capacity), None);
        assert_eq!(turn(0.80, 0.80, 0.0, 0).figure(Metric::Cpu), Some(15.0));
        // It wanted its core all the time, others had it: still the limit, but disturbed.
        assert!(turn(0.80, 0.99, 0.0, 0).saturated());
    }

    #[test]
    fn steal_disturbance_and_errors_void_a_turn() {
        assert_eq!(turn(1.0, 1.0, 1.0, 0).void(1.0, 5.0), None);
        assert!(turn(1.0, 1.0, 1.1, 0).void(1.0, 5.0).is_some_and(|why| why.contains("steal")));
        assert!(turn(0.9, 0.96, 0.0, 0).void(1.0, 5.0).is_some_and(|why| why.contains("core")));
        assert!(turn(1.0, 1.0, 0.0, 1).void(100.0, 100.0).is_some_and(|why| why.contains("failed")));
    }
}
