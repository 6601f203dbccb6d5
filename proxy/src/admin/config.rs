//! `ConfigService`.

use speedmimi_model::{Change, Config, Layers, ReloadSummary, Selector, parse};
use speedmimi_proto::v1;
use speedmimi_proto::v1::config_service_server::ConfigService;
use tonic::{Request, Response, Status};

use super::caller;
use super::entry::source;
use super::mutation::Mutation;
use super::sight::Sight;
use super::status::Violations;
use super::watch::{self, Stream};
use crate::control::{Control, Done, Operation, Plan};

mod explain;
mod hash;
mod history;
mod named;

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Configuration(pub(super) Control);

#[tonic::async_trait]
impl ConfigService for Configuration {
    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::GetConfigResponse>, Status> {
        let sight = Sight::of(&caller::of(&request));
        let v1::GetConfigRequest { format, layer, explain } = request.into_inner();
        let view = self.0.view();
        let layers = view.store.layers();
        let mut violations = Violations::default();
        let config = match v1::ConfigLayer::try_from(layer) {
            Ok(v1::ConfigLayer::Unspecified | v1::ConfigLayer::Effective) => Some(view.store.config()),
            Ok(v1::ConfigLayer::File) => Some(layers.file()),
            Err(_) => {
                violations.push("layer", format!("{layer} is not one of CONFIG_LAYER_EFFECTIVE, CONFIG_LAYER_FILE"));
                None
            }
        };
        let write: Option<fn(&Config) -> String> = match v1::ConfigFormat::try_from(format) {
            Ok(v1::ConfigFormat::Unspecified | v1::ConfigFormat::Yaml) => Some(Config::to_yaml),
            Ok(v1::ConfigFormat::Json) => Some(|config| config.to_json().to_string()),
            Err(_) => {
                violations.push("format", format!("{format} is not one of CONFIG_FORMAT_YAML, CONFIG_FORMAT_JSON"));
                None
            }
        };
        violations.check()?;
        Ok(Response::new(v1::GetConfigResponse {
            revision: view.store.revision(),
            document: write.zip(config).map(|(write, config)| write(&sight.config(config))).unwrap_or_default(),
            path: self.0.file().map(|path| path.display().to_string()).unwrap_or_default(),
            has_overlay: !layers.overlay().is_empty(),
            overlay: if explain { source::overlay(layers, sight) } else { Vec::new() },
            hash: hash::of(view.store.config()),
            sources: if explain { explain::sources(layers, sight) } else { Vec::new() },
        }))
    }

    async fn apply_config(
        &self,
        request: Request<v1::ApplyConfigRequest>,
    ) -> Result<Response<v1::ApplyConfigResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, v1::ApplyConfigRequest { document, .. }) =
            Mutation::open("ApplyConfig", request, &mut violations);
        // A long document must not keep others waiting.
        let read = tokio::task::spawn_blocking(move || parse(DOCUMENT, &document)).await;
        let read = read.map_err(|_| Status::unavailable("the process is stopping"))?;
        let config = read.unwrap_or_else(|faults| {
            violations.extend_with_faults(DOCUMENT, &faults);
            Config::default()
        });
        violations.check()?;
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            let differences = source::differences(&done.differences, sight);
            Ok(v1::ApplyConfigResponse { revision: done.revision, differences })
        };
        mutation.perform(&self.0, Change::Apply(Box::new(config)).into(), respond).await
    }

    async fn reload_config(
        &self,
        request: Request<v1::ReloadConfigRequest>,
    ) -> Result<Response<v1::ReloadConfigResponse>, Status> {
        let mut violations = Violations::default();
        let (mut mutation, request) = Mutation::open("ReloadConfig", request, &mut violations);
        violations.check()?;
        mutation.guard.validate_only |= request.validate_only;
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            let ReloadSummary { added, removed, changed, conflicts } = done.summary.clone().unwrap_or_default();
            Ok(v1::ReloadConfigResponse {
                revision: done.revision,
                added,
                removed,
                changed,
                conflicts,
                differences: source::differences(&done.differences, sight),
            })
        };
        mutation.reload(&self.0, respond).await
    }

    type WatchConfigStream = Stream<v1::WatchConfigResponse>;

    async fn watch_config(
        &self,
        request: Request<v1::WatchConfigRequest>,
    ) -> Result<Response<Self::WatchConfigStream>, Status> {
        watch::config::watch(&self.0, &caller::of(&request), request.into_inner()).map(Response::new)
    }

    async fn clear_overlay(
        &self,
        request: Request<v1::ClearOverlayRequest>,
    ) -> Result<Response<v1::ClearOverlayResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, v1::ClearOverlayRequest { object, field, .. }) =
            Mutation::open("ClearOverlay", request, &mut violations);
        if object.is_empty() && !field.is_empty() {
            violations.push("object", "is needed where a field is named");
        }
        // Which object a name means depends on what there is.
        let plan = move |layers: &Layers| {
            let selector = if object.is_empty() {
                Selector::All
            } else {
                let object = named::find(layers, &object)?;
                if field.is_empty() { Selector::Object(object) } else { Selector::Field(object, field.clone()) }
            };
            Ok(Change::Clear(selector))
        };
        if !violations.is_empty() {
            let change = plan(self.0.view().store.layers()).unwrap_or(Change::Clear(Selector::All));
            violations.check_with(&self.0, &change)?;
        }
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            let differences = source::differences(&done.differences, sight);
            Ok(v1::ClearOverlayResponse { revision: done.revision, differences })
        };
        mutation.perform(&self.0, Operation::Plan(Plan::new(plan)), respond).await
    }

    async fn list_revisions(
        &self,
        request: Request<v1::ListRevisionsRequest>,
    ) -> Result<Response<v1::ListRevisionsResponse>, Status> {
        let sight = Sight::of(&caller::of(&request));
        history::list(&self.0, request.get_ref(), sight).await.map(Response::new)
    }

    async fn rollback_config(
        &self,
        request: Request<v1::RollbackConfigRequest>,
    ) -> Result<Response<v1::RollbackConfigResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, v1::RollbackConfigRequest { revision, .. }) =
            Mutation::open("RollbackConfig", request, &mut violations);
        if revision == 0 {
            violations.push("revision", "is needed: the revision to go back to, 1 or more");
        }
        violations.check()?;
        let sight = mutation.sight();
        let respond = move |_: &Control, done: &Done| {
            let differences = source::differences(&done.differences, sight);
            Ok(v1::RollbackConfigResponse { revision: done.revision, differences })
        };
        mutation.perform(&self.0, Operation::Rollback(revision), respond).await
    }
}

/// What a document of a request is called where its faults are told.
const DOCUMENT: &str = "document";
