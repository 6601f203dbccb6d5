//! Medians, and medians of the ratios within each round.

use serde_json::{Map, Value, json};

use super::turn::{Case, Metric, Turn};
use crate::contender::{Contender, Kind};
use crate::stats::{median, median_difference, median_ratio};
use crate::table::{Table, number, say};
use crate::updates::Changes;

/// Name in JSON, head of the column, decimals.
const METRICS: [(Metric, &str, &str, usize); 8] = [
    (Metric::Capacity, "requests_per_second", "req/s", 0),
    (Metric::Cpu, "cpu_us_per_request", "CPU µs/req", 2),
    (Metric::Saturation, "saturation_percent", "core %", 0),
    (Metric::LoadCpu, "load_cpu_us_per_request", "load µs/req", 2),
    (Metric::P50, "p50_us", "p50 µs", 0),
    (Metric::P99, "p99_us", "p99 µs", 0),
    (Metric::P999, "p99_9_us", "p99.9 µs", 0),
    (Metric::HalfCpu, "cpu_us_per_request_at_rate", "CPU at rate", 2),
];

/// Ratios worth reading; saturation and the generator's cost are conditions, not results.
fn compared() -> impl Iterator<Item = &'static (Metric, &'static str, &'static str, usize)> {
    METRICS.iter().filter(|(metric, ..)| !matches!(metric, Metric::Saturation | Metric::LoadCpu))
}

/// The turns of one case: by contender, then by round; none where a turn stayed void.
pub(super) struct Samples {
    contenders: Vec<Contender>,
    turns: Vec<Vec<Option<Turn>>>,
    voided: Vec<Vec<String>>,
    rate: f64,
}

impl Samples {
    /// `rate`: requests/s of the open loop.
    pub(super) fn new(contenders: &[Contender], rate: f64) -> Self {
        let count = contenders.len();
        Self { contenders: contenders.to_vec(), turns: vec![Vec::new(); count], voided: vec![Vec::new(); count], rate }
    }

    pub(super) fn push(&mut self, contender: usize, turn: Option<Turn>, voided: Vec<String>) {
        self.turns[contender].push(turn);
        self.voided[contender].extend(voided);
    }

    /// Both tables, and what to think of them.
    pub(super) fn print(&self) {
        let mut heads = vec!["median"];
        heads.extend(METRICS.iter().map(|(_, _, head, _)| *head));
        heads.push("rounds");
        let mut table = Table::new(&heads);
        for (index, contender) in self.contenders.iter().enumerate() {
            let mut row = vec![contender.name.clone()];
            row.extend(METRICS.iter().map(|(metric, _, _, decimals)| number(self.median(index, *metric), *decimals)));
            let valid = self.turns[index].iter().flatten().count();
            row.push(format!("{valid}/{}", self.turns[index].len()));
            table.row(row);
        }
        table.print();
        say(&format!("  latency at {:.0} requests/s, from when each was due\n", self.rate));
        self.print_ratios();
        self.print_log_cost();
        self.print_updates();
        self.print_remarks();
    }

    fn print_ratios(&self) {
        let mut heads = vec!["median of ratios"];
        heads.extend(compared().map(|(_, _, head, _)| *head));
        let mut table = Table::new(&heads);
        for (ours, base) in self.pairs() {
            let mut row = vec![format!("{} / {}", self.contenders[ours].name, self.contenders[base].name)];
            row.extend(compared().map(|(metric, ..)| number(self.ratio(ours, base, *metric), 3)));
            table.row(row);
        }
        table.print();
    }

