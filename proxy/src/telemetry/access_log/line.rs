//! A record as one line of JSON.
//!
//! Clients choose host, path and method, so every byte is possible there: quotes, backslashes and control characters
//! (C1 and DEL included, which terminals obey) are escaped, and each run of bytes that is not UTF-8 becomes one
//! U+FFFD. A line therefore always parses, and is always one line.

use std::io::Write;

use super::Record;

/// The current second as text; it changes once a second, not once a line.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: Vec<u8>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: u64::MAX, text: Vec::with_capacity(32) }
    }
}

impl Clock {
    /// RFC 3339 in UTC with milliseconds.
    fn append(&mut self, out: &mut Vec<u8>, micros: u64) {
        let second = micros / 1_000_000;
        if second != self.second {
            self.second = second;
            self.text.clear();
            let seconds = i64::try_from(second).unwrap_or(i64::MAX);
            let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
            // Writing to a Vec cannot fail.
            let _ = write!(self.text, "{}", time.strftime("%Y-%m-%dT%H:%M:%S."));
        }
        out.extend_from_slice(&self.text);
        let millis = micros / 1_000 % 1_000;
        out.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
        out.push(b'Z');
    }
}

/// Appends the record and a line feed.
pub(super) fn append(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    out.extend_from_slice(br#"{"time":""#);
    clock.append(out, record.time);
    out.extend_from_slice(br#"","client":""#);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{}", record.client);
    out.push(b'"');
    text(out, br#","method":""#, record.method);
    text(out, br#","host":""#, record.host);
    text(out, br#","path":""#, record.path);
    text(out, br#","version":""#, record.version.as_bytes());
    number(out, br#","status":"#, u64::from(record.status));
    text(out, br#","route":""#, record.route.as_bytes());
    text(out, br#","upstream":""#, record.upstream.as_bytes());
    text(out, br#","backend":""#, record.backend.as_bytes());
    text(out, br#","protocol":""#, record.protocol.as_bytes());
    match record.reason {
        Some(reason) => text(out, br#","reason":""#, reason.as_bytes()),
        None => out.extend_from_slice(br#","reason":null"#),
    }
    number(out, br#","bytes_in":"#, record.bytes_in);
    number(out, br#","bytes_out":"#, record.bytes_out);
    number(out, br#","duration_us":"#, record.duration_us);
    optional(out, br#","first_byte_us":"#, record.first_byte_us);
    optional(out, br#","connect_us":"#, record.connect_us);
    number(out, br#","tries":"#, u64::from(record.tries));
    let reused: &[u8] = if record.reused { b",\"reused\":true}\n" } else { b",\"reused\":false}\n" };
    out.extend_from_slice(reused);
}

fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    if value.iter().all(|&byte| PLAIN[byte as usize]) {
        out.extend_from_slice(value);
    } else {
        escape(out, value);
    }
    out.push(b'"');
}

fn optional(out: &mut Vec<u8>, key: &[u8], value: Option<u64>) {
    match value {
        Some(value) => number(out, key, value),
        None => {
            out.extend_from_slice(key);
            out.extend_from_slice(b"null");
        }
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], mut value: u64) {
    out.extend_from_slice(key);
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// ASCII that stands for itself in a JSON string.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

fn escape(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend([b'\\', c as u8]),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
