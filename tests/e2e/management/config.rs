//! The configuration as a whole: a document applied, exported, cleared, reloaded.

use std::fs;
use std::process::Command;

use speedmimi_proto::v1::watch_events_response::Message;
use speedmimi_proto::v1::{
    Backend, GetConfigRequest, Layer, MutationOptions, OverlayKind, ReloadConfigRequest, Severity, Upstream,
    WatchEventsRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Config, Ended, Proxy, SPEEDCTL, eventually, named, run};

fn speedctl(proxy: &Proxy, args: &[&str]) -> Ended {
    run(Command::new(SPEEDCTL).arg("--endpoint").arg(format!("http://{}", proxy.grpc_address())).args(args))
}

fn free() -> MutationOptions {
    MutationOptions::default()
}

fn weight(weight: u32) -> Backend {
    Backend { id: "b1".into(), weight: Some(weight), ..Backend::default() }
}

#[test]
fn an_exported_configuration_starts_the_same_proxy() {
    let (first, second) = (named("b1"), named("b2"));
    let config = Config::new().backend_with("b1", first.address(), "weight: 50").upstream("load_balancer: random");
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    management.update(weight(60)).expect("valid");
    management.add_upstream(Upstream { name: "api".into(), ..Upstream::default() }).expect("valid");
    let added = Backend {
        id: "b2".into(),
        host: Some("127.0.0.1".into()),
        port: Some(second.address().port().into()),
        ..Backend::default()
    };
    management.add(added).expect("valid");
    management.remove("b1").expect("idle");
    let file = proxy.path("exported.yaml");
    let name = file.display().to_string();
    let ended = speedctl(&proxy, &["config", "export", "-f", &name]).assert_code(0);
    let shown = management.shown();
    assert!(ended.out.contains(&shown.hash), "{ended:#?}");
    let text = fs::read_to_string(&file).expect("it was written");
    let again = Proxy::start_in(tempfile::tempdir().expect("a temporary folder can be made"), &text);
    let same = again.management().shown();
    assert_eq!((same.hash, same.has_overlay), (shown.hash, false));
    assert_eq!(again.get("/").text(), "b2");
}

#[test]
fn a_document_is_tried_applied_and_cleared() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::new().backend_with("b1", first.address(), "max_conn: 100"));
    let management = proxy.management();
    let before = management.shown();
    let next = Config::new().backend_with("b1", first.address(), "max_conn: 200").backend("b2", second.address());
    let file = proxy.path("next.yaml");
    fs::write(&file, next.yaml()).expect("the folder is ours");
    let name = file.display().to_string();
    let dry = speedctl(&proxy, &["config", "apply", "-f", &name, "--dry-run"]).assert_code(0);
    assert!(dry.out.contains("~ backends.default.b1.max_conn: 100 → 200"), "{dry:#?}");
    assert!(dry.out.contains("+ backends.default.b2.host: 127.0.0.1"), "{dry:#?}");
    assert_eq!(management.shown().hash, before.hash, "a dry run changes nothing");
    speedctl(&proxy, &["config", "apply", "-f", &name, "--expected-revision", "99"]).assert_code(5);
    speedctl(&proxy, &["config", "apply", "-f", &name]).assert_code(0);
    assert_eq!(management.backend("b1").max_conn, Some(200));
    let again = speedctl(&proxy, &["config", "apply", "-f", &name]).assert_code(0);
    assert!(again.out.contains("nothing changes"), "{again:#?}");

    let after = management.shown();
    let entries: Vec<_> = after.overlay.iter().map(|entry| (entry.object.as_str(), entry.kind())).collect();
    assert_eq!(entries, [("backends.default.b1", OverlayKind::Changed), ("backends.default.b2", OverlayKind::Added)]);
    let diff = speedctl(&proxy, &["config", "diff"]).assert_code(0);
    let line = diff.out.lines().find(|line| line.contains("max_conn")).expect("a row");
    assert!(line.starts_with('~') && line.contains("100") && line.contains("200") && line.contains("api"), "{diff:#?}");
    let explained = speedctl(&proxy, &["config", "get", "--explain"]).assert_code(0);
    let told = |part: &str| explained.out.lines().any(|line| line.contains("b1.max_conn: 200") && line.contains(part));
    assert!(told("(overlay: ") && told("the file says 100"), "{explained:#?}");

    speedctl(&proxy, &["config", "clear", "backends.default.b1", "max_conn"]).assert_code(0);
    assert_eq!(management.backend("b1").max_conn, Some(100));
    speedctl(&proxy, &["config", "clear", "--all"]).assert_code(0);
    let cleared = management.shown();
    assert_eq!((cleared.hash, cleared.has_overlay), (before.hash, false));
}

