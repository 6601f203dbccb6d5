//! Heads and bodies together, over a corpus of good and hostile bytes, and side by side with
//! other implementations.
//!
//! - `verdicts`: every entry of `tests/corpus` is read as it says it should be.
//! - `hyper_peer`: hyper as a server and as a client reads the same, or the entry says how not.
//! - `httparse_peer`: what we accept, httparse accepts with the same fields.
//! - `splits`: how the bytes are cut into reads never matters.
#![allow(clippy::panic, reason = "a test that panics has failed")]

mod corpus;
mod httparse_peer;
mod hyper_peer;
mod inputs;
mod reading;
mod splits;
mod verdicts;
