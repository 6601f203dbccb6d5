//! Side-by-side runs against other proxies, and structural counts.
//!
//! One program holds everything a comparison needs: the origin, the load generator, the raw relay
//! that marks the floor, and the subcommands that start each contender by turns. How to read what
//! they print: `docs/performance.md`.

mod cli;
mod compare;
mod contender;
mod idle;
mod load;
mod measure;
mod net;
mod origin;
mod process;
mod relay;
mod stats;
mod syscalls;
mod table;
mod updates;

pub use cli::main;
