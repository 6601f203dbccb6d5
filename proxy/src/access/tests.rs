//! The table, the faces and the files together.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use speedmimi_model::{Auth, AuthClient, ManagementTls, Role};
use tempfile::TempDir;

use super::*;
use crate::control::{Caller, Scope};

/// Hash of `sesame`.
const HASH: &str = "sha256:d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";

fn caller(role: Role, scope: Scope) -> Caller {
    Caller { role, scope, ..Caller::api("test") }
}

#[test]
fn a_name_stands_in_the_table_once() {
    for row in VERBS {
        assert_eq!(VERBS.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
    }
}

#[test]
fn what_is_in_no_row_nobody_may() {
    let denied = authorise(&caller(Role::Admin, Scope::default()), "speedmimi.v1.BackendService/Destroy", None);
    assert_eq!(denied.expect_err("no such row").needed, Needed::Nothing);
}

#[test]
fn roles_reach_as_far_as_they_say() {
    let may = |role, name: &str| authorise(&caller(role, Scope::default()), name, None).is_ok();
    let who = |name| Role::ALL.into_iter().filter(|role| may(*role, name)).collect::<Vec<_>>();
    assert_eq!(who("speedmimi.v1.BackendService/ListBackends"), [Role::Read, Role::Operate, Role::Admin]);
    assert_eq!(who("speedmimi.v1.BackendService/ReportPerformance"), [Role::Report, Role::Operate, Role::Admin]);
    assert_eq!(who("speedmimi.v1.BackendService/DrainBackend"), [Role::Operate, Role::Admin]);
    assert_eq!(who("speedmimi.v1.ConfigService/ApplyConfig"), [Role::Admin]);
    assert_eq!(who("grpc.health.v1.Health/Check"), Role::ALL);
}

#[test]
fn limits_hold_for_every_row() {
    let limited = caller(Role::Admin, Scope::only(&["own".to_owned()]));
    for row in VERBS.iter().filter(|row| row.right != Right::Open) {
        let whole = row.reach == Reach::Whole;
        assert_eq!(authorise(&limited, row.name, None).is_err(), whole, "{}", row.name);
        assert_eq!(authorise(&limited, row.name, Some("own")).is_err(), whole, "{}", row.name);
        assert!(authorise(&limited, row.name, Some("other")).is_err(), "{}", row.name);
    }
}

fn with_tokens(tokens: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    write(&path, tokens);
    let auth = Auth { tokens_file: Some(path), clients: Vec::new() };
    let grpc = Management { auth: Some(auth), ..Management::on(0) };
    (folder, Config { grpc, ..Config::default() })
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

fn identify(face: &Face, peer: &Peer, values: &[&str]) -> Result<Caller, Unknown> {
    face.identify(peer, values.iter().map(|value| value.as_bytes()))
}

#[test]
fn callers_are_known_by_what_they_show() {
    let (_folder, config) = with_tokens(&format!("ops operate {HASH} upstreams=a\n"));
    let access = Access::load(&config).expect("good files");
    let tcp = Peer::tcp(([127, 0, 0, 1], 5).into());
    let found = identify(&access.grpc, &tcp, &["bearer sesame"]).expect("a token");
    assert_eq!((&*found.who, &*found.from, found.role), ("ops", "127.0.0.1:5", Role::Operate));
    assert!(found.scope.is_limited() && found.scope.has("a"));
    for (values, why) in [
        (&[][..], Unknown::Silent),
        (&["Bearer open"], Unknown::Token),
        (&["Basic sesame"], Unknown::Malformed),
        (&["Bearer "], Unknown::Malformed),
        (&["Bearer sesame", "Bearer sesame"], Unknown::Malformed),
    ] {
        assert_eq!(identify(&access.grpc, &tcp, values), Err(why), "{values:?}");
    }
    // A unix socket says who it is, and takes a token as well.
    let own = rustix::process::geteuid().as_raw();
    let by_user = identify(&access.grpc, &Peer::unix(Some(own)), &[]).expect("our own user");
    assert_eq!((&*by_user.who, by_user.role), (&*format!("uid:{own}"), Role::Admin));
    assert_eq!(identify(&access.grpc, &Peer::unix(Some(own)), &["Bearer open"]), Err(Unknown::Token));
    assert_eq!(identify(&access.grpc, &Peer::unix(Some(4_000_000)), &[]), Err(Unknown::User(4_000_000)));
    assert!(identify(&access.grpc, &Peer::unix(Some(4_000_000)), &["Bearer sesame"]).is_ok());
    // Where nobody is asked, this machine may everything and no other may anything.
    assert_eq!(identify(&access.admin, &tcp, &[]).expect("loopback").role, Role::Admin);
    assert_eq!(identify(&access.admin, &Peer::tcp(([10, 0, 0, 1], 5).into()), &[]), Err(Unknown::Elsewhere));
}

#[test]
fn bad_files_leave_the_old_ones_in_force() {
    let (folder, config) = with_tokens(&format!("ops operate {HASH}\n"));
    let access = Access::load(&config).expect("good files");
    let tcp = Peer::tcp(([127, 0, 0, 1], 5).into());
    let role = || identify(&access.grpc, &tcp, &["Bearer sesame"]).map(|caller| caller.role);
    let path = folder.path().join("tokens");
    write(&path, "ops king\n");
    let faults = access.read_again(&config).expect_err("no such role").0;
    assert!(faults[0].starts_with("grpc.auth.tokens_file: ") && faults[0].contains("tokens:1: "), "{faults:?}");
    assert_eq!(role(), Ok(Role::Operate));
    write(&path, &format!("ops read {HASH}\n"));
    let renewed = access.read_again(&config).expect("good files");
    assert_eq!(role(), Ok(Role::Operate));
    renewed.install();
    assert_eq!(role(), Ok(Role::Read));
}

#[test]
fn what_the_files_say_otherwise_is_told_by_name_and_without_secrets() {
    let other = format!("sha256:{}", "0".repeat(64));
    let third = format!("sha256:{}", "1".repeat(64));
    let (folder, config) =
        with_tokens(&format!("ops operate {HASH}\ngone read {other}\nlost admin {third} upstreams=a\n"));
    let access = Access::load(&config).expect("good files");
    let same = access.read_again(&config).expect("good files");
    assert_eq!((same.files.as_slice(), same.changes.len()), (&["grpc.auth.tokens_file: 3 tokens".to_owned()][..], 0));
    // Another right, one that is gone, one that is new, and a token in the place of another.
    write(
        &folder.path().join("tokens"),
        &format!(
            "ops read {HASH} upstreams=a,b\nnew report {other}\nlost admin sha256:{} upstreams=a\n",
            "2".repeat(64)
        ),
    );
    let renewed = access.read_again(&config).expect("good files");
    let told: Vec<_> =
        renewed.changes.iter().map(|one| (&*one.path, one.before.as_deref(), one.after.as_deref())).collect();
    let key = "grpc.auth.tokens_file";
    let expected = [
        (format!("{key}.gone"), Some("read"), None),
        (format!("{key}.lost"), Some("admin upstreams=a"), Some("admin upstreams=a, another token")),
        (format!("{key}.new"), None, Some("report")),
        (format!("{key}.ops"), Some("operate"), Some("read upstreams=a,b")),
    ];
    assert_eq!(told, expected.each_ref().map(|(path, before, after)| (&**path, *before, *after)));
    assert!(!format!("{told:?}{:?}", renewed.files).contains("0000"), "{renewed:?}");
    renewed.install();
    assert!(access.read_again(&config).expect("good files").changes.is_empty(), "it is in force now");
}

#[test]
fn other_certificates_are_told_by_their_fingerprints() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let make = || {
        let made = rcgen::generate_simple_self_signed(["m.example".to_owned()]).expect("a certificate");
        write(&path("cert"), &made.cert.pem());
        write(&path("key"), &made.signing_key.serialize_pem());
    };
    make();
    let client_ca_file = Some(path("cert"));
    let tls = ManagementTls { cert_file: path("cert"), key_file: path("key"), client_ca_file };
    let config = Config { admin: Management { tls: Some(tls), ..Management::on(0) }, ..Config::default() };
    let access = Access::load(&config).expect("good files");
    let same = access.read_again(&config).expect("good files");
    assert!(same.files[0].starts_with("admin.tls.cert_file: sha256 ") && same.changes.is_empty(), "{same:?}");
    assert_eq!(same.files[1], "admin.tls.client_ca_file: 1 authority");
    make();
    let changes = access.read_again(&config).expect("good files").changes;
    let keys: Vec<_> = changes.iter().map(|one| &*one.path).collect();
    assert_eq!(keys, ["admin.tls.cert_file", "admin.tls.client_ca_file"], "{changes:?}");
    assert!(changes.iter().all(|one| one.before.is_some() && one.after.is_some() && one.before != one.after));
}

#[test]
fn bad_certificates_name_their_key_and_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(["m.example".to_owned()]).expect("a certificate");
    write(&path("cert"), &made.cert.pem());
    write(&path("key"), &made.signing_key.serialize_pem());
    write(&path("other"), &KeyPair::generate().expect("a key").serialize_pem());
    write(&path("text"), "nothing\n");
    let load = |cert: &str, key: &str, ca: Option<&str>| {
        let tls = ManagementTls { cert_file: path(cert), key_file: path(key), client_ca_file: ca.map(path) };
        let admin = Management { tls: Some(tls), ..Management::on(0) };
        Access::load(&Config { admin, ..Config::default() })
    };
    let faults = load("none", "text", Some("text")).expect_err("three bad files").0;
    let keys: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap_or_default()).collect();
    assert_eq!(keys, ["admin.tls.cert_file", "admin.tls.key_file", "admin.tls.client_ca_file"], "{faults:?}");
    let fault = load("cert", "other", None).expect_err("another key").to_string();
    assert!(fault.starts_with("admin.tls.key_file: ") && fault.contains("does not fit"), "{fault}");
    let access = load("cert", "key", Some("cert")).expect("good files");
    assert!(access.admin.tls().is_some() && access.admin.is_named("m.example") && !access.admin.is_named("x.example"));
}

#[test]
fn a_certificate_stands_for_the_client_that_has_one_of_its_names() {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        let uri = "spiffe://example/ops".try_into().expect("ASCII");
        params.subject_alt_names.push(rcgen::SanType::URI(uri));
        let signed = params.signed_by(&KeyPair::generate().expect("a key"), &authority).expect("a certificate");
        signed.der().to_vec()
    };
    let client = |san: &str| AuthClient { san: san.to_owned(), role: Role::Read, upstreams: Vec::new() };
    let tcp = || Peer::tcp(([127, 0, 0, 1], 5).into());
    let certificate = of(&["Ops.example", "10.1.2.3"]);
    for san in ["ops.example", "10.1.2.3", "spiffe://example/ops"] {
        let peer = tcp().with_certificate(Some(&certificate), &[client("x.example"), client(san)]);
        assert_eq!(peer.certified, Certified::Client(client(san)));
    }
    let stranger = tcp().with_certificate(Some(&certificate), &[client("example"), client("spiffe://example/OPS")]);
    assert_eq!(stranger.certified, Certified::Stranger);
    assert_eq!(tcp().with_certificate(None, &[client("ops.example")]).certified, Certified::No);
}
