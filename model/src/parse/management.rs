//! `grpc` and `admin`.

use std::collections::{BTreeMap, HashSet};

use crate::across;
use crate::config::{Auth, AuthClient, Management, ManagementTls, Role, Upstream};
use crate::read::{At, Section};
use crate::rules;
use crate::tree::{Node, Value};

/// Reads a section; `port` is its default.
pub(super) fn read(at: At<'_>, port: u16, unix: bool) -> Management {
    let mut section = Section::open(at);
    let mut management = Management::on(port);
    let before = at.sink.count();
    section.set("enabled", &mut management.enabled, |at| at.boolean());
    section.set("host", &mut management.host, |at| at.rule("an address", rules::host));
    section.set("port", &mut management.port, |at| at.integer(0..=65535).map(|port| port as u16));
    if unix {
        management.unix = section.read("unix", |at| at.rule("a path", rules::file));
    }
    management.tls = section.read("tls", tls);
    management.auth = section.read("auth", auth);
    // What follows from half of what was meant is no help.
    if at.sink.count() == before {
        together(at.path, &section, &management);
    }
    section.finish();
    management
}

fn tls(at: At<'_>) -> Option<ManagementTls> {
    let mut section = Section::open(at);
    let mut path = |key| section.read(key, |at| at.rule("a path", rules::file));
    let (cert_file, key_file, client_ca_file) = (path("cert_file"), path("key_file"), path("client_ca_file"));
    for (key, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if !section.has(key) {
            section.fault(key, format!("is needed beside {other}: the path of a PEM file"));
        }
    }
    section.finish();
    Some(ManagementTls { cert_file: cert_file?, key_file: key_file?, client_ca_file })
}

fn auth(at: At<'_>) -> Option<Auth> {
    let mut section = Section::open(at);
    let before = at.sink.count();
    let tokens_file = section.read("tokens_file", |at| at.rule("a path", rules::file));
    let mut clients = Vec::new();
    section.visit("clients", |at| {
        let mut seen = HashSet::new();
        at.list(&mut |at| {
            let Some(client) = client(at) else { return };
            if seen.insert(client.san.clone()) {
                clients.push(client);
            } else {
                at.fault(format!("{:?} stands twice: a certificate maps to one role", client.san));
            }
        });
    });
    if tokens_file.is_none() && clients.is_empty() && at.sink.count() == before {
        section.fault("tokens_file", "auth needs tokens_file or clients: as it stands, nobody could call");
    }
    section.finish();
    Some(Auth { tokens_file, clients })
}

fn client(at: At<'_>) -> Option<AuthClient> {
    let mut section = Section::open(at);
    let san = section.read("san", |at| at.rule("a name", rules::san));
    let role = section.read("role", |at| at.rule("a role", str::parse::<Role>));
    for key in ["san", "role"] {
        if !section.has(key) {
            section.fault(key, "is needed");
        }
    }
    let mut upstreams = Vec::new();
    section.visit("upstreams", |at| {
        at.list(&mut |at| upstreams.extend(at.rule("the name of an upstream", rules::name)));
        if upstreams.is_empty() {
            at.fault("names no upstream; leave it out for all of them");
        }
    });
    section.finish();
    Some(AuthClient { san: san?, role: role?, upstreams })
}

/// What of `auth` names an upstream that is not there; without it, who was to be limited could do nothing.
pub(super) fn dangling(at: At<'_>, upstreams: &BTreeMap<String, Upstream>) {
    let child = |node: &Node, path: &str, wanted: &str, each: &mut dyn FnMut(&Node, &str)| {
        let Value::Mapping(entries) = &node.value else { return };
        for (_, node) in entries.iter().filter(|(key, _)| key.text == wanted) {
            each(node, &format!("{path}.{wanted}"));
        }
    };
    let list = |node: &Node, path: &str, each: &mut dyn FnMut(At<'_>)| At { sink: at.sink, path, node }.list(each);
    child(at.node, at.path, "auth", &mut |auth, path| {
        child(auth, path, "clients", &mut |clients, path| {
            list(clients, path, &mut |client| {
                child(client.node, client.path, "upstreams", &mut |names, path| {
                    list(names, path, &mut |name| {
                        if let Value::Scalar(text) = &name.node.value
                            && !upstreams.contains_key(text)
                        {
                            name.fault(across::no_upstream(text, upstreams.keys()));
                        }
                    });
                });
            });
        });
    });
}

/// Keys that need one another.
fn together(name: &str, section: &Section<'_>, management: &Management) {
    let Management { unix, tls, auth, .. } = management;
    let clients = auth.as_ref().is_some_and(|auth| !auth.clients.is_empty());
    let authority = tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    if unix.is_some() && tls.is_some() {
        section.fault("tls", "means nothing on a unix socket, which tells who calls; leave it out");
    } else if clients && !authority {
        section.fault("auth", "clients need tls.client_ca_file: the authority that signed their certificates");
    } else if authority && !clients {
        section.fault("tls", "client_ca_file needs auth.clients: who may do what with such a certificate");
    }
    if management.enabled && !management.is_local() && (tls.is_none() || auth.is_none()) {
        section.fault("host", exposed(name, management));
    }
}

/// Management is never open by accident: what other machines reach needs TLS, and callers that say who they are.
fn exposed(name: &str, management: &Management) -> String {
    let mut missing = Vec::new();
    if management.tls.is_none() {
        missing.push(format!("{name}.tls.cert_file and {name}.tls.key_file"));
    }
    if management.auth.is_none() {
        missing.push(format!("{name}.auth.tokens_file (or {name}.tls.client_ca_file with {name}.auth.clients)"));
    }
    format!(
        "{:?} is not a loopback address: management beyond this machine needs TLS and callers it can tell apart; \
         add {}, or take 127.0.0.1, ::1 or localhost",
        management.host,
        missing.join(" and ")
    )
}
