//! The configuration as a whole.

use super::*;

impl Proxy {
    fn config(&self) -> ConfigServiceClient<Channel> {
        ConfigServiceClient::new(self.channel.clone())
    }

    async fn shown(&self) -> v1::GetConfigResponse {
        let request = v1::GetConfigRequest { explain: true, ..Default::default() };
        self.config().get_config(request).await.expect("it answers").into_inner()
    }

    async fn apply(&self, document: &str, validate_only: bool) -> Result<v1::ApplyConfigResponse, tonic::Status> {
        let options = Some(v1::MutationOptions { validate_only, ..Default::default() });
        let request = v1::ApplyConfigRequest { document: document.into(), options };
        Ok(self.config().apply_config(request).await?.into_inner())
    }

    async fn clear(&self, object: &str, field: &str) -> Result<v1::ClearOverlayResponse, tonic::Status> {
        let request = v1::ClearOverlayRequest { object: object.into(), field: field.into(), options: None };
        Ok(self.config().clear_overlay(request).await?.into_inner())
    }
}

fn told(differences: &[v1::Difference]) -> Vec<(&str, Option<&str>, Option<&str>)> {
    differences.iter().map(|one| (one.path.as_str(), one.before.as_deref(), one.after.as_deref())).collect()
}

#[tokio::test]
async fn a_document_becomes_the_configuration_and_can_be_taken_back() {
    let proxy = Proxy::start().await;
    let before = proxy.shown().await;
    assert!(proxy.apply(&before.document, false).await.expect("its own").differences.is_empty());
    assert_eq!(proxy.shown().await.revision, before.revision, "what is so already makes no revision");

    let next = before.document.replacen("max_conn: 0", "max_conn: 7", 1);
    let expected = [("backends.default.127.0.0.1:81.max_conn", Some("0"), Some("7"))];
    let dry = proxy.apply(&next, true).await.expect("valid");
    assert_eq!((dry.revision, told(&dry.differences)), (1, expected.to_vec()));
    assert_eq!(proxy.shown().await.hash, before.hash);
    let done = proxy.apply(&next, false).await.expect("valid");
    assert_eq!((done.revision, told(&done.differences)), (2, expected.to_vec()));
    let after = proxy.shown().await;
    assert!(after.has_overlay && after.hash != before.hash);
    let entry = &after.overlay[0];
    assert_eq!((entry.object.as_str(), entry.kind()), ("backends.default.127.0.0.1:81", v1::OverlayKind::Changed));
    let field = &entry.fields[0];
    assert_eq!((field.field.as_str(), field.value.as_str(), field.file_value.as_deref()), ("max_conn", "7", None));
    assert_eq!(field.origin.as_ref().map(|origin| origin.revision), Some(2));

    let file = v1::GetConfigRequest { layer: v1::ConfigLayer::File.into(), ..Default::default() };
    let file = proxy.config().get_config(file).await.expect("it answers").into_inner();
    assert_eq!((&file.document, &file.hash), (&before.document, &after.hash));

    let cleared = proxy.clear("backends.default.127.0.0.1:81", "max_conn").await.expect("it lies over the file");
    assert_eq!((cleared.revision, cleared.differences.len()), (3, 1));
    let back = proxy.shown().await;
    assert_eq!((back.hash, back.has_overlay), (before.hash, false));
}

#[tokio::test]
async fn every_fault_of_a_document_is_told_with_its_place() {
    let proxy = Proxy::start().await;
    let refused = proxy.apply("server: {port: 0}\nnonsense: 1\nbackends: {default: [{host: h}]}\n", false).await;
    let refused = refused.expect_err("it has faults");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_error_details();
    let faults = &details.bad_request().expect("fields").field_violations;
    assert!(faults.len() >= 2, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.description.starts_with("document:2:1: ")), "{faults:?}");
    assert!(faults.iter().all(|fault| !fault.field.is_empty()), "{faults:?}");
    assert_eq!(proxy.apply("{", false).await.expect_err("no document").code(), Code::InvalidArgument);
    assert_eq!(proxy.shown().await.revision, 1);
}

#[tokio::test]
async fn the_whole_and_each_object_have_revisions_to_expect() {
    let proxy = Proxy::start().await;
    let document = proxy.shown().await.document;
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let options = Some(v1::MutationOptions { expected_revision: Some(1), ..Default::default() });
    let apply = v1::ApplyConfigRequest { document, options: options.clone() };
    let refused = proxy.config().apply_config(apply).await.expect_err("it is at 2");
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(refused.get_error_details().error_info().expect("a reason").metadata["current_revision"], "2");
    let clear = v1::ClearOverlayRequest { options: options.clone(), ..Default::default() };
    assert_eq!(proxy.config().clear_overlay(clear.clone()).await.expect_err("it is at 2").code(), Code::Aborted);
    let object = format!("backends.default.{ONE}");
    let one = v1::ClearOverlayRequest { object, ..clear };
    assert_eq!(proxy.config().clear_overlay(one).await.expect_err("it is at 2").code(), Code::Aborted);
    let cleared = proxy.clear("", "").await.expect("everything");
    assert_eq!((cleared.revision, cleared.differences.len()), (3, 1));
}

#[tokio::test]
async fn what_lies_nowhere_cannot_be_cleared() {
    let proxy = Proxy::start().await;
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let missing = proxy.clear("routing.nowhere", "").await.expect_err("no such route");
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.message().contains("backends.default.127.0.0.1:81"), "{}", missing.message());
    assert_eq!(proxy.clear("", "max_conn").await.expect_err("of what?").code(), Code::InvalidArgument);
    let same = proxy.clear("server", "").await.expect("nothing lies over it");
    assert_eq!((same.revision, same.differences.len()), (1, 0));
}