#[test]
fn a_document_with_faults_names_each_with_its_place_and_changes_nothing() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    let before = management.shown();
    let document = "backends:\n  default:\n    - {host: 127.0.0.1, port: 0}\nnonsense: 1\n";
    let refusal = management.apply(document, free()).expect_err("two faults");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let details = refusal.get_error_details();
    let faults = &details.bad_request().expect("fields").field_violations;
    let told = |field: &str, place: &str| {
        faults.iter().any(|fault| fault.field == field && fault.description.starts_with(place))
    };
    assert!(told("backends.default[0].port", "document:3:") && told("nonsense", "document:4:1:"), "{faults:#?}");
    let restart = before.document.replacen("workers: 2", "workers: 1", 1);
    let refusal = management.apply(&restart, free()).expect_err("only a restart can");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert!(refusal.message().contains("server.workers"), "{refusal:?}");
    let after = management.shown();
    assert_eq!((after.revision, after.hash), (before.revision, before.hash));
    assert_eq!(proxy.get("/").text(), "b1");
}

#[test]
fn what_a_document_leaves_out_of_the_file_is_taken_out() {
    let (first, second) = (named("b1"), named("b2"));
    let proxy = Proxy::start(&Config::one(first.address()).backend("b2", second.address()));
    let management = proxy.management();
    management.apply(&Config::new().backend("b2", second.address()).yaml(), free()).expect("a valid document");
    assert_eq!(proxy.get("/").text(), "b2");
    let overlay = management.shown().overlay;
    assert_eq!((overlay.len(), overlay[0].object.as_str()), (1, "backends.default.b1"));
    assert_eq!((overlay[0].kind(), overlay[0].origin.is_some()), (OverlayKind::Removed, true));
    management.clear("backends.default.b1", "").expect("it comes back");
    assert_eq!(management.backend("b1").weight, Some(100));
}

#[test]
fn of_two_documents_one_wins_and_the_other_learns_the_revision() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let (one, two) = (proxy.management(), proxy.management());
    let seen = one.shown();
    let at = |revision| MutationOptions { expected_revision: Some(revision), ..free() };
    let document = |weight: u32| seen.document.replacen("weight: 100", &format!("weight: {weight}"), 1);
    let won = one.apply(&document(1), at(seen.revision)).expect("it is at that revision");
    let lost = two.apply(&document(2), at(seen.revision)).expect_err("it has moved on");
    assert_eq!(lost.code(), Code::Aborted);
    let details = lost.get_error_details();
    assert_eq!(details.error_info().expect("a reason").metadata["current_revision"], won.revision.to_string());
    assert_eq!(two.backend("b1").weight, Some(1));
}

