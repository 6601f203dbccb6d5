//! TLS and client certificates, and what speedctl says when one side does not trust the other.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{audit, folder, speedctl, start};
use crate::harness::{Authority, Config, PATIENCE, Proxy, Validity, eventually, named, refused, write_secret};

const TLS: &str = "tls: {cert_file: m.crt, key_file: m.key}, auth: {tokens_file: tokens}";

/// A proxy with TLS and tokens on both faces, its authority in `ca.crt`, and a token of role admin in `token`.
fn secure(names: &[&str], validity: Validity) -> Proxy {
    let dir = folder();
    let authority = Authority::new("ours");
    authority.write(&dir.path().join("ca.crt"));
    authority.issue(dir.path(), "m", names, validity);
    Authority::new("theirs").write(&dir.path().join("other.crt"));
    write_secret(&dir.path().join("token"), "token-admin\n");
    write_secret(&dir.path().join("wrong"), "token-nearly\n");
    start(dir, &Config::one(refused()), TLS, TLS)
}

fn path(proxy: &Proxy, name: &str) -> String {
    proxy.path(name).display().to_string()
}

#[test]
fn speedctl_says_what_to_do_when_trust_fails() {
    let proxy = secure(&["127.0.0.1"], Validity::Current);
    let secure_at = |host: &str| format!("https://{host}:{}", proxy.grpc_address().port());
    let (ca, other, token, wrong) =
        (path(&proxy, "ca.crt"), path(&proxy, "other.crt"), path(&proxy, "token"), path(&proxy, "wrong"));
    let clear = format!("http://{}", proxy.grpc_address());
    let list = ["backend", "list"];
    for (endpoint, args, code, told) in [
        (secure_at("127.0.0.1"), &["--ca", &ca, "--token-file", &token][..], 0, ""),
        (secure_at("127.0.0.1"), &["--ca", &other, "--token-file", &token], 3, "--ca FILE"),
        (secure_at("127.0.0.1"), &["--ca", &ca], 1, "--token-file"),
        (secure_at("127.0.0.1"), &["--ca", &ca, "--token-file", &wrong], 1, "not known"),
        (secure_at("localhost"), &["--ca", &ca, "--token-file", &token], 3, "for another name"),
        (secure_at("127.0.0.1"), &["--ca", &ca, "--cert", &ca], 2, "--key"),
        (secure_at("127.0.0.1"), &["--ca", &token], 2, "no certificate in PEM"),
        (clear, &["--token-file", &token], 3, "https://"),
        ("http://proxy.example:1".to_owned(), &["--token-file", &token], 2, "in the clear"),
    ] {
        let ended = speedctl(&endpoint, &[args, &list].concat());
        assert_eq!(ended.code, Some(code), "{endpoint} {args:?}: {ended:#?}");
        assert!(ended.err.contains(told), "{endpoint} {args:?}: {ended:#?}");
    }
    let plain = Proxy::start(&Config::one(refused()));
    let ended = speedctl(&format!("https://{}", plain.grpc_address()), &["--ca", &ca, "backend", "list"]);
    assert!(ended.assert_code(3).err.contains("does not speak TLS"));
}

#[test]
fn an_expired_certificate_is_called_so_on_both_sides() {
    let proxy = secure(&["127.0.0.1"], Validity::Expired);
    proxy.wait_log("is not valid today");
    let endpoint = format!("https://{}", proxy.grpc_address());
    let (ca, token) = (path(&proxy, "ca.crt"), path(&proxy, "token"));
    let ended = speedctl(&endpoint, &["--ca", &ca, "--token-file", &token, "backend", "list"]).assert_code(3);
    assert!(ended.err.contains("has expired") && ended.err.contains("SIGHUP"), "{ended:#?}");
}

#[test]
fn a_token_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let proxy = secure(&["127.0.0.1"], Validity::Current);
    let (ca, token) = (path(&proxy, "ca.crt"), path(&proxy, "token"));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let endpoint = format!("https://{}", proxy.grpc_address());
    let ended = speedctl(&endpoint, &["--ca", &ca, "--token-file", &token, "backend", "list"]).assert_code(0);
    assert!(ended.err.contains("warning: others can read") && ended.err.contains("chmod 600"), "{ended:#?}");
}

