//! Verbs and flags of `speedctl config`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print the configuration in force: the file with what was changed at run time over it
    Get {
        /// How the document is written; by itself YAML, or JSON with --output json
        #[arg(long, value_name = "FORMAT")]
        format: Option<DocumentFormat>,
    },
    /// Have the proxy read its file again
    Reload {
        /// Check the file and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Validate a file here, without a proxy; prints every fault with its place
    Check {
        /// The configuration, YAML or JSON
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// As configurations usually are
    Yaml,
    /// For programs
    Json,
}
