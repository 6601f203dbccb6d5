//! `speedmimi check` and `speedmimi schema`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::fail;
use crate::{app, control};

/// Prints every fault of the file, or that there is none: exactly the check of a start and a reload.
pub(super) fn check(path: &Path) -> ExitCode {
    match control::load(path) {
        Ok(_) => print(&format!("{}: ok", path.display())),
        Err(refused) => {
            // As it is: every fault has its own heading. Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{refused}");
            ExitCode::from(app::EXIT_USAGE)
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
