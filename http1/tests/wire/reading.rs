//! What a stream of bytes means to us: messages, and how it ends.

use speedmimi_http1::{
    BodyScanner, Fields, Framing, Limits, Method, Parsed, RequestHead, ResponseHead, parse_request, parse_response,
};
use std::fmt;

/// A message as far as two implementations can be compared by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `METHOD target`, or the status.
    pub(crate) start: String,
    /// Lower-case names and values, in order.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// How a stream of messages ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind a whole message.
    Clean,
    /// Inside one.
    Cut,
    /// With an error, said in words that only we have.
    Refused(String),
}

/// Written as `POST /a "body" | GET /b "" | clean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    pub(crate) end: End,
}

impl Reading {
    /// The same without our own words for an error, and as peers tell it: cut and refused are
    /// both an error to them.
    pub(crate) fn for_peers(&self) -> String {
        let text = self.to_string();
        match self.end {
            End::Clean => text,
            _ => text[..text.len() - self.end_text().len()].to_owned() + "error",
        }
    }

    fn end_text(&self) -> String {
        match &self.end {
            End::Clean => "clean".to_owned(),
            End::Cut => "cut".to_owned(),
            End::Refused(why) => format!("refused: {why}"),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in &self.messages {
            let body = match message.body.len() {
                0..64 => format!("\"{}\"", message.body.escape_ascii()),
                length => format!("{length} bytes"),
            };
            let start = match message.start.len() {
                0..64 => message.start.clone(),
                length => format!("a start of {length} bytes"),
            };
            write!(f, "{start} {body} | ")?;
        }
        f.write_str(&self.end_text())
    }
}

/// Reads requests until the bytes or the connection end.
pub(crate) fn requests(bytes: &[u8]) -> Reading {
    let mut reading = Reading { messages: Vec::new(), end: End::Clean };
    let mut head = RequestHead::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match parse_request(rest, &Limits::default(), &mut head) {
            Err(error) => return refused(reading, format!("{} {error}", error.refusal().status())),
            Ok(Parsed::Partial) => return Reading { end: End::Cut, ..reading },
            Ok(Parsed::Complete) => {}
        }
        let target = String::from_utf8_lossy(head.target.of(rest)).into_owned();
        let message = Message {
            start: format!("{} {target}", String::from_utf8_lossy(head.method_name.of(rest))),
            fields: fields(&head.fields, rest),
            body: Vec::new(),
        };
        rest = match body(&mut reading, message, head.framing, &rest[head.len..]) {
            Some(rest) => rest,
            None => return reading,
        };
        if !head.keep_alive {
            break;
        }
    }
    reading
}

/// Reads the one final answer to a request of this method, and the interim ones before it.
pub(crate) fn response(bytes: &[u8], method: Method) -> Reading {
    let mut reading = Reading { messages: Vec::new(), end: End::Clean };
    let mut head = ResponseHead::new();
    let mut rest = bytes;
    loop {
        match parse_response(rest, method, &Limits::default(), &mut head) {
            Err(error) => return refused(reading, error.to_string()),
            Ok(Parsed::Partial) => return Reading { end: End::Cut, ..reading },
            Ok(Parsed::Complete) => {}
        }
        if head.is_interim() {
            rest = &rest[head.len..];
            continue;
        }
        let message = Message { start: head.status.to_string(), fields: fields(&head.fields, rest), body: Vec::new() };
        body(&mut reading, message, head.framing, &rest[head.len..]);
        return reading;
    }
}

fn refused(reading: Reading, why: String) -> Reading {
    Reading { end: End::Refused(why), ..reading }
}

fn fields(fields: &Fields, buf: &[u8]) -> Vec<(String, Vec<u8>)> {
    let name = |span: speedmimi_http1::Span| String::from_utf8_lossy(span.of(buf)).to_lowercase();
    fields.iter().map(|field| (name(field.name), field.value.of(buf).to_vec())).collect()
}

/// Reads a body; what follows it, or `None` when the reading ends in it.
fn body<'a>(reading: &mut Reading, mut message: Message, framing: Framing, rest: &'a [u8]) -> Option<&'a [u8]> {
    let mut scanner = BodyScanner::new(framing);
    match scanner.scan_data(rest, |range| message.body.extend_from_slice(&rest[range])) {
        Err(error) => {
            reading.end = End::Refused(error.to_string());
            None
        }
        Ok(scanned) if scanned.done || scanner.is_until_close() => {
            reading.messages.push(message);
            Some(&rest[scanned.consumed..])
        }
        Ok(_) => {
            reading.end = End::Cut;
            None
        }
    }
}
