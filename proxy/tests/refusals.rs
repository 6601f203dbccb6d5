//! The table of refusals in docs/operations.md says what the table in the code says.

use std::fs;
use std::path::Path;

use speedmimi_proxy::reason::{Blame, Reason};

/// Names of the codes of `google.rpc.Code` that the table uses.
fn code_name(code: u8) -> &'static str {
    match code {
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        8 => "RESOURCE_EXHAUSTED",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        _ => "",
    }
}

#[test]
fn the_documented_table_is_the_table_in_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = fs::read_to_string(path).expect("docs/operations.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Refusals")).expect("a section Refusals");
    let mut documented = section.lines().filter(|line| line.starts_with("| `"));
    for &reason in Reason::ALL {
        let row = reason.row();
        let code = code_name(row.grpc);
        assert!(!code.is_empty(), "{}: no name for code {}", row.token, row.grpc);
        let blame = match row.blame {
            Blame::Client => "client",
            Blame::Backend => "backend",
            Blame::Proxy => "operator",
        };
        let expected = format!("| `{}` | {} | {code} | {} | {blame} | ", row.token, row.status, row.proxy_status);
        let found = documented.next().unwrap_or("(the table ends)");
        assert!(found.starts_with(&expected), "docs/operations.md has\n  {found}\nthe code says\n  {expected}");
        let advice = found[expected.len()..].trim_end_matches(" |");
        assert!(advice.len() > 20, "{}: say what it means and what to do", row.token);
    }
    assert_eq!(documented.next(), None, "docs/operations.md has a row that the code does not");
}
