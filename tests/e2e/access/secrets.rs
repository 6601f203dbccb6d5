//! What headers are set to is shown to admins alone, whatever is read, and is in no log; a mask is never stored.

use std::collections::BTreeSet;

use prost_reflect::prost::Message;
use speedmimi_proto::v1::config_service_client::ConfigServiceClient;
use speedmimi_proto::v1::route_service_client::RouteServiceClient;
use speedmimi_proto::v1::watch_config_response::Message as Told;
use speedmimi_proto::v1::*;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::bench::{Bench, HERE, KNOWN, OBJECTS, SECRET, Who, with};
use super::folder;
use crate::harness::{Config, PATIENCE, Proxy, eventually, named};

const READ: Who = KNOWN[0];
const ADMIN: Who = KNOWN[3];
const MASK: &str = "***";

/// The reads that have headers in them.
const SHOWING: [&str; 5] = ["GetConfig", "GetRoute", "ListRevisions", "ListRoutes", "WatchConfig"];

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn headers(value: &str) -> Option<HeaderRules> {
    let set = [("Authorization".to_owned(), value.to_owned())].into();
    let request = Some(HeaderEdits { set, ..HeaderEdits::default() });
    Some(HeaderRules { request, response: None })
}

fn owned(value: &str) -> Option<Route> {
    Some(Route { name: "owned".into(), headers: headers(value), ..Route::default() })
}

impl Bench {
    fn update_route(&self, channel: &Channel, value: &str) -> Result<UpdateRouteResponse, Status> {
        let request = UpdateRouteRequest { route: owned(value), ..UpdateRouteRequest::default() };
        let call = async { RouteServiceClient::new(channel.clone()).update_route(with(ADMIN, request)).await };
        self.runtime.block_on(call).map(tonic::Response::into_inner)
    }

    fn shown(&self, channel: &Channel, who: Who, format: ConfigFormat, layer: ConfigLayer) -> GetConfigResponse {
        let request = GetConfigRequest { format: format.into(), layer: layer.into(), explain: true };
        let call = async { ConfigServiceClient::new(channel.clone()).get_config(with(who, request)).await };
        self.runtime.block_on(call).expect("it is shown").into_inner()
    }
}

#[test]
fn every_read_shows_secrets_to_admins_and_masks_to_others() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let answer = bench.update_route(&channel, "Bearer s3cr3t-5").expect("valid");
    assert!(has(&answer.encode_to_vec(), SECRET), "an admin sees what it did: {answer:?}");
    let (mut plain, mut masked, mut asked) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (verb, method) in bench.methods().into_iter().filter(|(verb, _)| !verb.changes()) {
        for who in KNOWN {
            for object in OBJECTS.into_iter().chain([""]) {
                let answer = bench.call(&channel, &method, who, object);
                let is_admin = who.name == "admin" || who.name == "lord";
                asked += 1;
                match answer {
                    Ok(bytes) => {
                        assert!(is_admin || !has(&bytes, SECRET), "{} shows {} a secret", verb.name, who.name);
                        assert!(!is_admin || !has(&bytes, MASK), "{} shows {} a mask", verb.name, who.name);
                        let name = method.name().to_owned();
                        if who == ADMIN && has(&bytes, SECRET) {
                            plain.insert(name);
                        } else if who == READ && has(&bytes, MASK) {
                            masked.insert(name);
                        }
                    }
                    Err(refusal) => {
                        let told = format!("{refusal:?}");
                        assert!(!told.contains(SECRET), "{} tells {}: {told}", verb.name, who.name);
                    }
                }
            }
        }
    }
    let showing: BTreeSet<String> = SHOWING.map(str::to_owned).into();
    assert_eq!((&plain, &masked), (&showing, &showing), "of {asked} reads");
}

#[test]
fn every_layer_and_format_of_the_configuration_is_masked_and_what_an_admin_exports_is_whole() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    bench.update_route(&channel, "Bearer s3cr3t-5").expect("valid");
    for format in [ConfigFormat::Yaml, ConfigFormat::Json] {
        for (layer, authorization) in [(ConfigLayer::Effective, "s3cr3t-5"), (ConfigLayer::File, "s3cr3t-1")] {
            let whole = bench.shown(&channel, ADMIN, format, layer);
            assert!(whole.document.contains(authorization) && whole.document.contains("s3cr3t-4"), "{whole:#?}");
            let masked = bench.shown(&channel, READ, format, layer);
            assert!(!has(&masked.encode_to_vec(), SECRET), "{masked:#?}");
            let parse = |document: &str| speedmimi_model::parse("export", document);
            let whole = parse(&whole.document).expect("an export is a configuration");
            assert_eq!(
                whole.without_secrets().to_json().to_string().matches(MASK).count(),
                8 - usize::from(layer == ConfigLayer::Effective)
            );
            let refused = parse(&masked.document).expect_err("a mask is no value");
            assert!(refused.to_string().contains("headers.request.set.Authorization"), "{refused}");
        }
    }
}

