//! Data plane, control thread and management server.
