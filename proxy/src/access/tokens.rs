//! The file of tokens: a line each, `NAME ROLE sha256:HEX [upstreams=A,B]`, `#` begins a comment.
//!
//! Only digests are kept. A token that is shown is looked up by its digest: how long that takes depends on the digest,
//! which nobody can choose, and says nothing about the tokens that are known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use speedmimi_model::Role;

use crate::control::Scope;

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 512;
/// Longest name, in bytes.
const NAME: usize = 128;

pub(super) type Digest = [u8; 32];

/// Tokens by their digests.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<Digest, Holder>);

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) scope: Scope,
}

impl Holder {
    /// What it may, in the words of the file: `operate upstreams=a,b`.
    pub(super) fn rights(&self) -> String {
        let limits = self.scope.names().map(|names| format!(" upstreams={}", names.join(","))).unwrap_or_default();
        format!("{}{limits}", self.role)
    }
}

impl Tokens {
    /// Reads the file; every fault is `FILE:LINE: what`.
    pub(super) fn read(path: &Path) -> Result<(Self, Option<String>), Vec<String>> {
        let shown = path.display();
        let one = |fault: String| vec![format!("{shown}: {fault}")];
        let bytes = super::read(path).map_err(one)?;
        let mode = std::fs::metadata(path).map_err(|error| one(error.to_string()))?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(one(format!(
                "others may write to it (mode {:o}), and so give themselves a role; chmod 600 {shown}",
                mode & 0o777
            )));
        }
        let open = mode & 0o004 != 0;
        let warning = open.then(|| format!("{shown}: everybody can read its names and hashes; chmod 600 {shown}"));
        let text = String::from_utf8(bytes).map_err(|_| one("is not UTF-8".to_owned()))?;
        let placed = |(line, fault)| format!("{shown}:{line}: {fault}");
        let tokens = Self::parse(&text).map_err(|faults| faults.into_iter().map(placed).collect::<Vec<_>>())?;
        Ok((tokens, warning))
    }

    /// Reads lines; every fault with the number of its line, from 1.
    fn parse(text: &str) -> Result<Self, Vec<(usize, String)>> {
        let (mut tokens, mut names, mut faults) = (HashMap::new(), HashSet::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            match holder(line) {
                Err(fault) => faults.push((number, fault)),
                Ok((_, holder)) if !names.insert(holder.name.clone()) => {
                    faults.push((number, format!("the name {:?} stands twice", holder.name)));
                }
                Ok((digest, holder)) => {
                    if let Some(other) = tokens.insert(digest, holder) {
                        faults.push((number, format!("this is the token of {:?} as well", other.name)));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(Self(tokens)) } else { Err(faults) }
    }

    /// Who holds a token.
    pub(super) fn holder(&self, token: &[u8]) -> Option<&Holder> {
        if token.is_empty() || token.len() > LONGEST {
            return None;
        }
        let digest = digest(&SHA256, token);
        self.0.get(digest.as_ref())
    }

    /// All of them by the names of their holders, each of which stands once.
    pub(super) fn by_name(&self) -> BTreeMap<&str, (&Digest, &Holder)> {
        self.0.iter().map(|(digest, holder)| (&*holder.name, (digest, holder))).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn holder(line: &str) -> Result<(Digest, Holder), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, role, hash, rest) = match words.as_slice() {
        [name, role, hash, rest @ ..] => (*name, *role, *hash, rest),
        _ => return Err("a line is NAME ROLE sha256:HEX [upstreams=A,B]".to_owned()),
    };
    if name.len() > NAME || !name.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("{name:?} is no name: 1..{NAME} visible ASCII characters"));
    }
    let role: Role = role.parse()?;
    let digest = hash.strip_prefix("sha256:").and_then(unhex);
    // What stands there instead may be the token itself: it is not repeated.
    let digest = digest.ok_or("the third word is sha256: and the 64 hexadecimal digits that sha256sum prints")?;
    let scope = match rest {
        [] => Scope::default(),
        [word] => match word.strip_prefix("upstreams=") {
            Some(list) if list.split(',').all(|name| !name.is_empty()) => {
                Scope::only(&list.split(',').map(str::to_owned).collect::<Vec<_>>())
            }
            _ => return Err(format!("{word:?} is not upstreams=A,B")),
        },
        [_, word, ..] => {
            return Err(format!("nothing is known of {word:?}; names of upstreams have commas, no spaces"));
        }
    };
    Ok((digest, Holder { name: name.to_owned(), role, scope }))
}

fn unhex(text: &str) -> Option<Digest> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(digits.chunks(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `sesame`.
    const HASH: &str = "sha256:d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";

    #[test]
    fn a_token_is_known_by_its_hash() {
        let text = format!("# people\n\nops operate {HASH} upstreams=a,b # until spring\n");
        let tokens = Tokens::parse(&text).expect("a good file");
        let holder = tokens.holder(b"sesame").expect("the token");
        assert_eq!((holder.name.as_str(), holder.role), ("ops", Role::Operate));
        assert!(holder.scope.has("b") && !holder.scope.has("c"));
        for wrong in [&b""[..], b"Sesame", b"sesame ", &[b's'; 600]] {
            assert_eq!(tokens.holder(wrong), None);
        }
        assert_eq!(tokens.len(), 1);
    }

    #[test]
    fn every_fault_has_its_line_and_no_secret_is_repeated() {
        let other = format!("sha256:{}", "0".repeat(64));
        let text = format!(
            "a root {HASH}\nb read hunter2\nc read {HASH} upstream=x\nd read {HASH}\nd read {other}\ne read {HASH}\n\
             f read\ng read {other} upstreams=a, b\ng read sha256:xyz upstreams=\n"
        );
        let faults = Tokens::parse(&text).expect_err("nearly all are wrong");
        let lines: Vec<usize> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6, 7, 8, 9], "{faults:?}");
        assert!(!format!("{faults:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, format!("a read {HASH}\n")).expect("a file");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        mode(0o620);
        let faults = Tokens::read(&path).expect_err("the group may write");
        assert!(faults[0].contains("chmod 600"), "{faults:?}");
        mode(0o600);
        let (tokens, warning) = Tokens::read(&path).expect("a good file");
        assert_eq!((tokens.len(), warning), (1, None));
        mode(0o644);
        assert!(Tokens::read(&path).expect("a good file").1.is_some_and(|warning| warning.contains("chmod 600")));
        assert!(Tokens::read(&folder.path().join("none")).is_err());
    }
}
