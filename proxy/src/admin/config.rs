//! `ConfigService`.

use speedmimi_proto::v1;
use speedmimi_proto::v1::config_service_server::ConfigService;
use tonic::{Request, Response, Status};

use super::status::{self, Violations};
use crate::control::Control;

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Configuration(pub(super) Control);

#[tonic::async_trait]
impl ConfigService for Configuration {
    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::GetConfigResponse>, Status> {
        let format = request.get_ref().format;
        let view = self.0.view();
        let config = view.store.config();
        let document = match v1::ConfigFormat::try_from(format) {
            Ok(v1::ConfigFormat::Unspecified | v1::ConfigFormat::Yaml) => config.to_yaml(),
            Ok(v1::ConfigFormat::Json) => config.to_json().to_string(),
            Err(_) => {
                let mut violations = Violations::default();
                violations.push("format", format!("{format} is not one of CONFIG_FORMAT_YAML, CONFIG_FORMAT_JSON"));
                violations.check()?;
                String::new()
            }
        };
        Ok(Response::new(v1::GetConfigResponse {
            revision: view.store.revision(),
            document,
            path: self.0.file().map(|path| path.display().to_string()).unwrap_or_default(),
            has_overlay: !view.store.layers().overlay().is_empty(),
        }))
    }

    async fn reload_config(
        &self,
        request: Request<v1::ReloadConfigRequest>,
    ) -> Result<Response<v1::ReloadConfigResponse>, Status> {
        let done = self.0.reload(request.get_ref().validate_only).await;
        let done = done.map_err(|error| status::refused(&error))?;
        let speedmimi_model::ReloadSummary { added, removed, changed, conflicts } = done.summary;
        Ok(Response::new(v1::ReloadConfigResponse { revision: done.revision, added, removed, changed, conflicts }))
    }
}
