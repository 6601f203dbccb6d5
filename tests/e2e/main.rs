//! End-to-end tests: the real programs, real sockets, scripted backends.
//!
//! One module a subject, one test a rule of what users are promised, named after the rule. Nothing sleeps to wait:
//! every wait is for a condition and has a deadline. See `docs/testing.md`.
#![allow(clippy::panic, clippy::print_stderr, reason = "a test fails by panicking and says why on stderr")]
#![allow(unreachable_pub, reason = "a test crate has no outside; `pub` marks what the harness offers to its subjects")]

mod harness;

mod access;
mod balancing;
mod clocks;
mod connections;
mod durability;
mod forwarding;
mod health;
mod leaving;
mod management;
mod observability;
mod reload;
mod retries;
mod shutdown;
mod slots;
mod smuggling;
mod start;
mod streaming;
