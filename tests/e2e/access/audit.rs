//! The audit log: one line for each change and each refusal, in words.

use std::collections::BTreeSet;

use speedmimi_proto::v1::*;
use speedmimi_proxy::access::VERBS;
use tonic::Code;

use super::{audit, folder, start, write_token};
use crate::harness::{Client, Config, Management, Proxy, eventually, named, silent};

#[test]
fn a_change_is_put_down_with_who_and_what_it_was_before() {
    let backend = named("b1");
    let config = Config::one(backend.address()).top("log: error");
    let proxy = start(folder(), &config, "auth: {tokens_file: tokens}", "");
    let endpoint = format!("http://{}", proxy.grpc_address());
    write_token(&proxy, "operate");
    let file = proxy.path("token");
    let file = file.to_str().expect("a path in UTF-8");
    let update = |args: &[&str]| super::speedctl(&endpoint, &[&["--token-file", file, "backend"], args].concat());
    update(&["update", "b1", "--max-conn", "7"]).assert_code(0);
    update(&["update", "b1", "--max-conn", "9", "--dry-run"]).assert_code(0);
    update(&["update", "b1", "--max-conn", "9", "--expected-revision", "77"]).assert_code(5);
    update(&["disconnect", "b1"]).assert_code(0);
    eventually("four lines", || audit(&proxy).len() == 4);
    let lines = audit(&proxy);
    let [done, tried, refused, cut] = lines.as_slice() else { panic!("four lines: {lines:#?}") };
    for line in &lines {
        assert_eq!(line["who"], "operate", "{line}");
        assert!(line["object"].as_str().is_some_and(|object| object.contains("b1")), "{line}");
        assert!(line["verb"].as_str().is_some_and(|verb| verb.starts_with("speedmimi.v1.BackendService/")), "{line}");
    }
    assert_eq!(
        (&done["before"], &done["after"]),
        (&"backends.default.b1.max_conn=0".into(), &"backends.default.b1.max_conn=7".into()),
        "{done}"
    );
    assert_eq!((&done["result"], &done["validate_only"]), (&"ok".into(), &false.into()), "{done}");
    assert!(done["revision"].is_u64() && tried["validate_only"] == true, "{done} {tried}");
    assert_eq!(refused["result"], "ABORTED", "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("77")), "{refused}");
    assert_eq!(cut["verb"], "speedmimi.v1.BackendService/DisconnectBackend", "{cut}");
}

/// Makes a call, and gives the one line of the audit log that it made.
fn line_of<T>(proxy: &Proxy, call: impl FnOnce() -> T) -> (T, serde_json::Value) {
    let before = audit(proxy).len();
    let answer = call();
    eventually("there is a line", || audit(proxy).len() > before);
    let lines = audit(proxy).split_off(before);
    let [line] = lines.as_slice() else { panic!("one line each: {lines:#?}") };
    (answer, line.clone())
}

/// Calls, each with its verb and what its line has to say: the object, before, after. Nothing is said of what is not
/// there: before it was added, after it was removed.
struct Table<'a> {
    proxy: &'a Proxy,
    seen: BTreeSet<String>,
}

impl Table<'_> {
    #[track_caller]
    fn row(&mut self, verb: &str, call: impl FnOnce(), [object, before, after]: [&str; 3]) {
        let ((), line) = line_of(self.proxy, call);
        let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("{key}: {line}")).to_owned();
        assert!(text("verb").ends_with(&format!("/{verb}")), "{verb}: {line}");
        assert_eq!((text("result").as_str(), text("who").as_str()), ("ok", "api"), "{line}");
        assert_eq!(text("object"), object, "{line}");
        for (key, wanted) in [("before", before), ("after", after)] {
            let told = text(key);
            assert!(told.contains(wanted) && told.is_empty() == wanted.is_empty(), "{key} {wanted:?}: {line}");
            for debug in ["Some(", "None", "Plan", " {", "Filter"] {
                assert!(!told.contains(debug), "no words for people: {line}");
            }
        }
        self.seen.insert(text("verb"));
    }
}

fn x(more: Backend) -> Option<Backend> {
    Some(Backend { id: "x".into(), ..more })
}

macro_rules! call {
    ($management:expr, $service:ident.$method:ident($request:expr)) => {
        || {
            let management = &$management;
            let answer = management.call(management.$service().$method($request));
            answer.unwrap_or_else(|refusal| panic!("{}: {refusal}", stringify!($method)));
        }
    };
}

fn busy(proxy: &Proxy, backend: &crate::harness::Backend) -> Client {
    let mut client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: e2e.test\r\n\r\n");
    eventually("the request arrives", || backend.flight().current() == 1);
    client
}

