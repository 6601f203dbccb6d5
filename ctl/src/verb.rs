//! What each verb does.

use clap::CommandFactory as _;

use crate::args::{Arguments, ConfigVerb, Noun};
use crate::failure::Failure;
use crate::printer::Printer;

mod backend;
mod config;
mod drain;
mod route;
mod server;
mod stats;
mod stream;
mod upstream;
mod watch;

/// Does what was asked.
pub(crate) fn run(arguments: Arguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    match arguments.noun {
        Noun::Completions { shell } => completions(shell, printer),
        Noun::Config(ConfigVerb::Check { file }) => config::check(&file, printer),
        noun => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let outcome = runtime.block_on(Box::pin(remote(noun, &arguments.global, printer)));
            // A name that is still being looked up must not hold up the end.
            runtime.shutdown_background();
            outcome
        }
    }
}

/// Verbs that ask a proxy.
async fn remote(noun: Noun, global: &crate::args::Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    match noun {
        Noun::Backend(verb) => Box::pin(backend::run(verb, global, printer)).await,
        Noun::Upstream(verb) => Box::pin(upstream::run(verb, global, printer)).await,
        Noun::Route(verb) => Box::pin(route::run(verb, global, printer)).await,
        Noun::Config(verb) => Box::pin(config::run(verb, global, printer)).await,
        Noun::Stats(verb) => Box::pin(stats::run(verb, global, printer)).await,
        Noun::Stream(verb) => Box::pin(stream::run(verb, global, printer)).await,
        Noun::Server(verb) => Box::pin(server::run(verb, global, printer)).await,
        Noun::Events(arguments) => Box::pin(watch::events(&arguments, global, printer)).await,
        Noun::Completions { shell } => completions(shell, printer),
    }
}

fn completions(shell: clap_complete::Shell, printer: &mut Printer<'_>) -> Result<(), Failure> {
    // Into memory first: the generator panics when its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "speedctl", &mut script);
    printer.raw(&script)
}
