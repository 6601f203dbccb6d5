//! Connections that became streams of bytes.

pub(crate) mod tunnel;
