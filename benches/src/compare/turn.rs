//! One contender's turn: started, warmed up, driven flat out, driven at a fixed rate, ended.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::contender::{Contender, Running, Setting};
use crate::load::{Load, Mode, Pace, Plan, Tally};
use crate::measure::{Cpu, Machine};
use crate::stats::Quantile;

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
    /// Share of the wall clock that it ran, and that it was ready but did not run.
    busy: f64,
    waiting: f64,
    /// µs.
    p50: f64,
    p99: f64,
    p999: f64,
}

/// A figure of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Requests/s of the closed loop; none when the generator was the limit.
    Capacity,
    /// µs of CPU a request in the closed loop.
    Cpu,
    /// Percent of its core that the contender used or wanted in the closed loop.
    Saturation,
    /// µs of CPU a request at the fixed rate.
    HalfCpu,
    /// µs at the fixed rate, from when a request was due.
    P50,
    P99,
    P999,
}

impl Turn {
    /// Why the turn says nothing, if it does not.
    pub(crate) fn void(&self, max_steal: f64, max_wait: f64) -> Option<String> {
        let wait = 100.0 * self.closed.waiting.max(self.open.waiting);
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
        self.closed.busy + self.closed.waiting
    }

    /// Whether the contender, not the generator, was the limit.
    pub(crate) fn saturated(&self) -> bool {
        self.saturation() >= SATURATED
    }

    pub(crate) fn figure(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Capacity => self.saturated().then_some(self.closed.rate),
            Metric::Cpu => Some(self.closed.cpu),
            Metric::Saturation => Some(100.0 * self.saturation()),
            Metric::HalfCpu => Some(self.open.cpu),
            Metric::P50 => Some(self.open.p50),
            Metric::P99 => Some(self.open.p99),
            Metric::P999 => Some(self.open.p999),
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
    fn new(tally: &Tally, cpu: Cpu, wall: Duration) -> Self {
        let wall = wall.as_secs_f64().max(1e-9);
        let latency = |quantile| tally.latencies.micros(quantile);
        Self {
            requests: tally.completed,
            errors: tally.errors,
            why: tally.why().to_owned(),
            reconnects: tally.reconnects,
            rate: tally.rate(),
            cpu: cpu.running as f64 / 1e3 / (tally.completed.max(1)) as f64,
            busy: cpu.running as f64 / 1e9 / wall,
            waiting: cpu.waiting as f64 / 1e9 / wall,
            p50: latency(Quantile::P50),
            p99: latency(Quantile::P99),
            p999: latency(Quantile::P999),
        }
    }

    fn json(&self) -> Value {
        json!({
            "requests": self.requests, "errors": self.errors, "reconnects": self.reconnects,
            "requests_per_second": self.rate, "cpu_us_per_request": self.cpu,
            "core_used": self.busy, "core_waited_for": self.waiting,
            "p50_us": self.p50, "p99_us": self.p99, "p99_9_us": self.p999,
        })
    }
}

/// Starts the contender, measures both ways, ends it.
pub(crate) fn take(
    contender: &Contender,
    setting: &Setting,
    case: &Case,
    dir: &Path,
    span: Duration,
    rate: f64,
) -> Result<Turn> {
    let mut running = contender.start(setting, dir)?;
    let mut load = warmed(&running, case, span)?;
    let machine = Machine::now()?;
    let closed = phase(&mut load, &running, span, Pace::Closed)?;
    load.drain()?;
    let open = phase(&mut load, &running, span, Pace::Open(rate))?;
    let steal = Machine::now()?.steal_since(machine);
    running.check()?;
    Ok(Turn { closed, open, steal })
}

/// Requests/s flat out, to choose the fixed rate by.
pub(crate) fn capacity(
    contender: &Contender,
    setting: &Setting,
    case: &Case,
    dir: &Path,
    span: Duration,
) -> Result<f64> {
    let running = contender.start(setting, dir)?;
    let mut load = warmed(&running, case, span)?;
    Ok(load.run(span, Pace::Closed)?.rate())
}

/// A load whose connections stand and whose target has filled its pools.
fn warmed(running: &Running, case: &Case, span: Duration) -> Result<Load> {
    let mut load =
        Load::new(Plan { target: running.address, mode: case.mode, connections: case.connections, body: case.body })?;
    load.run((span / 4).max(Duration::from_millis(200)), Pace::Closed)?;
    Ok(load)
}

fn phase(load: &mut Load, running: &Running, span: Duration, pace: Pace) -> Result<Phase> {
    let (begin, before) = (Instant::now(), Cpu::of(&running.pids)?);
    let tally = load.run(span, pace)?;
    let cpu = Cpu::of(&running.pids)?.since(before);
    Ok(Phase::new(&tally, cpu, begin.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(busy: f64, waiting: f64, steal: f64, errors: u64) -> Turn {
        let phase = Phase {
            requests: 1,
            errors,
            why: "x".to_owned(),
            reconnects: 0,
            rate: 1000.0,
            cpu: 15.0,
            busy,
            waiting,
            p50: 1.0,
            p99: 2.0,
            p999: 3.0,
        };
        Turn { closed: phase.clone(), open: phase, steal }
    }

    #[test]
    fn requests_a_second_count_only_when_the_contender_was_the_limit() {
        assert_eq!(turn(0.99, 0.0, 0.0, 0).figure(Metric::Capacity), Some(1000.0));
        assert_eq!(turn(0.80, 0.0, 0.0, 0).figure(Metric::Capacity), None);
        assert_eq!(turn(0.80, 0.0, 0.0, 0).figure(Metric::Cpu), Some(15.0));
        // It wanted its core all the time, others had it: still the limit, but disturbed.
        assert!(turn(0.80, 0.19, 0.0, 0).saturated());
    }

    #[test]
    fn steal_disturbance_and_errors_void_a_turn() {
        assert_eq!(turn(1.0, 0.0, 1.0, 0).void(1.0, 5.0), None);
        assert!(turn(1.0, 0.0, 1.1, 0).void(1.0, 5.0).is_some_and(|why| why.contains("steal")));
        assert!(turn(0.9, 0.06, 0.0, 0).void(1.0, 5.0).is_some_and(|why| why.contains("core")));
        assert!(turn(1.0, 0.0, 0.0, 1).void(100.0, 100.0).is_some_and(|why| why.contains("failed")));
    }
}
