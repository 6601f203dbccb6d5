//! Data plane, control thread and management server.
//!
//! [`app`] starts and stops everything. The data path ([`worker`], [`listen`], [`exchange`], [`downstream`],
//! [`upstream`], [`stream`]) reads an immutable [`snapshot`] and the observed state in [`live`]; the control thread
//! is the only writer of both.

pub mod access;
pub mod admin;
pub mod app;
pub mod cli;
pub mod control;
pub mod demo;
pub(crate) mod downstream;
pub mod example;
pub(crate) mod exchange;
pub mod health;
pub(crate) mod io;
pub mod listen;
pub mod live;
pub mod memory;
pub mod protocol;
pub mod reason;
pub mod snapshot;
pub(crate) mod stream;
pub mod telemetry;
pub(crate) mod upstream;
pub mod worker;