#[test]
fn a_client_certificate_maps_to_its_role() {
    let backend = named("b1");
    let dir = folder();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    ours.write(&dir.path().join("ca.crt"));
    ours.issue(dir.path(), "m", &["127.0.0.1"], Validity::Current);
    ours.issue(dir.path(), "ops", &["ops.example"], Validity::Current);
    ours.issue(dir.path(), "robot", &["spiffe://example/robot"], Validity::Current);
    ours.issue(dir.path(), "stranger", &["stranger.example"], Validity::Current);
    ours.issue(dir.path(), "old", &["ops.example"], Validity::Expired);
    theirs.issue(dir.path(), "false", &["ops.example"], Validity::Current);
    write_secret(&dir.path().join("token"), "token-admin\n");
    let grpc = "tls: {cert_file: m.crt, key_file: m.key, client_ca_file: ca.crt}, auth: {tokens_file: tokens, clients: [\
                {san: ops.example, role: operate}, {san: 'spiffe://example/robot', role: read, upstreams: [default]}]}";
    let proxy = start(dir, &Config::one(backend.address()), grpc, "");
    let endpoint = format!("https://{}", proxy.grpc_address());
    let ca = path(&proxy, "ca.crt");
    let by = |name: &str, args: &[&str]| {
        let (cert, key) = (path(&proxy, &format!("{name}.crt")), path(&proxy, &format!("{name}.key")));
        speedctl(&endpoint, &[&["--ca", &ca, "--cert", &cert, "--key", &key][..], args].concat())
    };
    let update = ["backend", "update", "b1", "--max-conn", "5"];
    by("ops", &update).assert_code(0);
    by("robot", &["backend", "list"]).assert_code(0);
    assert!(by("robot", &update).assert_code(1).err.contains("needs the role operate"));
    assert!(by("robot", &["config", "get"]).assert_code(1).err.contains("limited"));
    assert!(by("stranger", &["backend", "list"]).assert_code(1).err.contains("auth.clients"));
    for name in ["false", "old"] {
        let ended = by(name, &["backend", "list"]).assert_code(1);
        assert!(ended.err.contains("certificate of --cert"), "{name}: {ended:#?}");
    }
    // A token says who it is, whatever the certificate.
    let token = path(&proxy, "token");
    by("stranger", &["--token-file", &token, "config", "get"]).assert_code(0);
    eventually("the change has its author", || {
        audit(&proxy).iter().any(|line| line["who"] == "ops.example" && line["result"] == "ok")
    });
}

/// One request to the admin face over TLS; gives the whole answer.
fn https(address: SocketAddr, ca: &str, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).expect("a file") {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "proxy.example".try_into().expect("a name"));
    let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the proxy listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut stream = StreamOwned::new(connection.expect("a connection"), socket);
    stream.write_all(request.as_bytes()).expect("the proxy takes what is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer to its end");
    answer
}

#[test]
fn the_admin_face_has_tls_and_the_names_of_its_certificate() {
    let proxy = secure(&["proxy.example"], Validity::Current);
    let ca = path(&proxy, "ca.crt");
    let get = |target: &str, host: &str, more: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        let answer = https(proxy.admin_address(), &ca, &request);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let bearer = "Authorization: Bearer token-read\r\n";
    assert_eq!(get("/healthz", "proxy.example", ""), "200");
    assert_eq!(get("/metrics", "proxy.example", ""), "401");
    assert_eq!(get("/metrics", "proxy.example:9091", bearer), "200");
    assert_eq!(get("/metrics", "evil.example", bearer), "421");
    assert_eq!(get("/metrics", "proxy.example", &format!("{bearer}Origin: https://evil.example\r\n")), "403");
    assert_eq!(get("/metrics", "proxy.example", &format!("{bearer}Origin: https://proxy.example\r\n")), "200");
}

#[test]
fn who_says_nothing_holds_up_nobody_and_is_let_go() {
    let proxy = secure(&["127.0.0.1"], Validity::Current);
    let plain = Proxy::start(&Config::one(refused()));
    let connect = |address| TcpStream::connect_timeout(&address, PATIENCE).expect("the proxy listens");
    let silent: Vec<TcpStream> = (0..50).map(|_| connect(proxy.grpc_address())).collect();
    let mut one = connect(plain.grpc_address());
    let endpoint = format!("https://{}", proxy.grpc_address());
    let (ca, token) = (path(&proxy, "ca.crt"), path(&proxy, "token"));
    speedctl(&endpoint, &["--ca", &ca, "--token-file", &token, "backend", "list"]).assert_code(0);
    // Ten seconds, on either kind of connection.
    for stream in silent.iter().take(3).chain([&one]) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    }
    for mut stream in silent.into_iter().take(3) {
        assert_eq!(stream.read(&mut [0; 64]).expect("the proxy closes"), 0);
    }
    let mut rest = Vec::new();
    // HTTP/2 says what it wants before it goes.
    let _ = one.read_to_end(&mut rest).expect("the proxy closes");
}

#[test]
fn a_guesser_waits_and_whoever_has_a_token_does_not() {
    let proxy = start(folder(), &Config::one(refused()), "auth: {tokens_file: tokens}", "");
    let endpoint = format!("http://{}", proxy.grpc_address());
    write_secret(&proxy.path("token"), "token-read\n");
    write_secret(&proxy.path("wrong"), "token-nearly\n");
    let (token, wrong) = (path(&proxy, "token"), path(&proxy, "wrong"));
    let list = |file: &str| {
        let begun = std::time::Instant::now();
        (speedctl(&endpoint, &["--token-file", file, "backend", "list"]).code, begun.elapsed())
    };
    let guesses: Vec<_> = (0..7).map(|_| list(&wrong)).collect();
    assert!(guesses.iter().all(|(code, _)| *code == Some(1)), "{guesses:?}");
    // The seventh waits for 0.8 s; whoever knows a token, from the same address, for nothing.
    assert!(guesses[6].1.as_millis() >= 800, "{guesses:?}");
    assert_eq!(list(&token).0, Some(0));
}