#[test]
fn fields_of_a_backend_name_their_layers_truly() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "weight: 50, max_conn: 0"));
    let management = proxy.management();
    let changed = management.update(weight(60)).expect("valid");
    let request = speedmimi_proto::v1::GetBackendRequest {
        backend_id: "b1".into(),
        explain: true,
        ..speedmimi_proto::v1::GetBackendRequest::default()
    };
    let fields = management.call(management.backends().get_backend(request)).expect("there").fields;
    let field = |name: &str| fields.iter().find(|field| field.field == name).expect(name);
    let set = field("weight");
    assert_eq!((set.layer(), set.value.as_str(), set.file_value.as_deref()), (Layer::Overlay, "60", Some("50")));
    let origin = set.origin.as_ref().expect("somebody set it");
    assert_eq!((origin.revision, origin.at.is_some()), (changed.revision, true));
    assert_eq!(field("max_conn").layer(), Layer::File, "a default that the file spells out is the file's");
    assert_eq!(field("active").layer(), Layer::Default);
    assert_eq!((field("host").layer(), field("host").value.as_str()), (Layer::File, "\"127.0.0.1\""));
}

#[test]
fn a_reload_against_the_overlay_reports_the_conflict() {
    let backend = named("b1");
    let config = |weight: u32| Config::new().backend_with("b1", backend.address(), &format!("weight: {weight}"));
    let proxy = Proxy::start(&config(10));
    let management = proxy.management();
    management.update(weight(20)).expect("valid");
    proxy.rewrite(&config(30).yaml());
    let at = |revision, validate_only| ReloadConfigRequest {
        options: Some(MutationOptions { expected_revision: Some(revision), validate_only, ..free() }),
        ..ReloadConfigRequest::default()
    };
    let current = management.shown().revision;
    let stale = management.call(management.config().reload_config(at(current - 1, false))).expect_err("it moved on");
    assert_eq!(stale.code(), Code::Aborted);
    for validate_only in [true, false] {
        let answer = management.call(management.config().reload_config(at(current, validate_only))).expect("valid");
        assert!(answer.conflicts.iter().any(|told| told.contains("default/b1") && told.contains("weight")));
        assert!(answer.differences.is_empty(), "{answer:#?}");
    }
    assert_eq!(management.backend("b1").weight, Some(20), "the overlay holds");
    let told = "backend default/b1: the file changed weight; what was set through the API holds";
    let warned = |line: &String| line.contains("WARN") && line.contains(told);
    eventually("the log warns of it", || proxy.log().iter().any(warned));
    let request = WatchEventsRequest { recent: 100, ..WatchEventsRequest::default() };
    let mut events = management.call(management.server().watch_events(request)).expect("it is watched");
    let reloaded = loop {
        let told = management.call(async { events.message().await.map(tonic::Response::new) }).expect("it goes on");
        let told = told.expect("it does not end");
        match told.message {
            Some(Message::Event(event)) if event.text.contains("configuration reloaded") => break event,
            Some(Message::Heartbeat(_)) => panic!("the reload is no event"),
            _ => {}
        }
    };
    assert!(reloaded.text.contains(told) && reloaded.severity() == Severity::Warning, "{reloaded:?}");
    let marked = |proxy: &Proxy| {
        let diff = speedctl(proxy, &["config", "diff"]).assert_code(0);
        let line = diff.out.lines().find(|line| line.contains("weight")).expect("a row").to_owned();
        assert!(line.contains("30") && line.contains("20"), "{diff:#?}");
        assert_eq!(line.starts_with("~* "), diff.out.contains("* the file was changed here since"), "{diff:#?}");
        let json = speedctl(proxy, &["-o", "json", "config", "diff"]).assert_code(0);
        let json: serde_json::Value = serde_json::from_str(&json.out).expect("it is JSON");
        assert_eq!(json["overlay"][0]["conflict"], line.starts_with("~* "), "{json}");
        line.starts_with("~* ")
    };
    assert!(marked(&proxy));
    management.reload().expect("a valid file");
    assert!(marked(&proxy), "until somebody decides");
    management.update(weight(21)).expect("valid");
    management.update(weight(20)).expect("valid");
    assert!(!marked(&proxy), "somebody did");
}

