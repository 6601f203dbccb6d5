//! The command line that drives a running proxy.
