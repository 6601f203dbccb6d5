//! Requests and answers go through unchanged but for what a proxy must change.

mod bodies;
mod client_address;
mod hygiene;
mod interim;
mod messages;
mod refusals;
mod routing;
