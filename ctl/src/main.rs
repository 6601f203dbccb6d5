//! `speedctl`: the command line that drives a running proxy.

use std::process::ExitCode;

fn main() -> ExitCode {
    speedmimi_ctl::use_one_provider();
    speedmimi_ctl::run(std::env::args_os())
}
