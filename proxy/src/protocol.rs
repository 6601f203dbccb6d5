//! What an exchange is, as far as the head of its request tells.

/// The protocols that are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A request and its response.
    #[default]
    Http,
    /// A WebSocket, or the request for one.
    WebSocket,
    /// A request that accepts server-sent events.
    EventStream,
}

impl Protocol {
    /// The word in logs.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::EventStream => "sse",
        }
    }
}
