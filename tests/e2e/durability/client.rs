//! `speedctl` killed at any moment of any change: what it asked for is there whole, or not at all.
//!
//! `SPEEDMIMI_RUNS` sets the number of kills (40 unless set), `SPEEDMIMI_SEED` replays their moments.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::runs;
use crate::harness::{Config, Dice, Proxy, SPEEDCTL, named};

const FILE: &str = "export.yaml";

#[test]
fn a_killed_speedctl_leaves_no_half_state() {
    let dice = Dice::new();
    let backend = named("b1");
    let config =
        Config::new().backend_with("b1", backend.address(), "weight: 1, max_conn: 1").top("state: {dir: state}");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let endpoint = format!("http://{}", proxy.grpc_address());
    let document = |number: u64| management.shown().document.replace("    name: ", &format!("    name: n{number}"));
    std::fs::write(proxy.path(FILE), "old\n").expect("ours");
    let (mut before, mut after) = (0, 0);
    for run in 0..runs(40) {
        let number = (run % 900 + 2).to_string();
        let next = proxy.path("next.yaml");
        std::fs::write(&next, document(run)).expect("ours");
        let shown = management.shown();
        let next = next.to_str().expect("it is text");
        let words: &[&str] = match run % 4 {
            0 => &["backend", "update", "b1", "--weight", &number, "--max-conn", &number],
            1 => &["config", "apply", "-f", next],
            2 => &["config", "export", "-f", FILE],
            _ => &["config", "rollback", "1"],
        };
        let mut command = Command::new(SPEEDCTL);
        command.current_dir(proxy.path(".")).args(["--endpoint", &endpoint]).args(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        // sleep: the moment of the kill is by chance
        thread::sleep(Duration::from_micros(dice.between(0, 25_000)));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("it is ours");
        let now = management.shown();
        if now.revision == shown.revision {
            assert_eq!(now.hash, shown.hash, "run {run}: {words:?} without a revision; {dice}");
        }
        let b1 = management.backend("b1");
        assert_eq!(b1.weight, b1.max_conn.map(|number| number as u32), "run {run}: half of {words:?}; {dice}");
        let file = std::fs::read_to_string(proxy.path(FILE)).expect("it is there");
        assert!(file == "old\n" || speedmimi_model::parse(FILE, &file).is_ok(), "run {run}: half a file; {dice}");
        *(if now.revision == shown.revision { &mut before } else { &mut after }) += 1;
    }
    assert!(management.shown().revision <= 1 + runs(40), "no call was done twice; {dice}");
    eprintln!("{before} times nothing was changed, {after} times all of it");
}
