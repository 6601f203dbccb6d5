//! The wire: HTTP/1.1 heads and body framing, no sockets.
