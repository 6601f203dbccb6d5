//! The origin behind every contender: fixed bodies as fast as one thread can, and silent streams.
//!
//! `/bytes/N` answers N bytes, `/sse` a head and one event and then silence, anything else two bytes.
//! It must cost less than any proxy in front of it, so it knows GET without a body and nothing more.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use memchr::memmem::{self, Finder};
use rustix::event::epoll::Event;
use rustix::fd::OwnedFd;
use rustix::fs::MemfdFlags;

use crate::net::{self, EventFlags, Io, Poll};

/// From here on a body goes out of a memory file: one copy less for the origin's core.
const FILE_FROM: usize = 16 * 1024;
/// The largest `/bytes/N`.
const LARGEST: usize = 64 * 1024 * 1024;

/// Serves on `ports` of 127.0.0.1 (0 = any) until killed; prints `{"ready":true,"ports":[…]}` first.
pub(crate) fn run(ports: &[u16]) -> Result<()> {
    let poll = Poll::new()?;
    let mut listeners = Vec::new();
    let mut bound = Vec::new();
    for (token, port) in ports.iter().enumerate() {
        let (listener, address) = net::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))
            .with_context(|| format!("origin cannot listen on 127.0.0.1:{port}"))?;
        poll.add(&listener, token as u64, EventFlags::IN)?;
        listeners.push(listener);
        bound.push(address.port());
    }
    writeln!(io::stdout(), "{}", serde_json::json!({"ready": true, "ports": bound}))?;
    Origin::new(poll, listeners).serve()
}

/// One answer, head and body in one piece.
#[derive(Clone)]
enum Answer {
    Bytes(Rc<[u8]>),
    File(Rc<OwnedFd>, usize),
}

impl Answer {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(_, len) => *len,
        }
    }

    fn send(&self, to: &OwnedFd, from: usize) -> io::Result<Io> {
        match self {
            Self::Bytes(bytes) => net::send(to, &bytes[from..]),
            Self::File(file, len) => net::send_file(to, file, from as u64, len - from),
        }
    }
}

struct Conn {
    fd: OwnedFd,
    /// The start of a request that came in pieces; empty otherwise.
    input: Vec<u8>,
    /// What is going out and how far it got.
    output: Option<(Answer, usize)>,
    close: bool,
}

struct Origin {
    poll: Poll,
    listeners: Vec<OwnedFd>,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    answers: HashMap<usize, Answer>,
    stream: Answer,
    scratch: Vec<u8>,
    head_end: Finder<'static>,
    close_asked: Finder<'static>,
}

impl Origin {
    fn new(poll: Poll, listeners: Vec<OwnedFd>) -> Self {
        Self {
            poll,
            listeners,
            conns: Vec::new(),
            free: Vec::new(),
            answers: HashMap::new(),
            stream: Answer::Bytes(Rc::from(
                &b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                  Transfer-Encoding: chunked\r\n\r\nd\r\ndata: hello\n\n\r\n"[..],
            )),
            scratch: vec![0; 64 * 1024],
            head_end: Finder::new(b"\r\n\r\n"),
            close_asked: Finder::new(b"onnection: close"),
        }
    }