#[test]
fn the_new_nouns_of_the_command_line_act() {
    let (first, second) = (named("b1"), named("a1"));
    let proxy = Proxy::start(&Config::one(first.address()));
    let port = second.address().port().to_string();
    for args in [
        &["upstream", "add", "api", "--load-balancer", "random", "--connect-timeout", "2s"][..],
        &["backend", "add", "api/a1", "--host", "127.0.0.1", "--port", &port],
        &["route", "add", "all", "--upstream", "default"],
        &["route", "add", "app", "--upstream", "api", "--path", "/app"],
    ] {
        speedctl(&proxy, args).assert_code(0);
    }
    assert_eq!((proxy.get("/app").text(), proxy.get("/").text()), ("a1".to_owned(), "b1".to_owned()));
    let used = speedctl(&proxy, &["upstream", "remove", "api"]).assert_code(1);
    assert!(used.err.contains("route app") && used.err.contains("hint: "), "{used:#?}");
    let list = speedctl(&proxy, &["route", "list"]).assert_code(0);
    assert!(list.out.lines().count() == 3 && list.out.contains("/app"), "{list:#?}");
    speedctl(&proxy, &["route", "update", "app", "--upstream", "default"]).assert_code(0);
    speedctl(&proxy, &["upstream", "remove", "api", "--force"]).assert_code(0);
    assert_eq!(proxy.get("/app").text(), "b1");
    speedctl(&proxy, &["route", "get", "nobody"]).assert_code(4);
    speedctl(&proxy, &["upstream", "update", "--pool-max-idle", "9"]).assert_code(0);
    let explained = speedctl(&proxy, &["upstream", "get", "--explain"]).assert_code(0);
    let line = explained.out.lines().find(|line| line.starts_with("pool.max_idle")).expect("a row");
    assert!(line.contains("overlay") && line.contains("api"), "{explained:#?}");
}

#[test]
fn every_value_says_where_it_comes_from() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::new().backend_with("b1", backend.address(), "max_conn: 100"));
    let management = proxy.management();
    management.update(weight(60)).expect("valid");
    let request = GetConfigRequest { explain: true, ..GetConfigRequest::default() };
    let shown = management.call(management.config().get_config(request)).expect("it is shown");
    let field = |object: &str, field: &str| {
        let source = shown.sources.iter().find(|source| source.object == object).expect("every object is there");
        source.fields.iter().find(|found| found.field == field).expect("every field is there").clone()
    };
    assert_eq!(field("backends.default.b1", "max_conn").layer(), Layer::File);
    assert_eq!(field("backends.default.b1", "scheme").layer(), Layer::Default);
    let set = field("backends.default.b1", "weight");
    assert_eq!((set.layer(), set.value.as_str()), (Layer::Overlay, "60"));
    assert!(set.origin.is_some_and(|origin| origin.revision > 1 && !origin.who.is_empty() && origin.at.is_some()));
    assert_eq!(field("server", "port").layer(), Layer::File);
    assert_eq!(field("log", "level").value, "\"info\"");
    let ended = speedctl(&proxy, &["config", "get", "--explain"]).assert_code(0);
    for line in
        ["# backends.default.b1.max_conn: 100 (file)", "# backends.default.b1.weight: 60 (overlay: ", "# server.port: "]
    {
        assert!(ended.out.contains(line), "{line}: {ended:#?}");
    }
}

#[test]
fn a_rollback_and_its_refusals_name_the_revision() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    proxy.management().update(weight(60)).expect("valid");
    speedctl(&proxy, &["config", "rollback", "1"]).assert_code(0);
    let ended = speedctl(&proxy, &["config", "history"]).assert_code(0);
    assert!(ended.out.contains("RollbackConfig to revision 1"), "{ended:#?}");
    let ended = speedctl(&proxy, &["config", "rollback", "99"]).assert_code(4);
    assert!(ended.err.contains("hint: speedctl config history"), "{ended:#?}");
    proxy.rewrite("nonsense: 1\n");
    let ended = speedctl(&proxy, &["config", "reload"]).assert_code(6);
    assert!(ended.err.contains("correct the file; speedctl config check -f "), "{ended:#?}");
}
