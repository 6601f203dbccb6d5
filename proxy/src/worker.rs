//! A worker: one thread, one single-threaded runtime, its own sockets, pools, buffers, timers and counters.

pub mod mailbox;