    /// Every contender to nginx, haproxy and the relay, further speedmimis also to the first one; no
    /// pair both ways. Where logs are on for some, like is compared with like.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let first = self.contenders.iter().position(|contender| contender.kind == Kind::SpeedMimi);
        let mut pairs = Vec::new();
        for (ours, contender) in self.contenders.iter().enumerate() {
            for (base, theirs) in self.contenders.iter().enumerate() {
                let worth = match (contender.kind, theirs.kind) {
                    (Kind::SpeedMimi, Kind::SpeedMimi) => ours != base && Some(base) == first,
                    (Kind::SpeedMimi, _) => true,
                    (_, Kind::SpeedMimi) => false,
                    _ => ours > base,
                };
                if worth && (contender.access_log == theirs.access_log || theirs.kind == Kind::Relay) {
                    pairs.push((ours, base));
                }
            }
        }
        pairs
    }

    fn print_log_cost(&self) {
        for (ours, contender) in self.contenders.iter().enumerate() {
            let Some(name) = contender.name.strip_suffix("+log") else { continue };
            let Some(base) = self.contenders.iter().position(|other| other.name == name) else { continue };
            let found = median_difference(&self.figures(ours, Metric::Cpu), &self.figures(base, Metric::Cpu));
            say(&format!("  access log of {name}: {} µs of CPU a request", number(found.map(|(value, _)| value), 2)));
        }
    }

    fn print_updates(&self) {
        for (index, contender) in self.contenders.iter().enumerate() {
            let Some(Changes { a_second, together }) = contender.updates else { continue };
            let millis = |metric| number(self.median(index, metric).map(|micros| micros / 1e3), 2);
            say(&format!(
                "  {}: {a_second} updates/s under full load, {together} together, ms: p50 {}, p99 {}; a page synced to the \
                 same disk: p99 {}",
                contender.name,
                millis(Metric::UpdateP50),
                millis(Metric::UpdateP99),
                millis(Metric::SyncP99)
            ));
            let Some(base) = contender.name.strip_suffix("+updates") else { continue };
            let Some(base) = self.contenders.iter().position(|other| other.name == base) else { continue };
            let ratio = |metric| number(self.ratio(index, base, metric), 3);
            say(&format!(
                "  {}: CPU a request to that without updates, of its workers: flat out {}, at the fixed rate {}; of the \
                 whole process: {}, {}",
                contender.name,
                ratio(Metric::WorkerCpu),
                ratio(Metric::HalfWorkerCpu),
                ratio(Metric::Cpu),
                ratio(Metric::HalfCpu)
            ));
        }
    }

    fn print_remarks(&self) {
        for (index, contender) in self.contenders.iter().enumerate() {
            let turns = || self.turns[index].iter().flatten();
            let idle = turns().filter(|turn| !turn.saturated()).count();
            if idle > 0 {
                say(&format!(
                    "  {}: in {idle} of {} rounds the generator's core was the limit; those requests/s are void, \
                     and its CPU a request holds more wake-ups than at saturation",
                    contender.name,
                    turns().count()
                ));
            }
            if !self.voided[index].is_empty() {
                say(&format!(
                    "  {}: {} void turns, the last one because {}",
                    contender.name,
                    self.voided[index].len(),
                    self.voided[index].last().map_or("", String::as_str)
                ));
            }
        }
    }

    fn figures(&self, contender: usize, metric: Metric) -> Vec<Option<f64>> {
        self.turns[contender].iter().map(|turn| turn.as_ref().and_then(|turn| turn.figure(metric))).collect()
    }

    fn median(&self, contender: usize, metric: Metric) -> Option<f64> {
        let values: Vec<f64> = self.figures(contender, metric).into_iter().flatten().collect();
        median(&values)
    }

    fn ratio(&self, ours: usize, base: usize, metric: Metric) -> Option<f64> {
        median_ratio(&self.figures(ours, metric), &self.figures(base, metric)).map(|(ratio, _)| ratio)
    }

    pub(super) fn json(&self, case: &Case) -> Value {
        let mut contenders = Map::new();
        for (index, contender) in self.contenders.iter().enumerate() {
            let medians: Map<String, Value> = METRICS
                .iter()
                .map(|(metric, key, ..)| ((*key).to_owned(), json!(self.median(index, *metric))))
                .collect();
            let rounds: Vec<Value> =
                self.turns[index].iter().map(|turn| turn.as_ref().map_or(Value::Null, Turn::json)).collect();
            contenders.insert(
                contender.name.clone(),
                json!({"access_log": contender.access_log, "medians": medians, "rounds": rounds, "void": self.voided[index]}),
            );
        }
        let mut ratios = Map::new();
        for (ours, base) in self.pairs() {
            let all: Map<String, Value> = compared()
                .map(|(metric, key, ..)| ((*key).to_owned(), json!(self.ratio(ours, base, *metric))))
                .collect();
            let name = format!("{}/{}", self.contenders[ours].name, self.contenders[base].name);
            ratios.insert(name, Value::Object(all));
        }
        json!({
            "mode": case.mode.name(), "connections": case.connections, "body": case.body,
            "open_loop_requests_per_second": self.rate, "contenders": contenders, "median_ratios": ratios,
        })
    }
}
