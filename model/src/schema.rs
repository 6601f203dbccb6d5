//! The configuration as a JSON Schema, for editors.

use serde_json::{Map, Value, json};
use speedmimi_policy::Algorithm;

use crate::config::Role;
use crate::parse::later;
use crate::read::Idle;

/// JSON Schema (2020-12) of what this version accepts. `x-restart` marks what a reload cannot change.
pub fn schema() -> Value {
    let algorithms: Vec<&str> = Algorithm::ALL.iter().filter(|a| a.is_available()).map(|a| a.as_str()).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SpeedMimi configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "server": server(),
            "backends": {
                "description": "Backends, by the name of their upstream.",
                "type": "object",
                "additionalProperties": {
                    "anyOf": [{ "type": "array", "items": { "$ref": "#/$defs/backend" } }, { "$ref": "#/$defs/backend" }],
                },
            },
            "upstreams": {
                "description": "Policy of a group of backends, by name.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/upstream" },
            },
            "routing": {
                "description": "Host and path to upstream, by name. None: everything goes to upstream default or the only one.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/route" },
            },
            "grpc": management(9090, true),
            "admin": management(9091, false),
            "log": log(),
            "access_log": access_log(),
            "state": state(),
        },
        "$defs": {
            "algorithm": { "enum": algorithms },
            "duration": { "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["30s", "500ms", "1h30m"] },
            "size": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+ ?(KiB|MiB|GiB)?$" }] },
            "health_check": health_check(),
            "timeouts": timeouts(),
            "backend": backend(),
            "upstream": upstream(),
            "route": route(),
            "fields": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } },
            "header_ops": object(json!({
                "set": { "$ref": "#/$defs/fields" },
                "add": { "$ref": "#/$defs/fields" },
                "remove": texts("Taken out."),
            })),
        },
    });
    with_later(&mut schema, later::ROOT);
    schema
}

