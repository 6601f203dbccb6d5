//! The allocator of the program. The one place with unsafe code: its trimming is a C function without a safe name.
#![allow(unsafe_code, reason = "mi_collect is offered as a foreign function only")]

/// Measured against the system's and jemalloc on the data path; see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives back what the calling thread has freed.
pub(crate) fn trim() {
    // SAFETY: takes no pointers, may be called on any thread at any time, and only returns free memory to the system.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
