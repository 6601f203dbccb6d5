//! The command line of `speedmimi`: what was asked, told apart from what is done about it.
//!
//! Exit codes: 0 done, 1 could not start, 64 bad usage or configuration (`EX_USAGE` of sysexits).

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::{app, demo, example};

mod args;
mod check;
mod inline;

use args::{Arguments, BackendArguments, Command, RunArguments};

/// Reads the arguments of the process and does what they say.
pub fn main() -> ExitCode {
    match Arguments::try_parse_from(single_dash(std::env::args_os())) {
        Ok(arguments) => dispatch(arguments),
        Err(error) => {
            // Help and version are printed this way too, and are no fault. A closed pipe is nobody's.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(app::EXIT_USAGE) } else { ExitCode::SUCCESS }
        }
    }
}

/// `-config` is accepted beside `--config`; a parser of short options would read it as `-c onfig`.
fn single_dash(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    arguments
        .map(|argument| match argument.to_str() {
            Some("-config") => "--config".into(),
            Some(text) if text.starts_with("-config=") => format!("-{text}").into(),
            _ => argument,
        })
        .collect()
}

fn dispatch(arguments: Arguments) -> ExitCode {
    match arguments.command {
        None => run(&arguments.run),
        Some(Command::Run(run_arguments)) => run(&run_arguments),
        Some(Command::Check { config }) => check::check(&config),
        Some(Command::Schema) => check::schema(),
        Some(Command::Demo(ports)) => demo::run(&ports),
        Some(Command::Backend(backend)) => example(backend),
    }
}

fn run(arguments: &RunArguments) -> ExitCode {
    let config = match source(arguments) {
        Ok(config) => config,
        Err(text) => return refuse(&text),
    };
    app::run(app::Options { config, announce: arguments.announce })
}

fn source(arguments: &RunArguments) -> Result<app::ConfigSource, String> {
    if let Some(path) = &arguments.config {
        return Ok(app::ConfigSource::File(PathBuf::from(path)));
    }
    if arguments.backend.is_empty() {
        return Err("there is nothing to serve: give -c FILE or --backend HOST:PORT, or try `speedmimi demo`".into());
    }
    inline::config(&arguments.inline()).map(|config| app::ConfigSource::Inline(Box::new(config)))
}

fn example(arguments: BackendArguments) -> ExitCode {
    let options = example::Options { host: arguments.host, ports: arguments.ports.0, id: arguments.id };
    match example::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Says why the arguments or the configuration cannot be used.
pub(crate) fn refuse(text: &str) -> ExitCode {
    say(text);
    ExitCode::from(app::EXIT_USAGE)
}

/// Says why the start failed.
pub(crate) fn fail(text: &str) -> ExitCode {
    say(text);
    ExitCode::FAILURE
}

fn say(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "speedmimi: {text}");
}

#[cfg(test)]
mod tests;
