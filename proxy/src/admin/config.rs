//! `ConfigService`.

use speedmimi_model::{Change, Config, Selector, parse};
use speedmimi_proto::v1;
use speedmimi_proto::v1::config_service_server::ConfigService;
use tonic::{Request, Response, Status};

use super::entry::source;
use super::status::{self, Violations};
use super::watch::{self, Stream};
use super::{caller, convert};
use crate::control::{Control, Done, Guard};

mod hash;
mod named;

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Configuration(pub(super) Control);

impl Configuration {
    async fn change(&self, change: Change, guard: Guard) -> Result<Done, Status> {
        self.0.change(change, guard).await.map_err(|error| status::refused(&error))
    }
}

#[tonic::async_trait]
impl ConfigService for Configuration {
    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::GetConfigResponse>, Status> {
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
            document: write.zip(config).map(|(write, config)| write(config)).unwrap_or_default(),
            path: self.0.file().map(|path| path.display().to_string()).unwrap_or_default(),
            has_overlay: !layers.overlay().is_empty(),
            overlay: if explain { source::overlay(layers) } else { Vec::new() },
            hash: hash::of(view.store.config()),
        }))
    }

    async fn apply_config(
        &self,
        request: Request<v1::ApplyConfigRequest>,
    ) -> Result<Response<v1::ApplyConfigResponse>, Status> {
        let by = caller::of(&request);
        let v1::ApplyConfigRequest { document, options } = request.into_inner();
        let mut violations = Violations::default();
        let guard = convert::guard(by, options, &mut violations);
        violations.check()?;
        // A long document must not keep others waiting.
        let read = tokio::task::spawn_blocking(move || parse(DOCUMENT, &document)).await;
        let read = read.map_err(|_| Status::unavailable("the process is stopping"))?;
        let config = read.map_err(|faults| status::faults(DOCUMENT, &faults))?;
        let done = self.change(Change::Apply(Box::new(config)), guard).await?;
        let differences = source::differences(done.differences());
        Ok(Response::new(v1::ApplyConfigResponse { revision: done.revision, differences }))
    }

    async fn reload_config(
        &self,
        request: Request<v1::ReloadConfigRequest>,
    ) -> Result<Response<v1::ReloadConfigResponse>, Status> {
        let by = caller::of(&request);
        let mut violations = Violations::default();
        let guard = convert::guard(by, request.into_inner().options, &mut violations);
        violations.check()?;
        let done = self.0.reload(guard).await.map_err(|error| status::refused(&error))?;
        Ok(Response::new(v1::ReloadConfigResponse {
            revision: done.revision,
            conflicts: done.summary.conflicts,
            differences: source::differences(done.differences),
        }))
    }

    type WatchConfigStream = Stream<v1::WatchConfigResponse>;

    async fn watch_config(
        &self,
        request: Request<v1::WatchConfigRequest>,
    ) -> Result<Response<Self::WatchConfigStream>, Status> {
        watch::config::watch(&self.0, request.into_inner()).map(Response::new)
    }

    async fn clear_overlay(
        &self,
        request: Request<v1::ClearOverlayRequest>,
    ) -> Result<Response<v1::ClearOverlayResponse>, Status> {
        let by = caller::of(&request);
        let v1::ClearOverlayRequest { object, field, options } = request.into_inner();
        let mut violations = Violations::default();
        let guard = convert::guard(by, options, &mut violations);
        if object.is_empty() && !field.is_empty() {
            violations.push("object", "is needed where a field is named");
        }
        violations.check()?;
        let selector = if object.is_empty() {
            Selector::All
        } else {
            let object = named::find(self.0.view().store.layers(), &object)?;
            if field.is_empty() { Selector::Object(object) } else { Selector::Field(object, field) }
        };
        let done = self.change(Change::Clear(selector), guard).await?;
        let differences = source::differences(done.differences());
        Ok(Response::new(v1::ClearOverlayResponse { revision: done.revision, differences }))
    }
}

/// What a document of a request is called where its faults are told.
const DOCUMENT: &str = "document";
