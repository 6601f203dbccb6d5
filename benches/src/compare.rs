//! Every contender by turns on the same load: A B C D, A B C D, …

mod report;
mod turn;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use self::report::Samples;
use self::turn::{Case, Course, Turn};
use crate::cli::{AccessLog, CompareArgs, Stage};
use crate::contender::{Contender, Kind, Setting, Shape};
use crate::load::Mode;
use crate::measure;
use crate::table::{note, say};
use crate::updates::Changes;

/// Exchanges a backend at most: never reached, but accounted for by all.
const MAX_CONN: usize = 1000;

pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    if args.rounds == 0 || !(0.1..=600.0).contains(&args.seconds) {
        bail!("--rounds must be at least 1 and --seconds within 0.1..=600");
    }
    if args.updates.is_some_and(|rate| !(1.0..=1000.0).contains(&rate)) {
        bail!("--updates must be within 1..=1000");
    }
    if !(1..=100).contains(&args.together) {
        bail!("--together must be within 1..=100");
    }
    let contenders = with_logs(with_updates(args.common.contenders()?, args.changes()), args.access_log);
    let mut stage = Stage::set(&args.common)?;
    let machine = measure::machine_name();
    say(&format!(
        "{machine}; proxy on core {}, generator on core {}; {} rounds of {} s",
        args.common.proxy_core, args.common.load_core, args.rounds, args.seconds
    ));
    let mut results = Vec::new();
    for case in cases(args) {
        results.push(measure_case(args, &mut stage, &contenders, &case)?);
        // After every case, so that an interrupted run leaves what it has.
        if let Some(path) = &args.json {
            let all = json!({"machine": machine, "rounds": args.rounds, "seconds": args.seconds, "cases": results});
            fs::write(path, serde_json::to_string_pretty(&all)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

fn with_updates(contenders: Vec<Contender>, changes: Option<Changes>) -> Vec<Contender> {
    let mut all = Vec::new();
    for contender in contenders {
        let changed = changes.filter(|_| contender.kind == Kind::SpeedMimi).map(|changes| {
            let name = format!("{}+updates", contender.name);
            Contender { name, updates: Some(changes), ..contender.clone() }
        });
        all.push(contender);
        all.extend(changed);
    }
    all
}

fn with_logs(contenders: Vec<Contender>, access_log: AccessLog) -> Vec<Contender> {
    let logging = |contender: &Contender| Contender { access_log: true, ..contender.clone() };
    match access_log {
        AccessLog::Off => contenders,
        AccessLog::On => contenders.iter().map(logging).collect(),
        AccessLog::Both => {
            let with = contenders
                .iter()
                .filter(|contender| contender.kind != Kind::Relay)
                .map(|contender| Contender { name: format!("{}+log", contender.name), ..logging(contender) });
            contenders.iter().cloned().chain(with).collect()
        }
    }
}

fn cases(args: &CompareArgs) -> Vec<Case> {
    if args.quick {
        return vec![Case { mode: Mode::Keepalive, connections: 64, body: 100 }];
    }
    let mut all = Vec::new();
    for mode in &args.modes {
        for connections in &args.connections {
            for body in &args.bodies {
                all.push(Case { mode: *mode, connections: *connections, body: *body });
            }
        }
    }
    all
}

fn measure_case(args: &CompareArgs, stage: &mut Stage, contenders: &[Contender], case: &Case) -> Result<Value> {
    say(&format!("\n{case}"));
    let rate = match args.rate {
        Some(rate) => rate,
        None => half_of_the_slowest(&course(args, stage, case), contenders)?,
    };
    let mut samples = Samples::new(contenders, rate);
    for round in 1..=args.rounds {
        for (index, contender) in contenders.iter().enumerate() {
            stage.check()?;
            let (turn, voided) = repeated(args, &course(args, stage, case), contender, rate)
                .with_context(|| format!("{}: {case}, round {round}", contender.name))?;
            samples.push(index, turn, voided);
        }
    }
    samples.print();
    Ok(samples.json(case))
}

fn course<'a>(args: &CompareArgs, stage: &'a Stage, case: &Case) -> Course<'a> {
    let shape = if case.body > 16 * 1024 { Shape::Large } else { Shape::Small };
    Course {
        setting: Setting { origins: stage.origins, max_conn: MAX_CONN, core: args.common.proxy_core, shape },
        case: *case,
        dir: stage.scratch.path(),
        span: Duration::from_secs_f64(args.seconds),
        load_pids: stage.load_pids(),
    }
}

fn half_of_the_slowest(course: &Course<'_>, contenders: &[Contender]) -> Result<f64> {
    let mut slowest = f64::INFINITY;
    for contender in contenders {
        let capacity = course.capacity(contender).with_context(|| format!("{}: {}", contender.name, course.case))?;
        slowest = slowest.min(capacity);
    }
    Ok(slowest / 2.0)
}

/// One turn, again while it is void and the bound allows; with the reasons of the void ones.
fn repeated(
    args: &CompareArgs,
    course: &Course<'_>,
    contender: &Contender,
    rate: f64,
) -> Result<(Option<Turn>, Vec<String>)> {
    let mut reasons = Vec::new();
    while reasons.len() <= args.repeats {
        let turn = course.turn(contender, rate)?;
        let Some(reason) = turn.void(args.max_steal, args.max_wait) else { return Ok((Some(turn), reasons)) };
        note(&format!("  {}: void, {reason}", contender.name));
        reasons.push(reason);
    }
    Ok((None, reasons))
}
