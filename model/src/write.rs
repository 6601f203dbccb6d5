//! A configuration as a document in the shape of the file: every key with its value, so that nothing has to be known
//! to read it. Reading it back gives the same configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    AccessFormat, AccessLog, Auth, AuthClient, Backend, Config, Conflict, HalfClose, HeaderOps, HealthCheck,
    HealthCheckKind, Level, Log, LogFormat, Management, ManagementTls, PathMatch, Route, Scheme, State, TimeoutsPatch,
    Upstream,
};
use crate::fields;
use crate::object::Object;
use crate::rules::write_duration;

impl Config {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        let mut root = Map::new();
        root.insert("server".into(), self.server());
        root.insert("upstreams".into(), map(&self.upstreams, upstream));
        root.insert("backends".into(), map(&self.upstreams, |u| u.backends.iter().map(|one| backend(one)).collect()));
        root.insert("routing".into(), map(&self.routes, route));
        root.insert("grpc".into(), management(&self.grpc));
        root.insert("admin".into(), management(&self.admin));
        root.insert("log".into(), log(&self.log));
        if let Some(written) = &self.access_log {
            root.insert("access_log".into(), access_log(written));
        }
        root.insert("state".into(), state(&self.state));
        Value::Object(root)
    }

    /// As YAML.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(&self.to_json()).expect("a tree of plain values can always be written")
    }

    /// One object as it stands in the file, or nothing where there is none of that name.
    pub fn part(&self, object: &Object) -> Option<Value> {
        Some(match object {
            Object::Backend { upstream, id } => backend(self.backend(upstream, id)?),
            Object::Upstream(name) => upstream(self.upstreams.get(name)?),
            Object::Route(name) => route(self.routes.get(name)?),
            Object::Section(name) => match name.as_str() {
                "server" => self.server(),
                "grpc" => management(&self.grpc),
                "admin" => management(&self.admin),
                "log" => log(&self.log),
                "access_log" => self.access_log.as_ref().map_or_else(|| "off".into(), access_log),
                "state" => state(&self.state),
                _ => return None,
            },
        })
    }

    fn server(&self) -> Value {
        let server = &self.server;
        let networks: Vec<String> = server.trusted_proxies.iter().map(ToString::to_string).collect();
        present(json!({
            "host": server.host,
            "port": server.port,
            "workers": server.workers,
            "max_conn": server.max_conn,
            "read_timeout": write_duration(server.read_timeout),
            "write_timeout": write_duration(server.write_timeout),
            "idle_timeout": write_duration(server.idle_timeout),
            "graceful_timeout": write_duration(server.graceful_timeout),
            "real_ip_header": server.real_ip_header,
            "trusted_proxies": networks,
            "limits": {
                "request_line": server.limits.request_line,
                "header_field": server.limits.header_field,
                "header_count": server.limits.header_count,
                "body": server.limits.body,
            },
            "half_close": match server.half_close { HalfClose::Cancel => "cancel", HalfClose::Keep => "keep" },
        }))
    }
}

/// An object of which nobody says anything yet: every default, without what has none.
pub(crate) fn blank(object: &Object) -> Value {
    let (mut document, needed): (Value, &[&str]) = match object {
        Object::Backend { .. } => (backend(&Backend::new("", 0)), &["id", "host", "port"]),
        Object::Upstream(_) => (upstream(&Upstream::default()), &[]),
        Object::Route(_) => (route(&Route::to("")), &["upstream"]),
        Object::Section(_) => (Config::default().part(object).unwrap_or_default(), &[]),
    };
    for key in needed {
        fields::put(&mut document, key, Value::Null);
    }
    if let Object::Backend { id, .. } = object {
        fields::put(&mut document, "id", id.as_str().into());
    }
    document
}

fn map<T>(entries: &std::collections::BTreeMap<String, T>, each: impl Fn(&T) -> Value) -> Value {
    entries.iter().map(|(name, entry)| (name.clone(), each(entry))).collect::<Map<_, _>>().into()
}

/// Without the keys that have no value.
fn present(value: Value) -> Value {
    match value {
        Value::Object(mut entries) => {
            entries.retain(|_, value| !value.is_null());
            Value::Object(entries)
        }
        other => other,
    }
}

