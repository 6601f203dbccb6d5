//! The proxy program.

use std::process::ExitCode;

mod allocator;

fn main() -> ExitCode {
    speedmimi_proxy::access::use_one_provider();
    speedmimi_proxy::memory::use_small_pages();
    speedmimi_proxy::memory::trim_with(allocator::trim);
    speedmimi_proxy::cli::main()
}
