//! The table verb × object × caller, over real sockets: every method of the descriptor set, whoever asks.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};
use speedmimi_proxy::access::{Reach, Right, VERBS, Verb};
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{audit, folder, start};
use crate::harness::{Config, PATIENCE, Proxy, eventually, named, refused};

/// What the limited callers reach; what they do not; and what does not exist, in as many letters.
const OBJECTS: [&str; 3] = ["owned", "other", "lacks"];

/// A caller of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    /// As the audit log names it.
    name: &'static str,
    token: Option<&'static str>,
    limited: bool,
}

const NOBODY: Who = Who { name: "nobody", token: None, limited: false };
const GUESSER: Who = Who { name: "nobody", token: Some("token-nearly"), limited: false };
const KNOWN: [Who; 6] = [
    Who { name: "read", token: Some("token-read"), limited: false },
    Who { name: "report", token: Some("token-report"), limited: false },
    Who { name: "operate", token: Some("token-operate"), limited: false },
    Who { name: "admin", token: Some("token-admin"), limited: false },
    Who { name: "limited", token: Some("token-limited"), limited: true },
    Who { name: "lord", token: Some("token-lord"), limited: true },
];

impl Who {
    fn has(self, right: Right) -> bool {
        use speedmimi_proxy::access::Right::{Known, Open, Role};
        match right {
            Open | Known => true,
            Role(needed) => {
                let role = match self.name {
                    "limited" => "operate",
                    "lord" => "admin",
                    role => role,
                };
                role.parse().is_ok_and(|role: speedmimi_model::Role| role.includes(needed))
            }
        }
    }
}

/// A proxy that asks for tokens, in front of two upstreams with a route each.
struct Bench {
    proxy: Proxy,
    runtime: Runtime,
    pool: DescriptorPool,
}

impl Bench {
    fn start() -> (Self, crate::harness::Backend) {
        let backend = named("b1");
        let mut config = Config::new();
        for name in &OBJECTS[..2] {
            config = config.backend_of(name, "b1", backend.address(), "");
            config = config.route(name, &format!("path: /{name}")).route(name, &format!("upstream: {name}"));
        }
        let proxy = start(folder(), &config, "auth: {tokens_file: tokens}", "");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let pool = DescriptorPool::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).expect("our descriptors");
        (Self { proxy, runtime, pool }, backend)
    }

    fn methods(&self) -> Vec<(&'static Verb, MethodDescriptor)> {
        let services = self.pool.services().filter(|service| service.package_name() == "speedmimi.v1");
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .map(|method| {
                let name = format!("{}/{}", method.parent_service().full_name(), method.name());
                let verb = VERBS.iter().find(|verb| verb.name == name);
                (verb.unwrap_or_else(|| panic!("{name} is in no row")), method)
            })
            .collect()
    }

    fn channel(&self, from: IpAddr) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.proxy.grpc_address())).expect("a URI");
        self.runtime.block_on(endpoint.local_address(Some(from)).connect()).expect("the proxy listens")
    }

    /// The first message of an answer, or the refusal.
    fn call(&self, channel: &Channel, method: &MethodDescriptor, who: Who, object: &str) -> Result<Vec<u8>, Status> {
        let mut message = DynamicMessage::new(method.input());
        fill(&mut message, &method.input(), object);
        let mut request = Request::new(tokio_stream(message));
        if let Some(token) = who.token {
            let value = format!("Bearer {token}").parse().expect("ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = path.parse().expect("a path");
        let streams = method.is_server_streaming();
        let call = async {
            let mut grpc = Grpc::new(channel.clone());
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let mut answer = grpc.streaming(request, path, Raw).await?.into_inner();
            // That a watch begins is enough: it may have nothing to say.
            let first =
                tokio::time::timeout(if streams { Duration::from_millis(50) } else { PATIENCE }, answer.message());
            first.await.unwrap_or(Ok(None)).map(Option::unwrap_or_default)
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await.expect("an answer") })
    }
}

fn tokio_stream(message: DynamicMessage) -> impl futures_util::Stream<Item = Vec<u8>> + Send + 'static {
    use prost_reflect::prost::Message as _;
    futures_util::stream::iter([message.encode_to_vec()])
}

