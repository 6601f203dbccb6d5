//! The table verb × object × caller, over real sockets: every method of the descriptor set, whoever asks.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use speedmimi_proxy::access::{Reach, Right};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::bench::{Bench, GUESSER, HERE, KNOWN, NOBODY, OBJECTS, names_one};
use super::{audit, folder, start, write_token};
use crate::harness::{Config, eventually, named, refused};

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

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
