//! Four clocks towards the backend and three towards the client, each alone, never early, named where it fires.

mod client_side;
mod upstream_side;