/// Names the object wherever a request can name one, and only tries.
fn fill(message: &mut DynamicMessage, kind: &MessageDescriptor, object: &str) {
    let text = |text: &str| Value::String(text.to_owned());
    for field in kind.fields() {
        let inner = field.kind().as_message().cloned().filter(|_| !field.is_list() && !field.is_map());
        let value = match (field.name(), inner) {
            ("upstream", None) => text(object),
            ("backend_id", None) => text("b1"),
            ("route", None) => text(object),
            ("options", Some(options)) => {
                let mut inner = DynamicMessage::new(options);
                inner.set_field_by_name("validate_only", Value::Bool(true));
                Value::Message(inner)
            }
            ("backend" | "filter", Some(nested)) if nested.get_field_by_name("upstream").is_some() => {
                let mut inner = DynamicMessage::new(nested.clone());
                fill(&mut inner, &nested, object);
                Value::Message(inner)
            }
            ("backend", Some(backend)) => {
                let mut inner = DynamicMessage::new(backend);
                inner.set_field_by_name("id", text("b1"));
                Value::Message(inner)
            }
            (name @ ("upstream" | "route"), Some(named)) => {
                let mut inner = DynamicMessage::new(named);
                inner.set_field_by_name("name", text(object));
                if name == "route" {
                    inner.set_field_by_name("upstream", text(object));
                }
                Value::Message(inner)
            }
            _ => continue,
        };
        message.set_field(&field, value);
    }
}

/// Whether a request can name an upstream, or a route to one.
fn names_one(kind: &MessageDescriptor) -> bool {
    let inside = |name: &str| kind.get_field_by_name(name)?.kind().as_message().map(names_one);
    ["upstream", "route"].iter().any(|name| kind.get_field_by_name(name).is_some())
        || ["backend", "filter"].into_iter().any(|name| inside(name).unwrap_or_default())
}

/// Messages as bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost_reflect::prost::bytes::BufMut as _;
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost_reflect::prost::bytes::Buf as _;
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[test]
fn nobody_does_more_than_their_role_and_their_upstreams_allow() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    let mut counts = [0; 2];
    for (verb, method) in bench.methods() {
        for who in KNOWN {
            for object in OBJECTS {
                // By the name of an upstream, or of a route to one.
                let names = names_one(&method.input());
                let foreign = who.limited && (verb.reach == Reach::Whole || (names && object != "owned"));
                let denied = !who.has(verb.right) || foreign;
                // It would end the bench.
                if !denied && method.name() == "DrainServer" {
                    continue;
                }
                let answer = bench.call(&channel, &method, who, object);
                let told = format!("{} by {} on {object}: {answer:?}", verb.name, who.name);
                match &answer {
                    Err(status) if denied => {
                        assert_eq!(
                            (status.code(), &*reason(status)),
                            (Code::PermissionDenied, "PERMISSION_DENIED"),
                            "{told}"
                        );
                        assert!(
                            status.get_error_details().error_info().is_some_and(|info| {
                                info.metadata.contains_key("needed") && info.metadata.contains_key("had")
                            }),
                            "{told}"
                        );
                        expected.insert((verb.name.to_owned(), who.name.to_owned()));
                    }
                    Err(status) => {
                        assert!(!matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated), "{told}");
                    }
                    Ok(_) => assert!(!denied, "{told}"),
                }
                counts[usize::from(denied)] += 1;
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?} allowed and denied");
    eventually("every refusal is in the audit log", || {
        let lines = audit(&bench.proxy);
        let found = lines.iter().filter(|line| line["result"] == "PERMISSION_DENIED").filter_map(|line| {
            let text = |key: &str| line[key].as_str().map(str::to_owned);
            assert!(text("from").is_some_and(|from| from.starts_with("127.0.0.1:")), "{line}");
            Some((text("verb")?, text("who")?))
        });
        found.collect::<BTreeSet<_>>() == expected
    });
}

#[test]
fn who_is_not_known_may_nothing_but_ask_for_health() {
    let (bench, _backend) = Bench::start();
    let mut calls = 0_u8;
    for (verb, method) in bench.methods() {
        for who in [NOBODY, GUESSER] {
            calls += 1;
            // Who guesses often from one address waits for the answer; here each is its first.
            let channel = bench.channel(IpAddr::from([127, 0, 1, calls]));
            let refusal = bench.call(&channel, &method, who, "owned").expect_err(verb.name);
            let told = format!("{} by {who:?}: {refusal:?}", verb.name);
            assert_eq!((refusal.code(), &*reason(&refusal)), (Code::Unauthenticated, "UNAUTHENTICATED"), "{told}");
        }
    }
    eventually("every refusal is in the audit log", || {
        let lines = audit(&bench.proxy);
        lines.iter().filter(|line| line["result"] == "UNAUTHENTICATED").count() == usize::from(calls)
    });
    let health = tonic_health::pb::HealthCheckRequest::default();
    let mut client = tonic_health::pb::health_client::HealthClient::new(bench.channel(HERE));
    bench.runtime.block_on(client.check(health)).expect("health is answered to anybody");
    // Reflection is for everybody who is known.
    let reflect = |token: Option<&str>| {
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        let mut request = Request::new(futures_util::stream::empty());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
        }
        let mut client = ServerReflectionClient::new(bench.channel(HERE));
        bench.runtime.block_on(client.server_reflection_info(request)).map(|_| ())
    };
    assert_eq!(reflect(None).expect_err("nobody").code(), Code::Unauthenticated);
    reflect(Some("token-report")).expect("any role");
}

