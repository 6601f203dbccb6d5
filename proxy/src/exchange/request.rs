//! What is remembered of a request once its head has been parsed: small, because it lives as long as the exchange.

use std::net::IpAddr;

use speedmimi_http1::{BodyScanner, Framing, Method, Upgrade, Version};

use crate::downstream::h1::Client;
use crate::protocol::Protocol;
use crate::reason::Reason;
use crate::worker::buffers::{Block, Scratch};

/// A request in hand.
#[derive(Debug)]
pub(crate) struct Request {
    /// Tells whether the parsed head in the worker's scratch is still this request's.
    pub(crate) serial: u64,
    /// The head as received, with the first bytes of the body; given back once the answer begins.
    pub(crate) block: Option<Block>,
    /// Length of the head in the block.
    pub(crate) head: u32,
    /// Microseconds of the worker's clock when the head was whole.
    pub(crate) started: u64,
    pub(crate) framing: Framing,
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// The client wants to go on after this exchange.
    pub(crate) keep_alive: bool,
    pub(crate) protocol: Protocol,
    /// It holds its body back until the backend says that it wants it.
    pub(crate) expects_continue: bool,
    /// Who asks: the peer, or whom a trusted peer names.
    pub(crate) client: IpAddr,
    /// The peer itself is trusted to name others.
    pub(crate) trusted: bool,
}

impl Request {
    /// Takes from the head just parsed what the exchange will need.
    pub(crate) fn new(scratch: &Scratch, started: u64, peer: IpAddr) -> Self {
        let head = &scratch.request;
        let protocol = match head.upgrade {
            Upgrade::WebSocket => Protocol::WebSocket,
            _ if head.accepts_event_stream => Protocol::EventStream,
            _ => Protocol::Http,
        };
        Self {
            serial: scratch.owner,
            block: None,
            head: u32::try_from(head.len).expect("a head is bounded by server.limits"),
            started,
            framing: head.framing,
            method: head.method,
            version: head.version,
            keep_alive: head.keep_alive,
            protocol,
            expects_continue: head.expect_continue,
            client: peer,
            trusted: false,
        }
    }

    /// Separates the request from what came behind it: takes the beginning of the body, leaves the bytes of the next
    /// request to the client. An error is a body that cannot be one.
    pub(crate) fn separate(&mut self, client: &mut Client) -> Result<BodyScanner, Reason> {
        let mut body = BodyScanner::new(self.framing);
        let Some(block) = &mut self.block else { return Ok(body) };
        let head = self.head as usize;
        if block.len() > head || self.framing != Framing::None {
            let scanned = body.scan(&block[head..]).map_err(|_| Reason::BadRequest)?;
            let end = head + scanned.consumed;
            client.keep(&block[end..]);
            block.truncate(end);
        }
        Ok(body)
    }

    /// The head as received; empty once the answer has begun.
    pub(crate) fn head_bytes(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| &block[..self.head as usize])
    }
}
