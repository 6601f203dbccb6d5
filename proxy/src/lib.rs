//! Data plane, control thread and management server.
//!
//! [`app`] starts and stops everything. The data path ([`worker`], [`listen`], [`exchange`], [`downstream`],
//! [`upstream`], [`stream`]) reads an immutable [`snapshot`] and the observed state in [`live`]; the control thread
//! is the only writer of both.

pub mod cli;
pub mod demo;
pub mod example;
pub mod live;
pub mod reason;
pub mod snapshot;
pub mod telemetry;
pub mod worker;
