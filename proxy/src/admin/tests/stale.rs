//! Whoever expects another revision is told so before anything else that the change would be refused for; and what a
//! try answers is what there is to expect.

use super::*;

fn at(revision: u64) -> Option<v1::MutationOptions> {
    Some(v1::MutationOptions { expected_revision: Some(revision), ..Default::default() })
}

fn only() -> Option<v1::MutationOptions> {
    Some(v1::MutationOptions { validate_only: true, ..Default::default() })
}

/// The revision that a loser is told.
fn current<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> String {
    let refused = answer.expect_err("it is at another revision");
    assert_eq!(refused.code(), Code::Aborted, "{refused:?}");
    refused.get_error_details().error_info().expect("a reason").metadata["current_revision"].clone()
}

fn code<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Code {
    answer.expect_err("it is refused").code()
}

#[tokio::test]
async fn what_is_gone_is_at_revision_zero() {
    let proxy = Proxy::start().await;
    let backend_id = || ONE.to_owned();
    let remove = |options| v1::RemoveBackendRequest { backend_id: backend_id(), options, ..Default::default() };
    proxy.backends().remove_backend(remove(at(1))).await.expect("it is at 1");
    let update = v1::Backend { id: backend_id(), weight: Some(5), ..Default::default() };
    for (options, stale) in [(at(1), true), (at(0), false), (None, false)] {
        let mut client = proxy.backends();
        let options = || options.clone();
        let request =
            v1::UpdateBackendRequest { backend: Some(update.clone()), options: options(), ..Default::default() };
        let mut refused = vec![client.update_backend(request).await.expect_err("it is gone")];
        refused.push(client.remove_backend(remove(options())).await.expect_err("it is gone"));
        let request = v1::EnableBackendRequest { backend_id: backend_id(), options: options(), ..Default::default() };
        refused.push(client.enable_backend(request).await.expect_err("it is gone"));
        let request = v1::DisableBackendRequest { backend_id: backend_id(), options: options(), ..Default::default() };
        refused.push(client.disable_backend(request).await.expect_err("it is gone"));
        let request =
            v1::DisconnectBackendRequest { backend_id: backend_id(), options: options(), ..Default::default() };
        refused.push(client.disconnect_backend(request).await.expect_err("it is gone"));
        let request = v1::DrainBackendRequest { backend_id: backend_id(), options: options(), ..Default::default() };
        refused.push(client.drain_backend(request).await.expect_err("it is gone"));
        for refused in refused {
            match stale {
                true => assert_eq!(current::<()>(Err(refused)), "0"),
                false => assert_eq!(refused.code(), Code::NotFound, "{refused:?}"),
            }
        }
    }
    let request = v1::RemoveUpstreamRequest { upstream: "gone".into(), options: at(3), ..Default::default() };
    assert_eq!(current(proxy.upstreams().remove_upstream(request).await), "0");
    let request = v1::RemoveRouteRequest { route: "gone".into(), options: at(3) };
    assert_eq!(current(proxy.routes().remove_route(request).await), "0");
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_conflict_like_an_id() {
    let proxy = Proxy::start().await;
    let add = |id: &str, options| {
        let backend =
            v1::Backend { id: id.into(), host: Some("127.0.0.1".into()), port: Some(81), ..Default::default() };
        v1::AddBackendRequest { backend: Some(backend), options, ..Default::default() }
    };
    for id in ["", ONE] {
        assert_eq!(current(proxy.backends().add_backend(add(id, at(0))).await), "1", "{id:?}");
        assert_eq!(code(proxy.backends().add_backend(add(id, at(1))).await), Code::AlreadyExists, "{id:?}");
        assert_eq!(code(proxy.backends().add_backend(add(id, None)).await), Code::AlreadyExists, "{id:?}");
    }
}

#[tokio::test]
async fn changes_of_the_whole_are_compared_first() {
    let proxy = Proxy::start().await;
    let mut config = ConfigServiceClient::new(proxy.channel.clone());
    let back = |revision, options| v1::RollbackConfigRequest { revision, options };
    assert_eq!(current(config.rollback_config(back(99, at(7))).await), "1");
    assert_eq!(code(config.rollback_config(back(99, at(1))).await), Code::NotFound);
    let document = "{server: {port: 81}, backends: {default: []}}".to_owned();
    let apply = |options| v1::ApplyConfigRequest { document: document.clone(), options };
    assert_eq!(current(config.apply_config(apply(at(7))).await), "1");
    assert_eq!(code(config.apply_config(apply(at(1))).await), Code::FailedPrecondition);

    // What was added and cleared is nowhere; what the file has is where clearing brought it.
    let backend = v1::Backend { id: "n".into(), host: Some("h".into()), port: Some(1), ..Default::default() };
    let add = v1::AddBackendRequest { backend: Some(backend), ..Default::default() };
    proxy.backends().add_backend(add).await.expect("valid");
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let clear = |object: &str, field: &str, options| {
        let (object, field) = (object.to_owned(), field.to_owned());
        v1::ClearOverlayRequest { object, field, options }
    };
    let one = format!("backends.default.{ONE}");
    for (object, revision, then) in [("backends.default.n", 2, "0"), (one.as_str(), 3, "5")] {
        config.clear_overlay(clear(object, "", at(revision))).await.expect("it is at that revision");
        for field in ["", "max_conn"] {
            assert_eq!(current(config.clear_overlay(clear(object, field, at(revision))).await), then, "{object}");
        }
    }
    assert_eq!(code(config.clear_overlay(clear("backends.default.n", "", None)).await), Code::NotFound);
    assert_eq!(code(config.clear_overlay(clear("backends.default.n", "", at(0))).await), Code::NotFound);
}

#[tokio::test]
async fn a_try_answers_with_the_revisions_that_there_are() {
    let proxy = Proxy::start().await;
    proxy.add_upstream("api").await.expect("valid");
    proxy.add_route("all", "/", "default").await.expect("valid");
    proxy.max_conn(ONE, 5, v1::MutationOptions::default()).await.expect("valid");
    let entry = |entry: Option<v1::BackendEntry>| entry.and_then(|entry| entry.status).map(|status| status.revision);
    let backend = || v1::Backend { id: ONE.into(), max_conn: Some(6), ..Default::default() };
    let request = v1::UpdateBackendRequest { backend: Some(backend()), options: only(), ..Default::default() };
    let tried = proxy.backends().update_backend(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, entry(tried.backend)), (4, Some(4)));
    let request = v1::RemoveBackendRequest { backend_id: ONE.into(), options: only(), ..Default::default() };
    let tried = proxy.backends().remove_backend(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, entry(tried.backend)), (4, Some(4)));
    let request = v1::DisableBackendRequest { backend_id: ONE.into(), options: only(), ..Default::default() };
    let tried = proxy.backends().disable_backend(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, entry(tried.backend)), (4, Some(4)));
    let new = v1::Backend { host: Some("h".into()), port: Some(1), ..Default::default() };
    let request = v1::AddBackendRequest { backend: Some(new), options: only(), ..Default::default() };
    let tried = proxy.backends().add_backend(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, entry(tried.backend)), (0, Some(0)), "it is not there yet");

    let route = v1::Route { name: "all".into(), path: Some("/a".into()), ..Default::default() };
    let request = v1::UpdateRouteRequest { route: Some(route.clone()), options: only(), ..Default::default() };
    let tried = Box::pin(proxy.routes().update_route(request)).await.expect("valid").into_inner();
    assert_eq!((tried.revision, tried.route.map(|route| route.revision)), (3, Some(3)));
    let route = v1::Route { name: "new".into(), upstream: Some("api".into()), ..route };
    let request = v1::AddRouteRequest { route: Some(route), options: only() };
    let tried = Box::pin(proxy.routes().add_route(request)).await.expect("valid").into_inner();
    assert_eq!((tried.revision, tried.route.map(|route| route.revision)), (0, Some(0)));

    let status = |entry: Option<v1::UpstreamEntry>| entry.and_then(|entry| entry.status).map(|status| status.revision);
    let upstream = |name: &str| Some(v1::Upstream { name: name.into(), load_balancer: Some(1), ..Default::default() });
    let request = v1::UpdateUpstreamRequest { upstream: upstream("api"), options: only(), ..Default::default() };
    let tried = proxy.upstreams().update_upstream(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, status(tried.upstream)), (2, Some(2)));
    let request = v1::AddUpstreamRequest { upstream: upstream("new"), options: only() };
    let tried = proxy.upstreams().add_upstream(request).await.expect("valid").into_inner();
    assert_eq!((tried.revision, status(tried.upstream)), (0, Some(0)));

    // Nothing of that happened, and what is answered is what the change itself has to expect.
    let request = v1::UpdateBackendRequest { backend: Some(backend()), options: at(4), ..Default::default() };
    let done = proxy.backends().update_backend(request).await.expect("it is at 4").into_inner();
    assert_eq!((done.revision, entry(done.backend)), (5, Some(5)));
}

#[tokio::test]
async fn a_disconnect_answers_with_the_revision_in_force() {
    let proxy = Proxy::start().await;
    proxy.max_conn("127.0.0.1:82", 5, v1::MutationOptions::default()).await.expect("valid");
    for options in [only(), None] {
        let request = v1::DisconnectBackendRequest { backend_id: ONE.into(), options, ..Default::default() };
        let done = proxy.backends().disconnect_backend(request).await.expect("it is there").into_inner();
        let own = done.backend.and_then(|entry| entry.status).map(|status| status.revision);
        assert_eq!((done.revision, own), (2, Some(1)), "its own is what it was");
    }
}
