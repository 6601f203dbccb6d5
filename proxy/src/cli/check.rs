//! `speedmimi check` and `speedmimi schema`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{fail, refuse};
use crate::access::Access;
use crate::app;

/// Prints every fault of the file with the line it stands in, or that there is none.
pub(super) fn check(path: &Path) -> ExitCode {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {name}: {error}")),
    };
    match speedmimi_model::parse(&name, &text) {
        // What the process reads beside it is part of it.
        Ok(config) => match Access::load(&config) {
            Ok(_) => print(&format!("{name}: ok")),
            Err(error) => refuse(&error.to_string()),
        },
        Err(faults) => {
            let mut out = io::stderr();
            let color = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            // Nobody is left to tell when standard error is closed.
            let _ = write!(out, "{}", faults.render(&name, &text, color));
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
