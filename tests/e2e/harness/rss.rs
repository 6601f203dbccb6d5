//! Memory of a process.

/// Proportional share of memory in KiB, as the kernel counts it.
pub fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("the kernel counts it");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
