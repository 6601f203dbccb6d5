//! Backends that many subjects use.

use std::io;
use std::time::Duration;

use super::backend::{Backend, Next};
use super::conn::Gate;

/// Answers every request with its own name.
pub fn named(name: &str) -> Backend {
    let name = name.to_owned();
    Backend::serve(move |_, conn| {
        conn.respond("200 OK", "Content-Type: text/plain\r\n", &name)?;
        Ok(Next::Keep)
    })
}

/// Answers every request with the body that it carried.
pub fn echo() -> Backend {
    Backend::serve(|seen, conn| {
        conn.respond("200 OK", "Content-Type: application/octet-stream\r\n", &seen.body)?;
        Ok(Next::Keep)
    })
}

/// Answers with its name once the gate is open.
pub fn gated(name: &str, gate: &Gate) -> Backend {
    let (name, gate) = (name.to_owned(), gate.clone());
    Backend::serve(move |_, conn| {
        if !conn.wait(&gate) {
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", &name)?;
        Ok(Next::Keep)
    })
}

/// Answers with its name after that time, unless the proxy leaves first.
pub fn slow(name: &str, time: Duration) -> Backend {
    let name = name.to_owned();
    Backend::serve(move |_, conn| {
        if !conn.work(time) {
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", &name)?;
        Ok(Next::Keep)
    })
}

/// Takes requests and never answers.
pub fn silent() -> Backend {
    Backend::serve(|_, conn| {
        conn.hang();
        Ok(Next::Close)
    })
}

/// Answers every request with these bytes and closes.
pub fn canned(bytes: impl Into<Vec<u8>>) -> Backend {
    let bytes = bytes.into();
    Backend::serve(move |_, conn| {
        conn.write_last(&bytes)?;
        Ok(Next::Close)
    })
}

/// An event stream with a numbered event at each interval, until the proxy closes or the gate opens; then a last
/// event `end`.
pub fn ticking(interval: Duration, end: &Gate) -> Backend {
    let end = end.clone();
    Backend::serve(move |seen, conn| {
        if !seen.target.starts_with("/events") {
            conn.respond("200 OK", "", "not a stream")?;
            return Ok(Next::Keep);
        }
        conn.write(EVENT_STREAM)?;
        let mut number = 0;
        while !end.is_open() {
            conn.write(chunk(&format!("data: {number}\n\n")))?;
            number += 1;
            if !conn.work(interval) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        conn.write_last(format!("{}0\r\n\r\n", chunk("data: end\n\n")))?;
        Ok(Next::Keep)
    })
}

/// Head of a chunked event stream.
pub const EVENT_STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                                Transfer-Encoding: chunked\r\n\r\n";

/// A chunk with this text.
pub fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