#[test]
fn every_verb_leaves_a_line_with_the_object_and_what_it_was_before_and_after() {
    let (backend, slow) = (named("b1"), silent());
    let config = Config::one(backend.address()).backend_of("slow", "z1", slow.address(), "");
    let config = config.route("all", "upstream: default").route("slow", "path: /slow").route("slow", "upstream: slow");
    let mut proxy = Proxy::start(&config);
    let m: Management = proxy.management();
    let mut table = Table { proxy: &proxy, seen: BTreeSet::new() };
    let backend_id = || "x".to_owned();

    let new = || x(Backend { host: Some("127.0.0.1".into()), port: Some(9), ..Backend::default() });
    let object = "backend default/x";
    let add = AddBackendRequest { backend: new(), ..Default::default() };
    table.row("AddBackend", call!(m, backends.add_backend(add)), [object, "", "backends.default.x.port=9"]);
    let update =
        UpdateBackendRequest { backend: x(Backend { weight: Some(7), ..Backend::default() }), ..Default::default() };
    let told = [object, "backends.default.x.weight=100", "backends.default.x.weight=7"];
    table.row("UpdateBackend", call!(m, backends.update_backend(update)), told);
    let disable = DisableBackendRequest { backend_id: backend_id(), ..Default::default() };
    table.row(
        "DisableBackend",
        call!(m, backends.disable_backend(disable)),
        [object, "x.active=true", "x.active=false"],
    );
    let enable = || EnableBackendRequest { backend_id: backend_id(), ..Default::default() };
    table.row(
        "EnableBackend",
        call!(m, backends.enable_backend(enable())),
        [object, "x.active=false", "x.active=true"],
    );
    let drain = DrainBackendRequest { backend_id: backend_id(), ..Default::default() };
    let told = [object, "admin_state=enabled", "admin_state=draining, no deadline, on_deadline=keep, then=none"];
    table.row("DrainBackend", call!(m, backends.drain_backend(drain)), told);
    let told = [object, "admin_state=draining", "admin_state=enabled"];
    table.row("EnableBackend", call!(m, backends.enable_backend(enable())), told);
    let cut = DisconnectBackendRequest { backend_id: backend_id(), ..Default::default() };
    let told = [object, "admin_state=enabled", "admin_state=disabled, 0 exchanges ended"];
    table.row("DisconnectBackend", call!(m, backends.disconnect_backend(cut)), told);
    let told = [object, "admin_state=disabled", "admin_state=enabled"];
    table.row("EnableBackend", call!(m, backends.enable_backend(enable())), told);
    let remove = RemoveBackendRequest { backend_id: backend_id(), ..Default::default() };
    table.row("RemoveBackend", call!(m, backends.remove_backend(remove)), [object, "backends.default.x.port=9", ""]);

    let object = "upstream u";
    let named = |load_balancer: Option<i32>| Some(Upstream { name: "u".into(), load_balancer, ..Upstream::default() });
    let add = AddUpstreamRequest { upstream: named(None), options: None };
    table.row("AddUpstream", call!(m, upstreams.add_upstream(add)), [object, "", "upstreams.u."]);
    let random = Some(LoadBalancer::Random.into());
    let update = UpdateUpstreamRequest { upstream: named(random), ..Default::default() };
    let told = [object, "upstreams.u.load_balancer=\"unset\"", "upstreams.u.load_balancer=\"random\""];
    table.row("UpdateUpstream", call!(m, upstreams.update_upstream(update)), told);
    let remove = RemoveUpstreamRequest { upstream: "u".into(), ..Default::default() };
    table.row("RemoveUpstream", call!(m, upstreams.remove_upstream(remove)), [object, "upstreams.u.", ""]);

    let object = "route r";
    let to = |path: &str| {
        Some(Route { name: "r".into(), path: Some(path.into()), upstream: Some("default".into()), ..Route::default() })
    };
    let add = AddRouteRequest { route: to("/a"), options: None };
    table.row("AddRoute", call!(m, routes.add_route(add)), [object, "", "routing.r.path=\"/a\""]);
    let update = UpdateRouteRequest { route: to("/b"), ..Default::default() };
    let told = [object, "routing.r.path=\"/a\"", "routing.r.path=\"/b\""];
    table.row("UpdateRoute", call!(m, routes.update_route(update)), told);
    let remove = RemoveRouteRequest { route: "r".into(), options: None };
    table.row("RemoveRoute", call!(m, routes.remove_route(remove)), [object, "routing.r.path=\"/b\"", ""]);

    let object = "configuration";
    let shown = m.shown();
    let document = shown.document.replacen("weight: 100", "weight: 5", 1);
    let apply = ApplyConfigRequest { document, options: None };
    table.row("ApplyConfig", call!(m, config.apply_config(apply)), [object, "weight=100", "weight=5"]);
    let back = RollbackConfigRequest { revision: shown.revision, options: None };
    table.row("RollbackConfig", call!(m, config.rollback_config(back)), [object, "weight=5", "weight=100"]);
    let over = UpdateBackendRequest {
        backend: Some(Backend { id: "b1".into(), weight: Some(8), ..Backend::default() }),
        ..Default::default()
    };
    let told = ["backend default/b1", "backends.default.b1.weight=100", "backends.default.b1.weight=8"];
    table.row("UpdateBackend", call!(m, backends.update_backend(over)), told);
    let clear = ClearOverlayRequest::default();
    table.row("ClearOverlay", call!(m, config.clear_overlay(clear)), [object, "b1.weight=8", "b1.weight=100"]);
    proxy.rewrite(&config.clone().server("read_timeout: 7s").yaml());
    let told = [object, "server.read_timeout=\"30s\"", "server.read_timeout=\"7s\""];
    table.row("ReloadConfig", call!(m, config.reload_config(ReloadConfigRequest::default())), told);

    let mut waiting = busy(&proxy, &slow);
    let filter = Some(StreamFilter { upstream: "slow".into(), ..StreamFilter::default() });
    let kill = KillStreamsRequest { filter, ..Default::default() };
    table.row(
        "KillStreams",
        call!(m, streams.kill_streams(kill)),
        ["streams upstream=slow", "in_flight=1", "killed=1"],
    );
    waiting.response().assert_refused(503, "disconnected");
    let level = SetLogLevelRequest { level: LogLevel::Debug.into(), ..Default::default() };
    table.row("SetLogLevel", call!(m, server.set_log_level(level)), ["log.level", "info", "debug until 2"]);
    let level = SetLogLevelRequest { reset: true, ..Default::default() };
    table.row("SetLogLevel", call!(m, server.set_log_level(level)), ["log.level", "debug until 2", "info"]);
    let _waiting = busy(&proxy, &slow);
    let drain = DrainServerRequest::default();
    table.row("DrainServer", call!(m, server.drain_server(drain)), ["server", "serving, active=1", "draining until 2"]);

    let later = ["SetBreaker", "ReloadCertificates"];
    let all = VERBS.iter().filter(|verb| verb.changes()).map(|verb| verb.name.to_owned());
    let all: BTreeSet<String> = all.filter(|name| !later.iter().any(|later| name.ends_with(later))).collect();
    assert_eq!(table.seen, all, "every verb has its row");
    let now = DrainServerRequest { now: true, ..Default::default() };
    m.drain_server(now).expect("it hurries");
    proxy.wait_exit();
}

