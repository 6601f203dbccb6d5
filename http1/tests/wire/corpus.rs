//! The corpus: files of entries separated by blank lines, `key: value` lines each.
//!
//! - `name`: what the case is about; unique.
//! - `bytes`: what arrives, with `\r \n \t \0 \\ \xNN` escapes.
//! - `repeat`: `TEXT * COUNT`, put in place of `{}` in `bytes`.
//! - `method`: of the request that an answer is for; GET if absent.
//! - `ours`: how we read it, as [`Reading`](crate::reading::Reading) is written.
//! - `hyper`: how hyper reads it where that differs; then `why` says what makes the difference.

use std::path::Path;

/// One case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: String,
    pub(crate) ours: String,
    pub(crate) hyper: Option<String>,
}

/// All requests of the corpus.
pub(crate) fn requests() -> Vec<Entry> {
    read(&["request-lines.txt", "request-fields.txt", "request-framing.txt", "request-chunks.txt"])
}

/// All answers of the corpus.
pub(crate) fn responses() -> Vec<Entry> {
    read(&["responses.txt"])
}

fn read(files: &[&str]) -> Vec<Entry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = files.iter().map(|file| {
        std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")) + "\n\n"
    });
    let text: String = text.collect();
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(entry).collect()
}

fn entry(block: &str) -> Entry {
    let mut entry = Entry { method: "GET".to_owned(), ..Entry::default() };
    let (mut bytes, mut repeat, mut why) = (String::new(), String::new(), None);
    for line in block.trim().lines().filter(|line| !line.starts_with('#')) {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("no `key: value`: {line}"));
        match key {
            "name" => value.clone_into(&mut entry.name),
            "bytes" => value.clone_into(&mut bytes),
            "repeat" => {
                let (text, count) = value.rsplit_once(" * ").expect("TEXT * COUNT");
                repeat = text.repeat(count.parse().expect("a count"));
            }
            "method" => value.clone_into(&mut entry.method),
            "ours" => value.clone_into(&mut entry.ours),
            "hyper" => entry.hyper = Some(value.to_owned()),
            "why" => why = Some(value.to_owned()),
            _ => panic!("unknown key: {line}"),
        }
    }
    assert_eq!(entry.hyper.is_some(), why.is_some(), "a difference has its reason: {}", entry.name);
    entry.bytes = unescape(&bytes.replace("{}", &repeat));
    entry
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escape, tail) = rest.split_first().expect("something behind a backslash");
        rest = tail;
        bytes.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, tail) = rest.split_at(2);
                rest = tail;
                u8::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("two hexadecimal digits")
            }
            other => panic!("unknown escape \\{} in {text}", char::from(*other)),
        });
    }
    bytes
}