#[test]
fn what_is_not_their_own_looks_to_limited_callers_as_if_it_were_not_there() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let mut compared = 0;
    for (verb, method) in bench.methods().into_iter().filter(|(verb, _)| verb.right != Right::Open) {
        for who in KNOWN.into_iter().filter(|who| who.limited) {
            if method.name() == "DrainServer" {
                continue;
            }
            let told = |object: &str| {
                let status = bench.call(&channel, &method, who, object).err()?;
                let text = String::from_utf8_lossy(status.details()).into_owned();
                // Details are kept in a map, in no order: the same bytes, sorted.
                let mut text = text.replace(object, "-----").into_bytes();
                text.sort_unstable();
                Some((status.code(), status.message().replace(object, "-----"), text))
            };
            let (there, not) = (told("other"), told("lacks"));
            assert_eq!(there, not, "{} by {}", verb.name, who.name);
            compared += usize::from(there.is_some());
            let own = bench.call(&channel, &method, who, "owned").unwrap_or_default();
            assert!(!own.windows(5).any(|window| window == b"other"), "{} tells {} of others", verb.name, who.name);
        }
    }
    assert!(compared > 20, "{compared} compared");
}

#[test]
fn who_only_reports_sees_no_names() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let methods = bench.methods();
    let (_, report) = methods.iter().find(|(_, method)| method.name() == "ReportPerformance").expect("it exists");
    let refusal = bench.call(&channel, report, KNOWN[1], "lacks").expect_err("no such upstream");
    assert_eq!(refusal.code(), Code::NotFound, "{refusal:?}");
    assert!(!format!("{refusal:?}").contains("owned"), "{refusal:?}");
    let shown = bench.call(&channel, report, KNOWN[3], "lacks").expect_err("no such upstream");
    assert!(shown.message().contains("owned"), "{shown:?}");
}

#[test]
fn lists_show_limited_callers_their_own() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    for (_, method) in bench.methods() {
        if !["ListBackends", "ListUpstreams", "ListRoutes"].contains(&method.name()) {
            continue;
        }
        for (who, others) in [(KNOWN[4], false), (KNOWN[0], true)] {
            let shown = bench.call(&channel, &method, who, "").expect("a list");
            let has = |name: &str| shown.windows(name.len()).any(|window| window == name.as_bytes());
            assert_eq!((has("owned"), has("other")), (true, others), "{} by {}", method.name(), who.name);
        }
    }
}

#[test]
fn the_admin_face_goes_by_the_same_table() {
    let backend = named("b1");
    let config = Config::new().backend_of("owned", "b1", backend.address(), "");
    let proxy = start(folder(), &config, "", "auth: {tokens_file: tokens}");
    let get = |target: &str, token: &str| {
        let mut client = crate::harness::Client::connect(proxy.admin_address());
        let address: SocketAddr = proxy.admin_address();
        let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{bearer}Connection: close\r\n\r\n"));
        client.response()
    };
    for (target, token, status) in [
        ("/healthz", "", 200),
        ("/readyz", "token-nearly", 200),
        ("/metrics", "", 401),
        ("/metrics", "token-nearly", 401),
        ("/metrics", "token-report", 403),
        ("/metrics", "token-limited", 403),
        ("/metrics", "token-read", 200),
        ("/nowhere", "", 401),
        ("/nowhere", "token-report", 404),
    ] {
        let response = get(target, token);
        assert_eq!(response.status, status, "{target} by {token:?}: {response:#?}");
        if status == 401 {
            assert!(response.text().contains("UNAUTHENTICATED"), "{response:#?}");
        }
    }
}

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
    assert_eq!(refused["result"], "refused", "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("77")), "{refused}");
    assert_eq!(cut["verb"], "speedmimi.v1.BackendService/DisconnectBackend", "{cut}");
}

fn write_token(proxy: &Proxy, name: &str) {
    crate::harness::write_secret(&proxy.path("token"), &format!("token-{name}\n"));
}

#[test]
fn a_unix_socket_knows_its_users() {
    let dir = folder();
    let path = dir.path().join("management.sock");
    let config = Config::one(refused());
    let grpc = format!("unix: {}, auth: {{tokens_file: tokens}}", path.display());
    let proxy = start(dir, &config, &grpc, "");
    let endpoint = format!("unix:{}", path.display());
    super::speedctl(&endpoint, &["backend", "update", "b1", "--max-conn", "3"]).assert_code(0);
    write_token(&proxy, "read");
    let file = proxy.path("token");
    let file = file.to_str().expect("a path in UTF-8");
    let ended = super::speedctl(&endpoint, &["--token-file", file, "backend", "update", "b1", "--max-conn", "4"]);
    assert!(ended.assert_code(1).err.contains("operate"));
    let uid = rustix::process::geteuid().as_raw();
    eventually("the user is in the audit log", || {
        audit(&proxy).iter().any(|line| line["who"] == format!("uid:{uid}") && line["result"] == "ok")
    });
}
