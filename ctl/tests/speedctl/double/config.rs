//! The configuration as a [`Script`] serves it.

use speedmimi_proto::v1::config_service_server::ConfigService;

use super::services::{Answer, NEXT, explained};
use super::*;

impl Script {
    fn differences(&self) -> Vec<Difference> {
        let difference = |path: &str, before: Option<&str>, after: Option<&str>| Difference {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        if self.same {
            return vec![];
        }
        vec![
            difference("backends.api.b9.host", None, Some("\"127.0.0.1\"")),
            difference("backends.default.b1.max_conn", Some("100"), Some("200")),
            difference("log.level", Some("\"debug\""), None),
        ]
    }

    fn sources(&self) -> Vec<ObjectSource> {
        vec![ObjectSource { object: "backends.default.b1".to_owned(), fields: explained("max_conn") }]
    }

    fn overlay(&self) -> Vec<OverlayEntry> {
        if self.same {
            return vec![];
        }
        let entry = |object: &str, kind: OverlayKind| OverlayEntry {
            object: object.to_owned(),
            kind: kind.into(),
            ..OverlayEntry::default()
        };
        let mut set: Vec<FieldSource> = explained("max_conn").into_iter().take(1).collect();
        set.iter_mut().for_each(|field| field.conflict = true);
        let by = set.first().and_then(|field| field.origin.clone());
        let gone = OverlayEntry {
            origin: by,
            problem: "the file has no such route".to_owned(),
            ..entry("routing.old", OverlayKind::Removed)
        };
        vec![OverlayEntry { fields: set, conflict: true, ..entry("backends.default.b1", OverlayKind::Changed) }, gone]
    }
}

#[tonic::async_trait]
impl ConfigService for Script {
    type WatchConfigStream = watches::Told<WatchConfigResponse>;

    async fn watch_config(&self, request: Request<WatchConfigRequest>) -> Answer<Self::WatchConfigStream> {
        let request = request.into_inner();
        self.hear(Call::WatchConfig(request.clone())).await?;
        Ok(Response::new(watches::config(&request)))
    }

    async fn get_config(&self, request: Request<GetConfigRequest>) -> Answer<GetConfigResponse> {
        let request = request.into_inner();
        self.hear(Call::GetConfig(request)).await?;
        let document = match request.format() {
            ConfigFormat::Json => "{\"server\": {\"port\": 8080}}".to_owned(),
            ConfigFormat::Yaml | ConfigFormat::Unspecified => "server:\n  port: 8080\n".to_owned(),
        };
        Ok(Response::new(GetConfigResponse {
            revision: 6,
            document,
            path: "speedmimi.yaml".to_owned(),
            has_overlay: !self.same,
            overlay: if request.explain { self.overlay() } else { vec![] },
            hash: "00c0ffee00c0ffee".to_owned(),
            sources: if request.explain { self.sources() } else { vec![] },
        }))
    }

    async fn apply_config(&self, request: Request<ApplyConfigRequest>) -> Answer<ApplyConfigResponse> {
        self.hear(Call::Apply(request.into_inner())).await?;
        Ok(Response::new(ApplyConfigResponse { revision: NEXT, differences: self.differences() }))
    }

    async fn reload_config(&self, request: Request<ReloadConfigRequest>) -> Answer<ReloadConfigResponse> {
        self.hear(Call::Reload(request.into_inner())).await?;
        Ok(Response::new(ReloadConfigResponse {
            revision: NEXT,
            conflicts: if self.same { vec![] } else { vec!["backend default/b1: max_conn".to_owned()] },
            differences: self.differences(),
            ..ReloadConfigResponse::default()
        }))
    }

    async fn clear_overlay(&self, request: Request<ClearOverlayRequest>) -> Answer<ClearOverlayResponse> {
        self.hear(Call::Clear(request.into_inner())).await?;
        Ok(Response::new(ClearOverlayResponse { revision: NEXT, differences: self.differences() }))
    }

    async fn list_revisions(&self, request: Request<ListRevisionsRequest>) -> Answer<ListRevisionsResponse> {
        self.hear(Call::History(request.into_inner())).await?;
        let at = explained("max_conn").first().and_then(|field| field.origin.as_ref()?.at);
        let revision = |revision, what: &str, differences| Revision {
            revision,
            who: "ann".to_owned(),
            from: "127.0.0.1".to_owned(),
            at,
            what: what.to_owned(),
            differences,
            truncated: false,
        };
        let revisions = vec![revision(6, "ApplyConfig", self.differences()), revision(1, "first start", vec![])];
        Ok(Response::new(ListRevisionsResponse { revisions, next_page_token: String::new() }))
    }

    async fn rollback_config(&self, request: Request<RollbackConfigRequest>) -> Answer<RollbackConfigResponse> {
        self.hear(Call::Rollback(request.into_inner())).await?;
        Ok(Response::new(RollbackConfigResponse { revision: NEXT, differences: self.differences() }))
    }
}
