//! `speedctl config`.

use std::path::Path;

use speedmimi_proto::v1::{ConfigFormat, GetConfigRequest, ReloadConfigRequest};

use crate::args::{ConfigVerb, DocumentFormat, Format, Global};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::view::{self, Block, View};

/// Runs a verb of this noun.
pub(super) async fn run(verb: ConfigVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Get { format } => {
            let client = Client::connect(global).await?;
            let request = GetConfigRequest { format: document_format(format, printer.format()).into() };
            let response = client.answer(client.config().get_config(request)).await?;
            if printer.format() == Format::Table {
                // The document as it is, so that it can be written into a file.
                let newline = if response.document.ends_with('\n') { "" } else { "\n" };
                return printer.raw(format!("{}{newline}", response.document).as_bytes());
            }
            printer.show("GetConfigResponse", &response, |_| View(Vec::new()))
        }
        ConfigVerb::Reload { dry_run } => {
            let client = Client::connect(global).await?;
            let request = ReloadConfigRequest { validate_only: dry_run };
            let response = client.answer(client.config().reload_config(request)).await?;
            printer.show("ReloadConfigResponse", &response, |response| view::reloaded(response, dry_run))
        }
        ConfigVerb::Check { file } => check(&file, printer),
    }
}

/// Validates a file; asks nobody.
pub(super) fn check(file: &Path, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Unreadable { file: name.clone(), error })?;
    match speedmimi_model::parse(&name, &text) {
        Ok(_) => printer.lines(&View(vec![Block::Line(format!("{name}: valid"))])),
        Err(faults) => Err(Failure::Faults(faults.render(&name, &text, printer.colored()))),
    }
}

fn document_format(asked: Option<DocumentFormat>, output: Format) -> ConfigFormat {
    match (asked, output) {
        (Some(DocumentFormat::Json), _) | (None, Format::Json) => ConfigFormat::Json,
        (Some(DocumentFormat::Yaml), _) | (None, Format::Table | Format::Yaml) => ConfigFormat::Yaml,
    }
}
