//! Verbs and flags of `speedctl config`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::backend::Mutation;

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print the configuration in force: the file with what was changed at run time over it
    Get {
        /// How the document is written; by itself YAML, or JSON with --output json
        #[arg(long, value_name = "FORMAT")]
        format: Option<DocumentFormat>,
        /// What of it is shown
        #[arg(long, value_name = "LAYER", default_value = "effective")]
        layer: LayerName,
        /// Say below it, as comments, where each value comes from: default, file or change, by whom, when
        #[arg(long)]
        explain: bool,
    },
    /// Show what lies over the file: what was changed, by whom, when
    Diff,
    /// Make a whole document the configuration in force; what it leaves out is taken out
    Apply {
        /// The document, YAML or JSON; - is the standard input
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Write the configuration in force as a file that says it all
    Export {
        /// Into this file, whole or not at all, instead of the standard output
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// How the document is written; by itself YAML, or JSON with --output json or into a file that ends in .json
        #[arg(long, value_name = "FORMAT")]
        format: Option<DocumentFormat>,
    },
    /// Forget what was changed at run time: of one object, or one field; --all forgets all of it
    Clear {
        /// The object, as config diff names it: backends.default.b1
        #[arg(value_name = "OBJECT")]
        object: Option<String>,
        /// One field of it: max_conn
        #[arg(value_name = "FIELD")]
        field: Option<String>,
        /// Forget everything that was changed at run time
        #[arg(long, conflicts_with = "object")]
        all: bool,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Have the proxy read its file again
    Reload {
        #[command(flatten)]
        mutation: Mutation,
    },
    /// List what was changed, newest first: by whom, when, and what
    History {
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Show every key that was changed, too
        #[arg(long)]
        changes: bool,
    },
    /// Go back to what lay over the file at an earlier revision; the file stays what it is
    Rollback {
        /// The revision to go back to, as config history shows it
        #[arg(value_name = "REVISION", value_parser = clap::value_parser!(u64).range(1..))]
        revision: u64,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Follow what becomes of the configuration, revision by revision
    Watch,
    /// Validate a file here, without a proxy; prints every fault with its place
    Check {
        /// The configuration, YAML or JSON
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// What of the configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayerName {
    /// What is in force
    Effective,
    /// What the file says
    File,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// As configurations usually are
    Yaml,
    /// For programs
    Json,
}
