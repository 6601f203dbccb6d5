//! An exported configuration is the configuration.
//!
//! `SPEEDMIMI_RUNS` sets the number of histories (5 unless set), `SPEEDMIMI_SEED` replays them.

use speedmimi_proto::v1::MutationOptions;

use super::mutation::{FILE, Mutation};
use super::runs;
use crate::harness::{Dice, Proxy};

#[test]
fn a_process_started_from_an_export_has_the_same_configuration() {
    let dice = Dice::new();
    let proxy = Proxy::start_in(tempfile::tempdir().expect("a folder"), FILE);
    let management = proxy.management();
    for run in 0..runs(5) {
        for _ in 0..dice.between(1, 20) {
            let _ = Mutation::any(&dice).send(&management, MutationOptions::default());
        }
        let exported = management.shown();
        let copy = Proxy::start_in(tempfile::tempdir().expect("a folder"), &exported.document);
        let shown = copy.management().shown();
        assert_eq!(shown.hash, exported.hash, "history {run}; {dice}\n{}", exported.document);
        assert!(!shown.has_overlay);
    }
}
