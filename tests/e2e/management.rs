//! Changes while traffic flows: over gRPC, from the command line, and what is refused.

mod access;
mod backends;
mod command_line;
mod config;
mod disconnect;
mod drains;
mod mutations;
mod reports;
mod routes;
mod services;
mod upstreams;
mod watches;
