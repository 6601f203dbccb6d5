//! Connections from clients.

pub(crate) mod h1;
pub(crate) mod linger;
