//! Who the client is, and what backends are told about it.

use std::collections::HashSet;

use crate::harness::{Backend, Config, Proxy, Seen, named};

const LIES: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                    Forwarded: for=6.6.6.6;proto=https\r\nX-Real-IP: 6.6.6.6\r\n";

fn ask(proxy: &Proxy, backend: &Backend, fields: &str) -> Seen {
    let before = backend.seen().len();
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: e2e.test\r\n{fields}\r\n"));
    client.response().assert_forwarded(200);
    backend.seen().swap_remove(before)
}

#[test]
fn forwarding_fields_are_set_for_a_client_that_sends_none() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let seen = ask(&proxy, &backend, "");
    assert_eq!(seen.fields.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.fields.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.fields.all("x-forwarded-host"), ["e2e.test"]);
}

#[test]
fn forwarding_fields_of_an_untrusted_client_are_replaced() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("real_ip_header: X-Real-IP"));
    let seen = ask(&proxy, &backend, LIES);
    assert_eq!(seen.fields.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.fields.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.fields.all("x-forwarded-host"), ["e2e.test"]);
    assert!(!seen.fields.has("forwarded"));
    assert!(!seen.fields.all("x-real-ip").contains(&"6.6.6.6"), "{seen:#?}");
}

#[test]
fn forwarding_fields_of_a_trusted_peer_are_appended_to_or_kept() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("trusted_proxies: [127.0.0.1/32]"));
    let seen = ask(&proxy, &backend, LIES);
    let chain = seen.fields.all("x-forwarded-for").join(", ");
    assert_eq!(chain.replace(' ', ""), "6.6.6.6,127.0.0.1");
    assert_eq!(seen.fields.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.fields.all("x-forwarded-host"), ["evil.test"]);
}

#[test]
fn a_peer_outside_the_trusted_networks_is_not_trusted() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()).server("trusted_proxies: [10.0.0.0/8, '::1/128']"));
    assert_eq!(ask(&proxy, &backend, LIES).fields.all("x-forwarded-for"), ["127.0.0.1"]);
}

/// Which backends `ip_hash` picks for requests that differ in one field.
fn backends_for(server: &[&str], fields: impl Fn(u8) -> String) -> HashSet<String> {
    let backends: Vec<Backend> = (0..4).map(|n| named(&format!("b{n}"))).collect();
    let mut config = Config::new().upstream("load_balancer: ip_hash");
    for (n, backend) in backends.iter().enumerate() {
        config = config.backend(&format!("b{n}"), backend.address());
    }
    for line in server {
        config = config.server(line);
    }
    let proxy = Proxy::start(&config);
    let mut client = proxy.client();
    (0..40)
        .map(|n| {
            client.send(format!("GET / HTTP/1.1\r\nHost: e2e.test\r\n{}\r\n", fields(n)));
            client.response().text()
        })
        .collect()
}

#[test]
fn an_untrusted_client_cannot_choose_its_address() {
    let header = "real_ip_header: X-Real-IP";
    let picked = backends_for(&[header], |n| format!("X-Real-IP: 7.7.7.{n}\r\nX-Forwarded-For: 7.7.7.{n}\r\n"));
    assert_eq!(picked.len(), 1, "one client, one backend: {picked:?}");
}

#[test]
fn a_trusted_peer_names_the_client_by_real_ip_header() {
    let server = ["real_ip_header: X-Real-IP", "trusted_proxies: [127.0.0.0/8]"];
    let picked = backends_for(&server, |n| format!("X-Real-IP: 7.7.7.{n}\r\n"));
    assert_eq!(picked.len(), 4, "forty clients spread over four backends: {picked:?}");
}

#[test]
fn the_client_is_the_first_untrusted_address_from_the_right() {
    let server = ["real_ip_header: X-Forwarded-For", "trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]"];
    let same = backends_for(&server, |n| format!("X-Forwarded-For: 7.7.7.{n}, 5.5.5.5, 10.0.0.1\r\n"));
    assert_eq!(same.len(), 1, "what stands left of the first untrusted address is hearsay: {same:?}");
    let different = backends_for(&server, |n| format!("X-Forwarded-For: 5.5.5.{n}, 10.0.0.1\r\n"));
    assert_eq!(different.len(), 4, "{different:?}");
}
