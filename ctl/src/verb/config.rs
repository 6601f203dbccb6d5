//! `speedctl config`.

use std::io::{self, Read as _};
use std::path::Path;

use speedmimi_model::Fault;
use speedmimi_proto::v1::{
    ApplyConfigRequest, ClearOverlayRequest, ConfigFormat, ConfigLayer, GetConfigRequest, GetConfigResponse,
    ListRevisionsRequest, ReloadConfigRequest, RollbackConfigRequest,
};
use tonic::Code;

use crate::args::{ConfigVerb, DocumentFormat, Format, Global, LayerName};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::request;
use crate::view::{self, Block, View};

mod file;

/// Runs a verb of this noun.
pub(super) async fn run(verb: ConfigVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Get { format, layer, explain } => get(format, layer, explain, global, printer).await,
        ConfigVerb::Diff => {
            let request = GetConfigRequest { explain: true, ..GetConfigRequest::default() };
            let response = ask(&Client::connect(global).await?, request).await?;
            printer.show("GetConfigResponse", &response, |response| view::overlay(&response.overlay))
        }
        ConfigVerb::Apply { file, mutation } => {
            let document = document(&file)?;
            let client = Client::connect(global).await?;
            let request = ApplyConfigRequest { document: document.clone(), options: request::options(&mutation) };
            let answer = client.answer(client.config().apply_config(request)).await;
            let response = answer.map_err(|failure| in_file(failure, &file, &document, printer))?;
            printer.show("ApplyConfigResponse", &response, |response| view::applied(response, mutation.dry_run))
        }
        ConfigVerb::Export { file, format } => export(file.as_deref(), format, global, printer).await,
        ConfigVerb::Clear { object, field, all, mutation } => {
            let (object, field) = cleared(object, field, all)?;
            let client = Client::connect(global).await?;
            let request = ClearOverlayRequest { object, field, options: request::options(&mutation) };
            let response = client.answer(client.config().clear_overlay(request.clone())).await?;
            printer.show("ClearOverlayResponse", &response, |response| {
                view::cleared(&request.object, &request.field, response, mutation.dry_run)
            })
        }
        ConfigVerb::Reload { mutation } => {
            let client = Client::connect(global).await?;
            let request =
                ReloadConfigRequest { options: request::options(&mutation), ..ReloadConfigRequest::default() };
            let response = client.answer(client.config().reload_config(request)).await?;
            printer.show("ReloadConfigResponse", &response, |response| view::reloaded(response, mutation.dry_run))
        }
        ConfigVerb::History { limit, changes } => {
            let client = Client::connect(global).await?;
            let request = ListRevisionsRequest { page_size: limit, page_token: String::new() };
            let response = client.answer(client.config().list_revisions(request)).await?;
            printer.show("ListRevisionsResponse", &response, |response| view::history(response, changes))
        }
        ConfigVerb::Rollback { revision, mutation } => {
            let client = Client::connect(global).await?;
            let request = RollbackConfigRequest { revision, options: request::options(&mutation) };
            let response = client.answer(client.config().rollback_config(request)).await?;
            printer.show("RollbackConfigResponse", &response, |response| {
                view::rolled_back(revision, response, mutation.dry_run)
            })
        }
        ConfigVerb::Watch => super::watch::config(global, printer).await,
        ConfigVerb::Check { file } => check(&file, printer),
    }
}

/// What is to be forgotten, as the API names it: nothing is everything there, which has to be meant.
fn cleared(object: Option<String>, field: Option<String>, all: bool) -> Result<(String, String), Failure> {
    if all {
        return Ok(Default::default());
    }
    let choices = "speedctl config clear OBJECT [FIELD] forgets what was changed of one, as speedctl config diff names \
                   it; speedctl config clear --all forgets everything that was changed";
    match (object.unwrap_or_default(), field) {
        (object, _) if object.is_empty() => Err(Failure::usage("which object?", choices)),
        // Of a variable that is not set: the whole object was not meant.
        (_, Some(field)) if field.is_empty() => Err(Failure::usage("the name of the field is empty", choices)),
        (object, field) => Ok((object, field.unwrap_or_default())),
    }
}

