//! HTTP/2 by hand (RFC 9113): what no library would send, because it never ends or never reads.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::harness::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

/// A connection on which streams are begun and nothing is finished.
pub struct Line {
    socket: TcpStream,
    next: u32,
    /// What may be sent on the connection.
    window: i64,
    /// Streams that the other end has ended.
    pub ended: usize,
    /// Whether the other end has closed.
    pub closed: bool,
    inbox: Vec<u8>,
}

impl Line {
    pub fn open(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the proxy listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is taken");
        let mut line = Self { socket, next: 1, window: 65_535, ended: 0, closed: false, inbox: Vec::new() };
        line.send(SETTINGS, 0, 0, &[]);
        line
    }

    /// Begins a call.
    pub fn call(&mut self, path: &str, token: Option<&str>) -> u32 {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "proxy"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let mut block = Vec::new();
        for (name, value) in fields.into_iter().chain(bearer.as_deref().map(|bearer| ("authorization", bearer))) {
            // A literal without indexing, as it is (RFC 7541, section 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).expect("short").min(126));
                block.extend_from_slice(text.as_bytes());
            }
        }
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, END_HEADERS, stream, &block);
        stream
    }

    /// Sends bytes of a call, once they may be sent.
    pub fn data(&mut self, stream: u32, bytes: &[u8]) {
        for piece in bytes.chunks(16_000) {
            while self.window < piece.len() as i64 {
                assert!(self.read(), "the proxy takes what is sent");
                self.frames();
            }
            self.window -= piece.len() as i64;
            self.send(DATA, 0, stream, piece);
        }
    }

    /// Takes what has come; does not wait.
    pub fn catch_up(&mut self) {
        self.socket.set_nonblocking(true).expect("a socket");
        self.read();
        self.socket.set_nonblocking(false).expect("a socket");
        self.frames();
    }

    /// Reads, once; says whether something came.
    fn read(&mut self) -> bool {
        let mut scratch = [0; 16 * 1024];
        match self.socket.read(&mut scratch) {
            Ok(0) => self.closed = true,
            Ok(length) => {
                self.inbox.extend_from_slice(&scratch[..length]);
                return true;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.closed = true,
        }
        false
    }

    /// Acts on every frame that is here whole.
    fn frames(&mut self) {
        while let Some(&[a, b, c, kind, flags, d, e, f, g]) = self.inbox.first_chunk::<9>() {
            let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
            if self.inbox.len() < end {
                return;
            }
            let payload: Vec<u8> = self.inbox.drain(..end).skip(9).collect();
            let stream = u32::from_be_bytes([d, e, f, g]);
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload),
                WINDOW_UPDATE if stream == 0 => {
                    let more = payload.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                    self.window += i64::from(more);
                }
                HEADERS | DATA if flags & END_STREAM != 0 => self.ended += 1,
                _ => {}
            }
        }
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // A connection that is closed meanwhile takes nothing, which is no fault here.
        let _ = self.socket.write_all(&frame);
    }
}
