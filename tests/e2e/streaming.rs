//! Streams flow as they arrive.

mod events;
mod websocket;
