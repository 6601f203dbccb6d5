//! What was acknowledged is there after a restart, a kill, a repeat; and what cannot be kept is not acknowledged.

mod aside;
mod client;
mod concurrent;
mod export;
mod kill;
mod mutation;
mod reloads;
mod repeats;
mod restart;
mod unwritable;

/// How many runs of something random: `SPEEDMIMI_RUNS`, else this many.
fn runs(usual: u64) -> u64 {
    let text = std::env::var("SPEEDMIMI_RUNS").ok();
    text.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("SPEEDMIMI_RUNS is a number, not {text:?}")))
}
