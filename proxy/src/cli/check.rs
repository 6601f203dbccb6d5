//! `speedmimi check` and `speedmimi schema`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{fail, refuse};

/// Prints every fault of the file, or that there is none.
pub(super) fn check(path: &Path) -> ExitCode {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {name}: {error}")),
    };
    match speedmimi_model::parse(&name, &text) {
        Ok(_) => print(&format!("{name}: ok")),
        Err(faults) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{faults}");
            ExitCode::from(super::USAGE)
        }
    }
}

/// Prints the JSON Schema.
pub(super) fn schema() -> ExitCode {
    match serde_json::to_string_pretty(&speedmimi_model::schema()) {
        Ok(text) => print(&text),
        Err(error) => fail(&error.to_string()),
    }
}

fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot write: {error}")),
    }
}