pub(crate) fn upstream(upstream: &Upstream) -> Value {
    present(json!({
        "load_balancer": upstream.load_balancer.map(|algorithm| algorithm.as_str()),
        "timeouts": timeouts(&upstream.timeouts),
        "pool": {
            "max_idle": upstream.pool.max_idle,
            "idle_timeout": write_duration(upstream.pool.idle_timeout),
            "max_requests": upstream.pool.max_requests,
        },
        "health_check": upstream.health_check.as_ref().map(health_check),
    }))
}

fn timeouts(timeouts: &TimeoutsPatch) -> Value {
    present(json!({
        "connect": timeouts.connect.map(write_duration),
        "first_byte": timeouts.first_byte.map(write_duration),
        "idle": timeouts.idle.map(write_duration),
        "total": timeouts.total.map(|total| total.map_or_else(|| "off".to_owned(), write_duration)),
    }))
}

pub(crate) fn backend(backend: &Backend) -> Value {
    let Scheme::Http = backend.scheme;
    present(json!({
        "id": backend.id,
        "name": backend.name,
        "host": backend.host,
        "port": backend.port,
        "weight": backend.weight,
        "scheme": "http",
        "active": backend.active,
        "max_conn": backend.max_conn,
        "labels": backend.labels,
        "health_check": backend.health_check.as_ref().map(health_check),
    }))
}

fn health_check(check: &HealthCheck) -> Value {
    json!({
        "type": match check.kind { HealthCheckKind::Http => "http", HealthCheckKind::Tcp => "tcp" },
        "path": check.path,
        "expect_status": check.expect_status.to_string(),
        "interval": write_duration(check.interval),
        "timeout": write_duration(check.timeout),
        "failures": check.failures,
        "successes": check.successes,
    })
}

pub(crate) fn route(route: &Route) -> Value {
    let (path, path_exact) = match &route.path {
        PathMatch::Prefix(path) => (Some(path), None),
        PathMatch::Exact(path) => (None, Some(path)),
    };
    let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
    present(json!({
        "hosts": hosts,
        "path": path,
        "path_exact": path_exact,
        "upstream": route.upstream,
        "load_balancer": route.load_balancer.map(|algorithm| algorithm.as_str()),
        "protocols": present(json!({
            "websocket": route.protocols.websocket.map(|algorithm| algorithm.as_str()),
            "sse": route.protocols.sse.map(|algorithm| algorithm.as_str()),
        })),
        "timeouts": timeouts(&route.timeouts),
        "headers": { "request": operations(&route.headers.request), "response": operations(&route.headers.response) },
    }))
}

fn operations(ops: &HeaderOps) -> Value {
    let fields = |fields: &[(String, String)]| -> Value {
        fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
    };
    json!({ "set": fields(&ops.set), "add": fields(&ops.add), "remove": ops.remove })
}

fn management(management: &Management) -> Value {
    present(json!({
        "enabled": management.enabled,
        "host": management.host,
        "port": management.port,
        "unix": management.unix,
        "tls": management.tls.as_ref().map(management_tls),
        "auth": management.auth.as_ref().map(auth),
    }))
}

/// Paths alone: what is in the files is nobody's to read.
fn management_tls(tls: &ManagementTls) -> Value {
    present(json!({ "cert_file": tls.cert_file, "key_file": tls.key_file, "client_ca_file": tls.client_ca_file }))
}

fn auth(auth: &Auth) -> Value {
    let client = |client: &AuthClient| {
        let upstreams = (!client.upstreams.is_empty()).then_some(&client.upstreams);
        present(json!({ "san": client.san, "role": client.role.as_str(), "upstreams": upstreams }))
    };
    let clients: Vec<Value> = auth.clients.iter().map(client).collect();
    present(json!({ "tokens_file": auth.tokens_file, "clients": (!clients.is_empty()).then_some(clients) }))
}

fn log(log: &Log) -> Value {
    let level = match log.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let format = log.format.map(|format| match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    });
    present(json!({ "level": level, "format": format, "file": log.file }))
}

fn access_log(log: &AccessLog) -> Value {
    let AccessFormat::Json = log.format;
    present(json!({ "format": "json", "file": log.file, "sample": log.sample }))
}

fn state(state: &State) -> Value {
    let conflict = match state.conflict {
        Conflict::Overlay => "overlay",
        Conflict::File => "file",
    };
    present(json!({ "dir": state.dir, "persist": state.persist, "conflict": conflict }))
}
