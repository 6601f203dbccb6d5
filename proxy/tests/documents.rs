//! What README.md and docs/ promise about files is true.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).expect(folder);
        found.extend(
            entries.map(|entry| entry.expect("readable").path()).filter(|path| path.extension() == Some("md".as_ref())),
        );
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        let folder = document.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere:\n  {}", broken.join("\n  "));
}

#[test]
fn the_lives_of_a_request_and_of_a_change_name_symbols_that_exist() {
    let mut sources = String::new();
    for room in ["proxy/src", "policy/src", "http1/src", "model/src", "ctl/src"] {
        read_all(&root().join(room), &mut sources);
    }
    let known: HashSet<_> = sources.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut missing = Vec::new();
    for name in ["docs/life-of-a-request.md", "docs/life-of-a-change.md"] {
        let text = fs::read_to_string(root().join(name)).expect("UTF-8");
        // What stands between backticks and looks like a symbol: its last part must occur as a word in the sources.
        let symbols = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| code.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':'))
            .filter_map(|code| code.rsplit("::").next());
        missing.extend(symbols.filter(|word| !known.contains(word)).map(|word| format!("{name}: {word}")));
    }
    assert!(missing.is_empty(), "documents name what is not there: {missing:?}");
}

#[test]
fn the_smallest_configuration_is_the_one_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("UTF-8");
    let block = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a YAML block");
    let file = fs::read_to_string(root().join("configs/smallest.yaml")).expect("configs/smallest.yaml");
    let lines: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, block.lines().collect::<Vec<_>>());
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.push_str(&fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}
