//! HTTP/2 by hand (RFC 9113): what no library would send, because it never ends or never reads.

use std::io::{Read as _, Write as _};
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
}

impl Line {
    pub fn open(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the proxy listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is taken");
        let mut line = Self { socket, next: 1, window: 65_535, ended: 0 };
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
                self.frame();
            }
            self.window -= piece.len() as i64;
            self.send(DATA, 0, stream, piece);
        }
    }

    /// Reads until so many streams have ended.
    pub fn until_ended(&mut self, streams: usize) {
        while self.ended < streams {
            self.frame();
        }
    }

    /// Whether the other end has closed; waits for it.
    pub fn is_closed(&mut self) -> bool {
        let mut scratch = [0; 4096];
        loop {
            match self.socket.read(&mut scratch) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    fn frame(&mut self) {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.socket.read_exact(&mut payload).expect("the rest of the frame");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4]) {
            (SETTINGS, flags) if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
            (PING, flags) if flags & ACK == 0 => self.send(PING, ACK, 0, &payload),
            (WINDOW_UPDATE, _) if stream == 0 => {
                let more = payload.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                self.window += i64::from(more);
            }
            (HEADERS | DATA, flags) if flags & END_STREAM != 0 => self.ended += 1,
            _ => {}
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
