//! `cargo run --release -p speedmimi-bench -- compare | idle | syscalls | origin | relay`.

use std::process::ExitCode;

fn main() -> ExitCode {
    speedmimi_bench::main()
}