#[test]
fn a_revision_that_leaves_every_value_as_it_was_says_so() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let m = proxy.management();
    let over = UpdateBackendRequest {
        backend: Some(Backend { id: "b1".into(), max_conn: Some(7), ..Backend::default() }),
        ..Default::default()
    };
    // Its line may be read after its answer, and is not the one that is looked for below.
    line_of(&proxy, call!(m, backends.update_backend(over)));
    let mut table = Table { proxy: &proxy, seen: BTreeSet::new() };
    // The file catches up with what was changed: nothing lies over it any more.
    proxy.rewrite(&Config::new().backend_with("b1", backend.address(), "max_conn: 7").yaml());
    let told = ["configuration", "revision=2", "revision=3, with the same values in force"];
    table.row("ReloadConfig", call!(m, config.reload_config(ReloadConfigRequest::default())), told);
}

#[test]
fn every_refusal_leaves_one_line() {
    let backend = named("b1");
    let proxy = start(folder(), &Config::one(backend.address()), "auth: {tokens_file: tokens}", "");
    let m = proxy.management();
    macro_rules! refused {
        ($token:literal, $service:ident.$method:ident($request:expr), $code:ident, $object:literal, $word:literal) => {{
            let mut request = tonic::Request::new($request);
            let bearer = concat!("Bearer token-", $token).parse().expect("ASCII");
            request.metadata_mut().insert("authorization", bearer);
            let call = || m.call(m.$service().$method(request)).expect_err("it is refused");
            let (refusal, line) = line_of(&proxy, call);
            assert_eq!(refusal.code(), Code::$code, "{refusal}");
            let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("{key}: {line}")).to_owned();
            assert_eq!((text("who").as_str(), text("object").as_str()), ($token, $object), "{line}");
            assert!(text("from").starts_with("127.0.0.1:") && text("verb").starts_with("speedmimi.v1."), "{line}");
            assert!(text("result") != "ok" && text("error").contains($word), "{line}");
        }};
    }
    let named =
        |request_id: &str| Some(MutationOptions { request_id: request_id.into(), ..MutationOptions::default() });
    let b1 = |weight| Some(Backend { id: "b1".into(), weight: Some(weight), ..Backend::default() });
    // Found out by the call, by the control thread, and by the gate.
    let nothing = KillStreamsRequest { options: named("k"), ..Default::default() };
    refused!("operate", streams.kill_streams(nothing.clone()), InvalidArgument, "streams", "filter");
    let unknown = RemoveBackendRequest::default();
    refused!("operate", backends.remove_backend(unknown), InvalidArgument, "backend default/", "backend_id");
    let heavy = UpdateBackendRequest { backend: b1(9999), options: named("u"), ..Default::default() };
    refused!("operate", backends.update_backend(heavy.clone()), InvalidArgument, "backend default/b1", "weight");
    let stale = Some(MutationOptions { expected_revision: Some(77), ..MutationOptions::default() });
    let late = UpdateBackendRequest { backend: b1(9), options: stale, ..Default::default() };
    refused!("operate", backends.update_backend(late), Aborted, "backend default/b1", "77");
    let lost = EnableBackendRequest { upstream: "nowhere".into(), backend_id: "b1".into(), options: None };
    refused!("operate", backends.enable_backend(lost), NotFound, "backend nowhere/b1", "nowhere");
    let drain = DrainBackendRequest { backend_id: "b2".into(), ..Default::default() };
    refused!("operate", backends.drain_backend(drain), NotFound, "backend default/b2", "b2");
    let document = ApplyConfigRequest { document: "server: {port: none}".into(), options: None };
    refused!("admin", config.apply_config(document), InvalidArgument, "configuration", "server.port");
    refused!(
        "admin",
        config.rollback_config(RollbackConfigRequest::default()),
        InvalidArgument,
        "configuration",
        "revision"
    );
    refused!("admin", server.set_log_level(SetLogLevelRequest::default()), InvalidArgument, "log.level", "level");
    let never = DrainServerRequest {
        graceful_timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    refused!("admin", server.drain_server(never), InvalidArgument, "server", "graceful_timeout");
    refused!("read", streams.kill_streams(nothing), PermissionDenied, "streams", "operate");
    // A read that is refused changes nothing and is not put down.
    let before = audit(&proxy).len();
    let mut request = tonic::Request::new(GetRouteRequest::default());
    request.metadata_mut().insert("authorization", "Bearer token-read".parse().expect("ASCII"));
    m.call(m.routes().get_route(request)).expect_err("no name");
    let late = UpdateBackendRequest { backend: b1(9999), ..Default::default() };
    refused!("admin", backends.update_backend(late), InvalidArgument, "backend default/b1", "weight");
    assert_eq!(audit(&proxy).len(), before + 1);
}

