//! Files of tokens and certificates: good at the start, and again after every reload.

use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{audit, folder, speedctl, start, yaml};
use crate::harness::{
    Authority, Config, Ended, Proxy, SPEEDMIMI, Validity, eventually, refused, run, token_line, write_secret,
};

fn run_in(dir: &TempDir, command: &str, yaml: &str) -> Ended {
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, yaml).expect("the temporary folder can be written");
    run(Command::new(SPEEDMIMI).current_dir(dir.path()).args([command, "-c"]).arg(&file))
}

#[test]
fn a_bad_file_refuses_the_start_and_is_named_with_its_key() {
    let dir = folder();
    let authority = Authority::new("one");
    authority.issue(dir.path(), "m", &["localhost"], Validity::Current);
    authority.issue(dir.path(), "n", &["localhost"], Validity::Current);
    write_secret(&dir.path().join("bad"), "ops king sha256:00\n\nx\n");
    write_secret(&dir.path().join("open"), "");
    std::fs::set_permissions(dir.path().join("open"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .expect("it is ours");
    let config = Config::one(refused());
    for (grpc, told) in [
        ("auth: {tokens_file: none}", &["grpc.auth.tokens_file: none: "][..]),
        ("auth: {tokens_file: bad}", &["tokens_file: bad:1: ", "\"king\"", "tokens_file: bad:3: "]),
        ("auth: {tokens_file: open}", &["grpc.auth.tokens_file: open: ", "chmod 600"]),
        ("tls: {cert_file: none, key_file: tokens}", &["grpc.tls.cert_file: none: ", "grpc.tls.key_file: tokens: "]),
        ("tls: {cert_file: m.crt, key_file: n.key}", &["grpc.tls.key_file: n.key: does not fit m.crt"]),
    ] {
        for command in ["run", "check"] {
            let ended = run_in(&dir, command, &yaml(&config, grpc, "")).assert_code(64);
            assert!(told.iter().all(|part| ended.err.contains(part)), "{command} {grpc}: {ended:#?}");
        }
    }
}

#[test]
fn an_address_for_others_is_served_with_tls_and_tokens_and_not_without() {
    let dir = folder();
    let authority = Authority::new("one");
    authority.write(&dir.path().join("ca.crt"));
    authority.issue(dir.path(), "m", &["localhost", "127.0.0.1"], Validity::Current);
    let config = Config::one(refused());
    let (tls, auth) = ("tls: {cert_file: m.crt, key_file: m.key}", "auth: {tokens_file: tokens}");
    let open = "host: 0.0.0.0";
    for (section, told) in [
        (open.to_owned(), &["grpc.tls.cert_file and grpc.tls.key_file", "grpc.auth.tokens_file"][..]),
        (format!("{open}, {tls}"), &["grpc.auth.tokens_file"]),
        (format!("{open}, {auth}"), &["grpc.tls.cert_file and grpc.tls.key_file"]),
    ] {
        for command in ["run", "check"] {
            let ended = run_in(&dir, command, &yaml(&config, &section, "")).assert_code(64);
            assert!(told.iter().all(|part| ended.err.contains(part)), "{section}: {ended:#?}");
            let admin = run_in(&dir, command, &yaml(&config, "", &section)).assert_code(64);
            assert!(
                told.iter().all(|part| admin.err.contains(&part.replace("grpc", "admin"))),
                "{section}: {admin:#?}"
            );
        }
    }
    let section = format!("{open}, {tls}, {auth}");
    let proxy = start(dir, &config, &section, &section);
    assert!(proxy.grpc_address().ip().is_unspecified());
    let endpoint = format!("https://127.0.0.1:{}", proxy.grpc_address().port());
    let token = token(&proxy, "read");
    let ca = proxy.path("ca.crt").display().to_string();
    speedctl(&endpoint, &["--ca", &ca, "--token-file", &token, "backend", "list"]).assert_code(0);
}

fn token(proxy: &Proxy, name: &str) -> String {
    let path = proxy.path("token");
    write_secret(&path, &format!("token-{name}\n"));
    path.display().to_string()
}

#[test]
fn tokens_are_read_again_on_reload_all_or_none() {
    let proxy = start(folder(), &Config::one(refused()), "auth: {tokens_file: tokens}", "");
    let endpoint = format!("http://{}", proxy.grpc_address());
    let admin = token(&proxy, "admin");
    let list = || speedctl(&endpoint, &["--token-file", &admin, "backend", "list"]).code;
    let reload = || speedctl(&endpoint, &["--token-file", &admin, "config", "reload"]);
    write_secret(&proxy.path("tokens"), "# nobody\nops king sha256:00\n");
    let ended = reload().assert_code(1);
    assert!(ended.err.contains("grpc.auth.tokens_file: tokens:2: "), "{ended:#?}");
    assert_eq!(list(), Some(0), "the old tokens hold");
    let text = token_line("boss", "admin", "token-admin", "") + &token_line("new", "read", "token-new", "");
    write_secret(&proxy.path("tokens"), &text);
    let told = reload().assert_code(0);
    for line in
        ["- grpc.auth.tokens_file.operate: operate", "+ grpc.auth.tokens_file.new: read", "read again: grpc.auth"]
    {
        assert!(told.out.contains(line), "{line}: {told:#?}");
    }
    assert!(!told.out.contains("nothing changes"), "{told:#?}");
    eventually("the audit log says it as well", || {
        let lines = audit(&proxy);
        let line = lines.iter().find(|line| line["result"] == "ok" && line["object"] == "configuration");
        line.is_some_and(|line| {
            let has = |key: &str, word: &str| line[key].as_str().is_some_and(|text| text.contains(word));
            has("before", "tokens_file.operate=\"operate\"") && has("after", "tokens_file.new=\"read\"")
        })
    });
    let new = proxy.path("new");
    write_secret(&new, "token-new");
    let new = new.display().to_string();
    speedctl(&endpoint, &["--token-file", &new, "backend", "list"]).assert_code(0);
    // By signal as well: the one who could is gone.
    write_secret(&proxy.path("tokens"), &token_line("new", "read", "token-new", ""));
    proxy.signal(Signal::HUP);
    eventually("the old token is withdrawn", || list() == Some(1));
}

#[test]
fn certificates_are_read_again_on_reload() {
    let dir = folder();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.write(&dir.path().join("old.crt"));
    new.write(&dir.path().join("new.crt"));
    old.issue(dir.path(), "m", &["127.0.0.1"], Validity::Current);
    let tls = "tls: {cert_file: m.crt, key_file: m.key}";
    let proxy = start(dir, &Config::one(refused()), tls, "");
    let endpoint = format!("https://{}", proxy.grpc_address());
    let list = |ca: &str| {
        let ca = proxy.path(ca).display().to_string();
        speedctl(&endpoint, &["--ca", &ca, "backend", "list"]).code
    };
    assert_eq!((list("old.crt"), list("new.crt")), (Some(0), Some(3)));
    new.issue(&proxy.path(""), "m", &["127.0.0.1"], Validity::Current);
    proxy.signal(Signal::HUP);
    eventually("the new certificate is shown", || list("new.crt") == Some(0));
    assert_eq!(list("old.crt"), Some(3));
}
