//! A proxy with callers of every role, and every method of the descriptor set as something that they can call.

use std::net::IpAddr;
use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};
use speedmimi_proxy::access::{Right, VERBS, Verb};
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::{folder, start};
use crate::harness::{Backend, Config, PATIENCE, Proxy, named};

/// Where callers are.
pub const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// What the limited callers reach; what they do not; and what does not exist, in as many letters.
pub const OBJECTS: [&str; 3] = ["owned", "other", "lacks"];

/// What every value that a header is set to has in it.
pub const SECRET: &str = "s3cr3t";
/// Headers of a route.
const SECRETS: &str = "{request: {set: {Authorization: Bearer s3cr3t-1}, add: {X-Key: s3cr3t-2}}, \
                       response: {set: {X-Set: s3cr3t-3}, add: {X-Add: s3cr3t-4}}}";

/// A caller of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// As the audit log names it.
    pub name: &'static str,
    pub token: Option<&'static str>,
    pub limited: bool,
}

pub const NOBODY: Who = Who { name: "nobody", token: None, limited: false };
pub const GUESSER: Who = Who { name: "nobody", token: Some("token-nearly"), limited: false };
pub const KNOWN: [Who; 6] = [
    Who { name: "read", token: Some("token-read"), limited: false },
    Who { name: "report", token: Some("token-report"), limited: false },
    Who { name: "operate", token: Some("token-operate"), limited: false },
    Who { name: "admin", token: Some("token-admin"), limited: false },
    Who { name: "limited", token: Some("token-limited"), limited: true },
    Who { name: "lord", token: Some("token-lord"), limited: true },
];

impl Who {
    pub fn has(self, right: Right) -> bool {
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
pub struct Bench {
    pub proxy: Proxy,
    pub runtime: Runtime,
    pool: DescriptorPool,
}

impl Bench {
    pub fn start() -> (Self, Backend) {
        let backend = named("b1");
        let mut config = Config::new();
        for name in &OBJECTS[..2] {
            config = config.backend_of(name, "b1", backend.address(), "");
            config = config.route(name, &format!("path: /{name}")).route(name, &format!("upstream: {name}"));
            config = config.route(name, &format!("headers: {SECRETS}"));
        }
        let proxy = start(folder(), &config, "auth: {tokens_file: tokens}", "");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let pool = DescriptorPool::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).expect("our descriptors");
        (Self { proxy, runtime, pool }, backend)
    }

    pub fn methods(&self) -> Vec<(&'static Verb, MethodDescriptor)> {
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

    pub fn channel(&self, from: IpAddr) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.proxy.grpc_address())).expect("a URI");
        self.runtime.block_on(endpoint.local_address(Some(from)).connect()).expect("the proxy listens")
    }

    /// The first message of an answer, or the refusal.
    pub fn call(
        &self,
        channel: &Channel,
        method: &MethodDescriptor,
        who: Who,
        object: &str,
    ) -> Result<Vec<u8>, Status> {
        let mut message = DynamicMessage::new(method.input());
        fill(&mut message, &method.input(), object);
        let mut request = Request::new(tokio_stream(message));
        if let Some(token) = who.token {
            let value = format!("Bearer {token}").parse().expect("ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = path.parse().expect("a path");
        let streams = method.is_server_streaming() && method.name() != "WatchConfig";
        let call = async {
            let mut grpc = Grpc::new(channel.clone());
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let mut answer = grpc.streaming(request, path, Raw).await?.into_inner();
            // That a watch begins is enough: it may have nothing to say. That of the configuration begins with all of it.
            let patience = if streams { Duration::from_millis(50) } else { PATIENCE };
            let first = tokio::time::timeout(patience, answer.message());
            first.await.unwrap_or(Ok(None)).map(Option::unwrap_or_default)
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await.expect("an answer") })
    }
}

/// A request with the token of a caller.
pub fn with<T>(who: Who, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = who.token.expect("a caller with a token");
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
    request
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
            ("explain", None) => Value::Bool(true),
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
pub fn names_one(kind: &MessageDescriptor) -> bool {
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
