//! Who can reach management: loopback and unix sockets, nothing else.

use std::fs;
use std::process::Command;

use crate::harness::{Config, SPEEDMIMI, named, run};

#[test]
fn a_non_loopback_bind_of_management_refuses_to_start_and_says_why() {
    let backend = named("b1");
    for (grpc, admin) in
        [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("'::'", "127.0.0.1"), ("192.0.2.1", "127.0.0.1")]
    {
        let yaml = Config::one(backend.address())
            .yaml()
            .replace("grpc: {port: 0}", &format!("grpc: {{host: {grpc}, port: 0}}"))
            .replace("admin: {port: 0}", &format!("admin: {{host: {admin}, port: 0}}"));
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let file = dir.path().join("config.yaml");
        fs::write(&file, yaml).expect("the temporary folder can be written");
        let ended = run(Command::new(SPEEDMIMI).args(["run", "--announce", "-c"]).arg(&file));
        assert_eq!(ended.code, Some(64), "grpc {grpc}, admin {admin}: {ended:#?}");
        assert!(ended.err.contains("loopback"), "{ended:#?}");
    }
}

#[test]
fn management_can_be_switched_off() {
    let backend = named("b1");
    let config = Config::one(backend.address()).grpc("grpc: {enabled: false}");
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let yaml = config.yaml().replace("admin: {port: 0}", "admin: {enabled: false}");
    let proxy = crate::harness::Proxy::start_in(dir, &yaml);
    assert_eq!(proxy.get("/").text(), "b1");
}
