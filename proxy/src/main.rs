//! The proxy program.

use std::process::ExitCode;

/// Measured against the system's and jemalloc on the data path; see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    speedmimi_proxy::cli::main()
}
