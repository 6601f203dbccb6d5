//! The command line that drives a running proxy: one verb for each call of the management API.
//!
//! A call passes four rooms: [`args`] says what can be asked, [`request`] turns flags into messages, [`client`] carries
//! them, [`view`] and [`printer`] show the answer. What goes wrong anywhere is a [`failure`], which knows its exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::Arguments;
use crate::failure::Failure;
use crate::printer::{Printer, Surface};

mod args;
mod client;
mod credentials;
mod endpoint;
mod failure;
mod follow;
mod name;
mod printer;
mod request;
mod verb;
mod view;

/// Settles which cryptography the process uses. First thing in `main`: with two to choose from, libraries panic at
/// their first handshake.
pub fn use_one_provider() {
    // It fails only when there is one already, which is what we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The grammar: every verb with its flags, for manuals and for tests that leave none out.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs one command line, the program's name first; prints to the process's own outputs.
///
/// Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable, 4 not found, 5 conflict, 6 invalid, 7 timed out.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (out, err) = (io::stdout(), io::stderr());
    let surface = Surface { terminal: out.is_terminal(), error_terminal: err.is_terminal() };
    ExitCode::from(execute(args, surface, &mut out.lock(), &mut err.lock()))
}

/// As [`run`], with outputs that are no terminals; gives the exit code. For tests and for embedding.
pub fn run_to(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    execute(args, Surface { terminal: false, error_terminal: false }, out, err)
}

fn execute(args: impl IntoIterator<Item = OsString>, surface: Surface, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, surface, out, err),
    };
    let color = arguments.global.color;
    for warning in arguments.global.credentials.warnings() {
        // Nobody is left to tell when it is closed.
        let _ = writeln!(err, "warning: {}", printer::clean(&warning));
    }
    let mut printer = Printer::new(out, arguments.global.output, surface, color).with_notes(err);
    let outcome = verb::run(arguments, &mut printer).and_then(|()| printer.flush());
    match outcome {
        Ok(()) | Err(Failure::Closed) => 0,
        Err(failure) => {
            // A closed stderr is no reason to end otherwise.
            let _ = err.write_all(failure.render(color.on(surface.error_terminal)).as_bytes());
            let _ = err.flush();
            failure.exit_code()
        }
    }
}

/// What clap has to say: help and version are answers, everything else is a failure.
fn usage(error: &clap::Error, surface: Surface, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let failed = error.use_stderr();
    let terminal = if failed { surface.error_terminal } else { surface.terminal };
    let text = error.render();
    let text = if terminal { text.ansi().to_string() } else { text.to_string() };
    let target: &mut dyn Write = if failed { err } else { out };
    let _ = target.write_all(text.as_bytes()).and_then(|()| target.flush());
    if failed { 2 } else { 0 }
}
