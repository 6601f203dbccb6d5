//! Broken configurations, each with what a user is told about it: every fault, with its place.
//!
//! `tests/broken/NAME.yaml` stands beside `NAME.expected`. After a change of messages, `REWRITE_EXPECTED=1 cargo test
//! -p speedmimi-model --test broken` writes the expected files anew; read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use speedmimi_model::parse;

#[test]
fn every_fault_is_named_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let rewrite = std::env::var_os("REWRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let files = files(&folder);
    assert!(files.len() >= 10, "{} files in {}", files.len(), folder.display());
    for file in files {
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a readable file");
        let told = match parse(&name, &text) {
            Ok(_) => format!("{name}: nothing is wrong with it\n"),
            Err(faults) => faults.render(&name, &text, false),
        };
        let expected = file.with_extension("expected");
        if rewrite {
            fs::write(&expected, &told).expect("a writable folder");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(told.as_str()) {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "other than expected:\n{}", wrong.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of broken files");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext != "expected")).collect();
    files.sort();
    files
}