/// Validates a file; asks nobody.
pub(super) fn check(file: &Path, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Unreadable { file: name.clone(), error })?;
    let read = speedmimi_model::parse(&name, &text);
    if printer.format() == Format::Table {
        return match read {
            Ok(_) => printer.lines(&View(vec![Block::Line(format!("{name}: valid"))])),
            Err(faults) => Err(Failure::Faults(faults.render(&name, &text, printer.colored()))),
        };
    }
    let faults = read.as_ref().err().map(|faults| faults.0.as_slice()).unwrap_or_default();
    let faults: Vec<_> = faults
        .iter()
        .map(|Fault { path, message, line, column }| {
            serde_json::json!({"field": path, "line": line, "column": column, "message": message})
        })
        .collect();
    printer.value(&serde_json::json!({"file": name, "valid": read.is_ok(), "faults": faults}))?;
    read.map(|_| ()).map_err(|faults| Failure::Faults(faults.render(&name, &text, printer.colored())))
}

async fn get(
    format: Option<DocumentFormat>,
    layer: LayerName,
    explain: bool,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let table = printer.format() == Format::Table;
    let format = document_format(format, printer.format());
    if table && explain && format == ConfigFormat::Json {
        return Err(Failure::usage("a JSON document has no comments to explain it", "ask with --output json instead"));
    }
    let layer = match layer {
        LayerName::Effective => ConfigLayer::Effective,
        LayerName::File => ConfigLayer::File,
    };
    let request = GetConfigRequest { format: format.into(), layer: layer.into(), explain };
    let response = ask(&Client::connect(global).await?, request).await?;
    if !table {
        return printer.show("GetConfigResponse", &response, |_| View(Vec::new()));
    }
    let comments = if explain { view::comments(&response.sources, &response.overlay) } else { String::new() };
    printer.raw(format!("{}{comments}", whole_lines(&response)).as_bytes())
}

async fn export(
    into: Option<&Path>,
    format: Option<DocumentFormat>,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let format = match into {
        None => document_format(format, printer.format()),
        // What --output says is about the answer, and the file is another thing.
        Some(path) if path.extension().is_some_and(|ending| ending == "json") => document_format(format, Format::Json),
        Some(_) => document_format(format, Format::Yaml),
    };
    let request = GetConfigRequest { format: format.into(), ..GetConfigRequest::default() };
    let response = ask(&Client::connect(global).await?, request).await?;
    let Some(path) = into else { return printer.raw(whole_lines(&response).as_bytes()) };
    file::replace(path, whole_lines(&response).as_bytes())?;
    let name = path.display().to_string();
    printer.show("GetConfigResponse", &response, |response| view::exported(&name, response))
}

async fn ask(client: &Client, request: GetConfigRequest) -> Result<GetConfigResponse, Failure> {
    client.answer(client.config().get_config(request)).await
}

/// The document as it is, so that it can be written into a file.
fn whole_lines(response: &GetConfigResponse) -> String {
    let newline = if response.document.ends_with('\n') { "" } else { "\n" };
    format!("{}{newline}", response.document)
}

/// Faults of a document that was sent, as they stand in its file; others as they are.
fn in_file(failure: Failure, file: &Path, text: &str, printer: &Printer<'_>) -> Failure {
    let invalid = matches!(&failure, Failure::Refused(status) if status.code() == Code::InvalidArgument);
    let name = file.display().to_string();
    match speedmimi_model::parse(&name, text) {
        Err(faults) if invalid => Failure::Faults(faults.render(&name, text, printer.colored())),
        _ => failure,
    }
}

/// A document to send.
fn document(file: &Path) -> Result<String, Failure> {
    let unreadable = |error| Failure::Unreadable { file: file.display().to_string(), error };
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(unreadable)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(unreadable)
}

fn document_format(asked: Option<DocumentFormat>, output: Format) -> ConfigFormat {
    match (asked, output) {
        (Some(DocumentFormat::Json), _) | (None, Format::Json) => ConfigFormat::Json,
        (Some(DocumentFormat::Yaml), _) | (None, Format::Table | Format::Yaml) => ConfigFormat::Yaml,
    }
}