#[test]
fn a_watch_tells_of_changes_with_masks() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let mut told = Vec::new();
    for who in [READ, ADMIN] {
        let call = async {
            ConfigServiceClient::new(channel.clone()).watch_config(with(who, WatchConfigRequest::default())).await
        };
        let mut stream = bench.runtime.block_on(call).expect("it may watch").into_inner();
        let mut next = || {
            let next = async { tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time") };
            bench.runtime.block_on(next).expect("it goes on").expect("it goes on").message.expect("it says something")
        };
        while !matches!(next(), Told::Resync(ConfigResync { end: true, .. })) {}
        bench.update_route(&channel, &format!("Bearer s3cr3t-{}", who.name)).expect("valid");
        let event = loop {
            if let Told::Event(event) = next() {
                break event;
            }
        };
        told.push((has(&event.encode_to_vec(), SECRET), has(&event.encode_to_vec(), MASK)));
    }
    assert_eq!(told, [(false, true), (true, false)]);
}

#[test]
fn a_mask_that_comes_back_is_refused_and_nothing_is_lost() {
    let (bench, _backend) = Bench::start();
    let channel = bench.channel(HERE);
    let whole = || bench.shown(&channel, ADMIN, ConfigFormat::Yaml, ConfigLayer::Effective);
    let before = whole();
    let assert_refused = |refusal: Status, field: &str| {
        assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
        let told = refusal.message();
        assert!(told.contains(field) && told.contains("mask") && told.contains("admin"), "{told}");
        assert!(!told.contains(SECRET), "{told}");
    };
    assert_refused(bench.update_route(&channel, MASK).expect_err("a mask"), "route.headers.request.set.Authorization");
    let route =
        Some(Route { name: "new".into(), upstream: Some("owned".into()), headers: headers(MASK), ..Route::default() });
    let call = async {
        RouteServiceClient::new(channel.clone()).add_route(with(ADMIN, AddRouteRequest { route, options: None })).await
    };
    assert_refused(bench.runtime.block_on(call).expect_err("a mask"), "route.headers.request.set.Authorization");
    // What a lesser role read, given back by an admin.
    let document = bench.shown(&channel, READ, ConfigFormat::Yaml, ConfigLayer::Effective).document;
    let apply = |document: String| {
        let request = with(ADMIN, ApplyConfigRequest { document, options: None });
        let call = async { ConfigServiceClient::new(channel.clone()).apply_config(request).await };
        bench.runtime.block_on(call).map(tonic::Response::into_inner)
    };
    let refusal = apply(document).expect_err("masks");
    for route in ["owned", "other"] {
        assert_refused(refusal.clone(), &format!("routing.{route}.headers.response.add.X-Add"));
    }
    assert_eq!(whole(), before, "nothing was changed");
    assert_eq!(apply(before.document.clone()).expect("what an admin read").differences, []);
}

#[test]
fn a_reload_puts_no_secret_into_any_log() {
    let backend = named("b1");
    let route = |value: &str| {
        let config = Config::one(backend.address()).route("all", "upstream: default");
        config.route("all", &format!("headers: {{request: {{set: {{Authorization: {value}}}}}}}"))
    };
    let dir = folder();
    let proxy = Proxy::start_in(dir, &route("Bearer s3cr3t-1").yaml());
    let management = proxy.management();
    proxy.rewrite(&route("Bearer s3cr3t-2").yaml());
    management.reload().expect("valid");
    proxy.rewrite(&route("\"Bearer s3cr3t-3\\n\"").yaml());
    let refusal = management.reload().expect_err("a line end in a header");
    assert!(refusal.message().contains("headers.request.set.Authorization"), "{refusal:?}");
    assert!(!format!("{refusal:?}").contains(SECRET), "{refusal:?}");
    proxy.signal(rustix::process::Signal::HUP);
    eventually("both refusals are in the audit log", || super::audit(&proxy).len() == 3);
    let place = "config.yaml:";
    let lines = proxy.log();
    assert!(lines.iter().any(|line| line.contains("configuration reloaded")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("reload refused") && line.contains(place)), "{lines:#?}");
    assert!(super::audit(&proxy)[1]["error"].as_str().is_some_and(|error| error.contains(place)), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(SECRET)), "{lines:#?}");
    let request = WatchEventsRequest { recent: 100, ..WatchEventsRequest::default() };
    let mut events = management.call(management.server().watch_events(request)).expect("it may watch");
    loop {
        let next = async { events.message().await.map(tonic::Response::new) };
        let event = management.call(next).expect("it goes on").expect("it goes on");
        let told = format!("{event:?}");
        assert!(!told.contains(SECRET), "{told}");
        if told.contains("reload refused") {
            assert!(told.contains(place), "{told}");
            break;
        }
    }
}
