//! The only door to shared memory in this crate.
//!
//! Built with `--cfg loom`, the same code runs on loom's model of memory, which tries every interleaving; see
//! `tests/loom.rs`.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