#[test]
fn the_end_of_a_drain_has_the_name_of_the_verb_in_full() {
    let backend = named("b1");
    let other = named("b2");
    let proxy = Proxy::start(&Config::one(backend.address()).backend("b2", other.address()));
    let m = proxy.management();
    let request = DrainBackendRequest { backend_id: "b2".into(), then: DrainThen::Remove.into(), ..Default::default() };
    m.call(m.backends().drain_backend(request)).expect("it can be drained");
    eventually("it is removed", || audit(&proxy).len() == 2);
    for line in audit(&proxy) {
        assert_eq!(line["verb"], "speedmimi.v1.BackendService/DrainBackend", "{line}");
        assert_eq!((&line["object"], &line["result"]), (&"backend default/b2".into(), &"ok".into()), "{line}");
    }
}

#[test]
fn a_foreign_host_is_put_down_as_a_foreign_origin_is() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let ask = |fields: &str| {
        let mut client = Client::connect(proxy.admin_address());
        client.send(format!("GET /metrics HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"));
        client.response().status
    };
    let address = proxy.admin_address();
    let foreign = format!("Host: {address}\r\nOrigin: https://evil.example\r\n");
    for (fields, status) in [("Host: evil.example\r\n", 421), (foreign.as_str(), 403)] {
        let (found, line) = line_of(&proxy, || ask(fields));
        assert_eq!(found, status);
        assert_eq!((&line["verb"], &line["result"]), (&"/metrics".into(), &"PERMISSION_DENIED".into()), "{line}");
        assert!(line["from"].as_str().is_some_and(|from| from.starts_with("127.0.0.1:")), "{line}");
    }
}