/// One text or several.
fn texts(description: &str) -> Value {
    let text = json!({ "type": "string" });
    json!({ "anyOf": [{ "type": "array", "items": text }, text], "description": description })
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn described(description: &str, mut schema: Value) -> Value {
    schema["description"] = description.into();
    schema
}

fn restart(mut schema: Value) -> Value {
    schema["x-restart"] = true.into();
    schema
}

/// What is said of a key whose time has not come.
const LATER: &str = "Not available in this version; what asks for nothing is accepted.";

/// Whether a key's time has not come.
pub(crate) fn is_later(schema: &Value) -> bool {
    schema["description"] == LATER
}

/// Adds the keys of later versions, with what may stand there until then.
fn with_later(schema: &mut Value, keys: &[(&'static str, Idle)]) {
    for (key, idle) in keys {
        schema["properties"][*key] = described(LATER, idle_values(idle));
    }
}

fn idle_values(idle: &Idle) -> Value {
    match idle {
        // A word of the file may be a number or a switch here.
        Idle::Is(words) => {
            let typed = |word: &&str| serde_json::from_str(word).unwrap_or_else(|_| Value::from(*word));
            json!({ "enum": words.iter().map(typed).collect::<Vec<Value>>() })
        }
        Idle::Nothing => json!({ "type": ["null", "array", "object"], "maxItems": 0, "maxProperties": 0 }),
        Idle::Any => json!({ "type": ["null", "string", "number", "boolean"] }),
        Idle::Keys(keys) => {
            let mut schema = object(Map::new().into());
            with_later(&mut schema, keys);
            schema
        }
    }
}

/// A switch, or everything it stands for.
fn either(words: &[Value], schema: Value) -> Value {
    json!({ "anyOf": [{ "enum": words }, schema] })
}

fn duration(default: &str, description: &str) -> Value {
    json!({ "$ref": "#/$defs/duration", "default": default, "description": description })
}

fn integer(first: i64, last: i64, default: Option<i64>, description: &str) -> Value {
    let mut schema = json!({ "type": "integer", "minimum": first, "maximum": last, "description": description });
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    schema
}

fn server() -> Value {
    let mut schema = object(json!({
        "host": restart(json!({ "type": "string", "default": "0.0.0.0", "description": "Address of the main listener." })),
        "port": restart(integer(0, 65535, Some(8080), "Port of the main listener; 0 lets the system choose.")),
        "workers": restart(integer(1, 1024, None, "Data-plane threads; default one a core.")),
        "max_conn": integer(1, 10_000_000, Some(10_000), "Client connections; beyond it accept pauses."),
        "read_timeout": duration("30s", "For a request head; also the longest silence inside a request body."),
        "write_timeout": duration("30s", "Longest time a client may take no byte."),
        "idle_timeout": duration("75s", "Idle keep-alive connection."),
        "graceful_timeout": duration("60s", "How long a stop waits for exchanges."),
        "real_ip_header": { "type": "string", "description": "Field in which trusted proxies name the client." },
        "trusted_proxies": texts("Networks or addresses whose forwarding fields are believed; none by default."),
        "limits": object(json!({
            "request_line": integer(64, 65_536, Some(8190), "Bytes."),
            "header_field": integer(64, 65_536, Some(8190), "Bytes."),
            "header_count": integer(1, 1000, Some(100), "Fields."),
            "body": { "$ref": "#/$defs/size", "default": 0, "description": "Bytes; 0 is no limit." },
        })),
        "half_close": { "enum": ["cancel", "keep"], "default": "cancel", "description": "What a client's FIN means." },
    }));
    with_later(&mut schema, later::SERVER);
    schema
}

fn backend() -> Value {
    let mut schema = object(json!({
        "id": { "type": "string", "description": "Unique in its upstream; default host:port." },
        "name": { "type": "string" },
        "host": { "type": "string", "description": "Address or name." },
        "port": integer(1, 65535, None, ""),
        "weight": integer(1, 1000, Some(100), ""),
        "scheme": { "enum": ["http"], "default": "http" },
        "active": { "type": "boolean", "default": true },
        "max_conn": integer(i64::from(i32::MIN), i64::from(i32::MAX), Some(0), "Slots; 0 or less is no limit."),
        "labels": { "$ref": "#/$defs/fields" },
        "health_check": { "$ref": "#/$defs/health_check", "description": "Instead of the group's." },
    }));
    schema["required"] = json!(["host", "port"]);
    with_later(&mut schema, later::BACKEND);
    schema
}

fn health_check() -> Value {
    either(
        &["off".into(), false.into()],
        object(json!({
            "type": { "enum": ["http", "tcp"], "default": "http" },
            "path": { "type": "string", "default": "/" },
            "expect_status": {
                "type": ["string", "integer", "array"],
                "items": { "type": ["string", "integer"] },
                "minItems": 1,
                "default": "200-399",
                "description": "200, 200-299, or a list.",
            },
            "interval": duration("30s", "Between two probes; jittered, faster while down."),
            "timeout": duration("5s", "Of one probe."),
            "failures": integer(1, 1000, Some(3), "In a row until it is down."),
            "successes": integer(1, 1000, Some(2), "In a row until it is up again."),
        })),
    )
}

fn timeouts() -> Value {
    object(json!({
        "connect": duration("10s", "Opening a connection."),
        "first_byte": duration("120s", "Last request byte sent to first response byte."),
        "idle": duration("300s", "No byte from the backend while the client is taking."),
        "total": { "anyOf": [{ "enum": ["off", false] }, { "$ref": "#/$defs/duration" }], "default": "off" },
    }))
}

fn upstream() -> Value {
    let mut schema = object(json!({
        "load_balancer": { "$ref": "#/$defs/algorithm", "default": Algorithm::default().as_str() },
        "timeouts": { "$ref": "#/$defs/timeouts" },
        "pool": object(json!({
            "max_idle": integer(0, 1_000_000, Some(50), "Idle connections a backend, over all workers."),
            "idle_timeout": duration("60s", "How long they are kept."),
            "max_requests": integer(0, i64::from(u32::MAX), Some(0), "Requests a connection carries; 0 is no limit."),
        })),
        "health_check": { "$ref": "#/$defs/health_check", "description": "Of backends that have none of their own." },
    }));
    with_later(&mut schema, later::UPSTREAM);
    schema
}

fn route() -> Value {
    let mut protocols =
        object(json!({ "websocket": { "$ref": "#/$defs/algorithm" }, "sse": { "$ref": "#/$defs/algorithm" } }));
    with_later(&mut protocols, later::PROTOCOLS);
    let mut schema = object(json!({
        "host": texts("The same as hosts."),
        "hosts": texts("example.com or *.example.com; none is any."),
        "path": { "type": "string", "default": "/", "description": "Prefix; the longest wins." },
        "path_exact": { "type": "string" },
        "upstream": { "type": "string" },
        "load_balancer": { "$ref": "#/$defs/algorithm" },
        "protocols": protocols,
        "timeouts": { "$ref": "#/$defs/timeouts" },
        "headers": object(json!({
            "request": { "$ref": "#/$defs/header_ops" },
            "response": { "$ref": "#/$defs/header_ops" },
        })),
    }));
    schema["required"] = json!(["upstream"]);
    with_later(&mut schema, later::ROUTE);
    schema
}

fn management(port: i64, unix: bool) -> Value {
    let host = "A loopback address, unless tls and auth say who may call.";
    let mut properties = json!({
        "enabled": { "type": "boolean", "default": true },
        "host": { "type": "string", "default": "127.0.0.1", "description": host },
        "port": integer(0, 65535, Some(port), "0 lets the system choose."),
        "tls": management_tls(),
        "auth": auth(),
    });
    if unix {
        properties["unix"] =
            json!({ "type": "string", "description": "A socket in the file system instead of host and port." });
    }
    restart(object(properties))
}

/// What the files say is read again on every reload; which files they are is not.
fn management_tls() -> Value {
    let mut schema = object(json!({
        "cert_file": { "type": "string", "description": "PEM: the certificate and its chain." },
        "key_file": { "type": "string", "description": "PEM: its key." },
        "client_ca_file": { "type": "string", "description": "PEM: authorities of the certificates of auth.clients." },
    }));
    schema["required"] = json!(["cert_file", "key_file"]);
    described("TLS. The files are read again on every reload.", schema)
}

fn auth() -> Value {
    let roles = Role::ALL.map(Role::as_str);
    let mut client = object(json!({
        "san": { "type": "string", "description": "A subject alternative name of the certificate." },
        "role": { "enum": roles },
        "upstreams": texts("The upstreams it is about; all by default."),
    }));
    client["required"] = json!(["san", "role"]);
    let schema = object(json!({
        "tokens_file": { "type": "string", "description": "NAME ROLE sha256:HEX [upstreams=A,B] a line; read again on every reload." },
        "clients": { "type": "array", "items": client, "description": "Who calls with a certificate." },
    }));
    described("Who may call. Without it, whoever reaches the address may do everything.", schema)
}

fn log() -> Value {
    let level = json!({ "enum": ["error", "warn", "info", "debug", "trace"], "default": "info" });
    let section = object(json!({
        "level": level,
        "format": { "enum": ["text", "json"], "description": "Default: text on a terminal, JSON otherwise." },
        "file": { "type": "string", "description": "Default: standard error." },
    }));
    restart(json!({ "anyOf": [level, section] }))
}

fn access_log() -> Value {
    restart(either(
        &["on".into(), "off".into(), true.into(), false.into()],
        object(json!({
            "format": { "enum": ["json"], "default": "json" },
            "file": { "type": "string", "description": "Default: standard output." },
            "sample": { "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1 },
        })),
    ))
}

fn state() -> Value {
    object(json!({
        "dir": restart(json!({
            "type": "string",
            "description": "Folder of the store; default $STATE_DIRECTORY, else the user's state folder.",
        })),
        "persist": restart(json!({
            "type": "boolean",
            "default": true,
            "description": "Whether changes made through the API survive a restart.",
        })),
        "conflict": {
            "enum": ["overlay", "file"],
            "default": "overlay",
            "description": "What holds where a reload contradicts them.",
        },
    }))
}