    fn serve(mut self) -> Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        loop {
            self.poll.wait(&mut events, None)?;
            for event in &events {
                let token = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                if token < self.listeners.len() {
                    self.accept(token)?;
                } else {
                    self.turn(token - self.listeners.len());
                }
            }
        }
    }

    fn accept(&mut self, listener: usize) -> Result<()> {
        while let Some(fd) = net::accept(&self.listeners[listener]).context("origin: accept")? {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.conns.push(None);
                self.conns.len() - 1
            });
            self.poll.add(&fd, (slot + self.listeners.len()) as u64, EventFlags::IN)?;
            self.conns[slot] = Some(Conn { fd, input: Vec::new(), output: None, close: false });
        }
        Ok(())
    }

    /// One readiness of one connection; whatever goes wrong ends it.
    fn turn(&mut self, slot: usize) {
        let Some(mut conn) = self.conns[slot].take() else { return };
        let alive = match conn.output.take() {
            Some((answer, sent)) => self.write(slot, &mut conn, answer, sent, true),
            None => self.read(slot, &mut conn),
        };
        if alive.unwrap_or(false) {
            self.conns[slot] = Some(conn);
        } else {
            self.free.push(slot);
        }
    }

    fn read(&mut self, slot: usize, conn: &mut Conn) -> io::Result<bool> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = net::recv(&conn.fd, &mut scratch);
        let alive = match outcome {
            Ok(Io::Moved(0)) => Ok(false),
            Ok(Io::Moved(count)) if conn.input.is_empty() => self.answer(slot, conn, &scratch[..count]),
            Ok(Io::Moved(count)) => {
                let mut input = std::mem::take(&mut conn.input);
                input.extend_from_slice(&scratch[..count]);
                self.answer(slot, conn, &input)
            }
            Ok(Io::Wait) => Ok(true),
            Err(error) => Err(error),
        };
        self.scratch = scratch;
        alive
    }

    /// Answers the request at the start of `input`; keeps what is not a whole one. The proxies
    /// measured here never pipeline, so a second request in the same bytes ends the connection.
    fn answer(&mut self, slot: usize, conn: &mut Conn, input: &[u8]) -> io::Result<bool> {
        let Some(end) = self.head_end.find(input) else {
            conn.input = input.to_vec();
            return Ok(conn.input.len() < 64 * 1024);
        };
        if end + 4 != input.len() {
            return Ok(false);
        }
        let head = &input[..end];
        conn.close = self.close_asked.find(head).is_some();
        let answer = self.choose(path(head))?;
        self.write(slot, conn, answer, 0, false)
    }

    fn choose(&mut self, path: &[u8]) -> io::Result<Answer> {
        if path == b"/sse" {
            return Ok(self.stream.clone());
        }
        let size = path.strip_prefix(b"/bytes/").and_then(number).unwrap_or(2).min(LARGEST);
        if let Some(answer) = self.answers.get(&size) {
            return Ok(answer.clone());
        }
        let answer = build(size)?;
        self.answers.insert(size, answer.clone());
        Ok(answer)
    }

    /// `waiting` = the socket is registered for writing because an earlier send did not fit.
    fn write(
        &mut self,
        slot: usize,
        conn: &mut Conn,
        answer: Answer,
        mut sent: usize,
        waiting: bool,
    ) -> io::Result<bool> {
        let token = (slot + self.listeners.len()) as u64;
        while sent < answer.len() {
            match answer.send(&conn.fd, sent)? {
                Io::Moved(count) => sent += count,
                Io::Wait => {
                    if !waiting {
                        self.poll.modify(&conn.fd, token, EventFlags::OUT)?;
                    }
                    conn.output = Some((answer, sent));
                    return Ok(true);
                }
            }
        }
        if waiting {
            self.poll.modify(&conn.fd, token, EventFlags::IN)?;
        }
        Ok(!conn.close)
    }
}

/// The target of a request line.
fn path(head: &[u8]) -> &[u8] {
    let Some(start) = memchr::memchr(b' ', head) else { return b"" };
    let rest = &head[start + 1..];
    &rest[..memchr::memchr2(b' ', b'?', rest).unwrap_or(rest.len())]
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn build(size: usize) -> io::Result<Answer> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n")
            .into_bytes();
    bytes.resize(bytes.len() + size, b'x');
    if size < FILE_FROM {
        return Ok(Answer::Bytes(bytes.into()));
    }
    let mut file = std::fs::File::from(rustix::fs::memfd_create("body", MemfdFlags::CLOEXEC)?);
    file.write_all(&bytes)?;
    Ok(Answer::File(Rc::new(file.into()), bytes.len()))
}

/// Where the head of `bytes` ends, after its blank line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|end| end + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_the_target_without_its_query() {
        assert_eq!(path(b"GET /bytes/100 HTTP/1.1\r\nHost: x"), b"/bytes/100");
        assert_eq!(path(b"GET /sse?a=b HTTP/1.1"), b"/sse");
        assert_eq!(path(b"nonsense"), b"");
    }

    #[test]
    fn answers_have_the_length_they_declare() {
        for size in [0, 100, FILE_FROM, 65_536] {
            let head = format!(
                "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n"
            );
            let answer = build(size).expect("memory files exist on Linux");
            assert_eq!(answer.len(), head.len() + size);
            assert_eq!(matches!(answer, Answer::File(..)), size >= FILE_FROM);
        }
    }
}
