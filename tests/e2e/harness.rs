//! What the subjects share: the programs under test, the two ends of the wire, and ways to wait.

mod backend;
mod blackhole;
mod client;
mod config;
mod conn;
mod dice;
mod flight;
mod load;
mod management;
mod message;
mod metrics;
mod process;
mod proxy;
mod rss;
mod scripts;
mod secrets;
mod stopwatch;
mod wait;
mod wire;

pub use backend::{Backend, Next, Seen};
pub use blackhole::{Blackhole, refused};
pub use client::{Client, get};
pub use config::Config;
pub use conn::{Conn, Gate};
pub use dice::{Dice, soak_seconds};
pub use load::Load;
pub use management::Management;
pub use message::Response;
pub use process::{Ended, Process, SPEEDCTL, SPEEDMIMI, run};
pub use proxy::Proxy;
pub use rss::pss_kib;
pub use scripts::{EVENT_STREAM, canned, chunk, echo, gated, named, silent, slow, ticking};
pub use secrets::{Authority, Validity, token_line, write_secret};
pub use stopwatch::Stopwatch;
pub use wait::{PATIENCE, eventually, eventually_some};
