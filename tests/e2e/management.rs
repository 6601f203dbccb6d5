//! Changes while traffic flows: over gRPC, from the command line, and what is refused.

mod access;
mod backends;
mod command_line;
mod config;
mod disconnect;
mod drains;
mod explain;
mod log_level;
mod mutations;
mod reports;
mod routes;
mod server_drain;
mod services;
mod streams;
mod upstreams;
mod watches;
