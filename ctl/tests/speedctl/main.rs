//! The program against a double of the proxy, over real sockets: what it sends, what it prints, how it ends.

mod backend;
mod change;
mod config;
mod double;
mod failure;
mod route;
mod stats;
mod streams;
mod upstream;
mod verbs;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};

use double::Double;

/// What a command line led to.
struct Outcome {
    code: u8,
    out: String,
    err: String,
}

impl Outcome {
    /// The output of a command that did what it was asked.
    fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The error of a command that ended with `code` and printed nothing else.
    fn failed(self, code: u8) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        self.err
    }

    fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.done()).expect("the output is JSON")
    }
}

/// Runs `speedctl --endpoint ENDPOINT WORDS…`; words are split at spaces.
fn at(endpoint: &str, words: &str) -> Outcome {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = speedmimi_ctl::run_to(command(endpoint, words), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Outcome { code, out: text(out), err: text(err) }
}

fn command(endpoint: &str, words: &str) -> impl Iterator<Item = OsString> {
    ["speedctl", "--endpoint", endpoint]
        .into_iter()
        .chain(words.split(' '))
        .map(OsString::from)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Runs a command against a double.
fn on(double: &Double, words: &str) -> Outcome {
    at(&double.endpoint, words)
}

/// Lines split where two or more spaces stand: what a script sees.
fn columns(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

/// An output whose reader leaves after `left` bytes, as `head` does.
struct Leaving {
    left: usize,
}

impl Write for Leaving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.left);
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
