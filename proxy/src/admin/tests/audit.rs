//! What the audit log says of calls that are refused.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::digest::{SHA256, digest};
use speedmimi_model::{Auth, Management};
use speedmimi_proto::v1::stream_service_client::StreamServiceClient;
use tempfile::TempDir;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tracing::level_filters::LevelFilter;

use super::*;
use crate::telemetry::log::{ErrorLog, Format};

/// Callers, each with what stands in the file of tokens behind its name; a token is the name.
const CALLERS: [(&str, &str, &str); 3] =
    [("limited", "operate", "upstreams=own"), ("reader", "read", ""), ("boss", "admin", "")];

/// A file of tokens, and the configuration that names it.
fn tokens() -> (TempDir, Config) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    let mut text = String::new();
    for (name, role, limits) in CALLERS {
        let hash = digest(&SHA256, name.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{name} {role} sha256:{hash} {limits}").expect("a string has room");
    }
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let auth = Auth { tokens_file: Some(path), clients: Vec::new() };
    (folder, Config { grpc: Management { auth: Some(auth), ..Management::on(0) }, ..Config::default() })
}

type Named<F> = InterceptedService<Channel, F>;

fn by(proxy: &Proxy, who: &'static str) -> Named<impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + use<>> {
    InterceptedService::new(proxy.channel.clone(), move |mut request: Request<()>| {
        let bearer = format!("Bearer {who}").parse().expect("ASCII");
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    })
}

fn options(request_id: &str) -> Option<v1::MutationOptions> {
    Some(v1::MutationOptions { validate_only: true, request_id: request_id.into(), ..Default::default() })
}

#[tokio::test]
async fn a_refusal_is_put_down_with_its_code_and_what_it_is_about() {
    let (folder, config) = tokens();
    let file = folder.path().join("log");
    let log = ErrorLog::open(Some(file.clone())).expect("a file");
    let _installed = log.install_here(LevelFilter::ERROR, Some(Format::Json));
    let proxy = Proxy::start_for(&config).await;
    let mut told = 0;
    let mut line_of = |status: &Status, wanted: [&str; 3]| {
        let text = std::fs::read_to_string(&file).expect("a file");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let lines: Vec<_> = lines.filter(|line| line["target"] == crate::control::audit::TARGET).collect();
        assert_eq!(lines.len(), told + 1, "one line each: {text}");
        told += 1;
        let line = &lines[told - 1];
        let [result, object, request_id] = wanted;
        assert_eq!((&line["result"], &line["object"]), (&result.into(), &object.into()), "{line} of {status:?}");
        // The log is for operators: there it says what there is, whoever was not to know.
        let alike = |told: &str| told.split("; there are: ").next().map(str::to_owned);
        assert_eq!(line["error"].as_str().and_then(alike), alike(status.message()), "{line}");
        if !request_id.is_empty() {
            assert_eq!((&line["request_id"], &line["validate_only"]), (&request_id.into(), &true.into()), "{line}");
        }
    };

    let update = |upstream: &str, weight: u32, request_id: &str| v1::UpdateBackendRequest {
        upstream: upstream.into(),
        backend: Some(v1::Backend { id: ONE.into(), weight: Some(weight), ..v1::Backend::default() }),
        options: options(request_id),
        ..Default::default()
    };
    let mut limited = BackendServiceClient::new(by(&proxy, "limited"));
    let refused = limited.update_backend(update("", 5, "one")).await.expect_err("it is another's");
    line_of(&refused, ["PERMISSION_DENIED", "backend default/127.0.0.1:81", "one"]);
    let refused = limited.update_backend(update("own", 5, "two")).await.expect_err("it is not there");
    line_of(&refused, ["NOT_FOUND", "backend own/127.0.0.1:81", "two"]);
    let drain = v1::DrainBackendRequest { backend_id: ONE.into(), options: options("drain"), ..Default::default() };
    let refused = limited.drain_backend(drain).await.expect_err("it is another's");
    line_of(&refused, ["PERMISSION_DENIED", "backend default/127.0.0.1:81", "drain"]);
    let kill = |upstream: &str| v1::KillStreamsRequest {
        filter: Some(v1::StreamFilter { upstream: upstream.into(), ..Default::default() }),
        options: options("kill"),
        ..Default::default()
    };
    let mut streams = StreamServiceClient::new(by(&proxy, "limited"));
    let refused = streams.kill_streams(kill("default")).await.expect_err("it is another's");
    line_of(&refused, ["PERMISSION_DENIED", "streams upstream=default within=own", "kill"]);
    let refused = streams.kill_streams(kill("own")).await.expect_err("it is not there");
    line_of(&refused, ["NOT_FOUND", "streams upstream=own within=own", "kill"]);
    let mut groups = v1::upstream_service_client::UpstreamServiceClient::new(by(&proxy, "boss"));
    let remove = v1::RemoveUpstreamRequest { upstream: "nope".into(), options: options("gone"), ..Default::default() };
    let refused = groups.remove_upstream(remove).await.expect_err("it is not there");
    line_of(&refused, ["NOT_FOUND", "upstream nope", "gone"]);

    // Nothing of these is read, and what they are about stands in their names.
    let reload = v1::ReloadConfigRequest::default();
    for (who, object) in [("limited", "configuration"), ("reader", "configuration")] {
        let refused = ConfigServiceClient::new(by(&proxy, who)).reload_config(reload.clone()).await;
        line_of(&refused.expect_err("only an admin may"), ["PERMISSION_DENIED", object, ""]);
    }
    let mut server = ServerServiceClient::new(by(&proxy, "reader"));
    let refused = server.set_log_level(v1::SetLogLevelRequest::default()).await.expect_err("only an admin may");
    line_of(&refused, ["PERMISSION_DENIED", "log.level", ""]);

    let mut boss = BackendServiceClient::new(by(&proxy, "boss"));
    let refused = boss.update_backend(update("", 9999, "heavy")).await.expect_err("too heavy");
    line_of(&refused, ["INVALID_ARGUMENT", "backend default/127.0.0.1:81", "heavy"]);
    let stale = v1::MutationOptions { expected_revision: Some(77), ..options("late").expect("some") };
    let late = v1::UpdateBackendRequest { options: Some(stale), ..update("", 5, "") };
    let refused = boss.update_backend(late).await.expect_err("it is at 1");
    line_of(&refused, ["ABORTED", "backend default/127.0.0.1:81", "late"]);
    let refused = ConfigServiceClient::new(by(&proxy, "boss")).reload_config(reload).await.expect_err("no file");
    line_of(&refused, ["FAILED_PRECONDITION", "configuration", ""]);
}
