//! `grpc.health.v1`: what a load balancer or an orchestrator asks.

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tokio::task::JoinSet;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use super::is_ready;
use crate::control::Control;

/// Names that can be asked for: every service there is; the empty one is the whole.
fn names() -> Vec<String> {
    let set = FileDescriptorSet::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).expect("it was written by the build");
    let named = |file: &FileDescriptorProto| {
        let package = file.package().to_owned();
        let names = file.service.iter().map(move |service| format!("{package}.{}", service.name()));
        names.collect::<Vec<_>>()
    };
    set.file.iter().flat_map(named).chain([String::new()]).collect()
}

/// The service, kept in step with the phase of the process by a task.
pub(super) async fn service(control: &Control, tasks: &mut JoinSet<()>) -> HealthServer<impl Health + use<>> {
    let (reporter, server) = health_reporter();
    let names = names();
    tell(&reporter, &names, is_ready(control)).await;
    let control = control.clone();
    let mut phases = control.lifecycle().watch();
    tasks.spawn(async move {
        loop {
            tell(&reporter, &names, is_ready(&control)).await;
            if phases.changed().await.is_err() {
                return;
            }
        }
    });
    server
}

async fn tell(reporter: &HealthReporter, names: &[String], ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in names {
        reporter.set_service_status(name, status).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::VERBS;

    #[test]
    fn every_service_that_can_be_called_can_be_asked_for() {
        let called = VERBS.iter().filter(|verb| !verb.later).filter_map(|verb| verb.name.split_once('/'));
        let own: BTreeSet<&str> =
            called.map(|(service, _)| service).filter(|service| service.starts_with("speedmimi.")).collect();
        let names = names();
        let asked: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        assert_eq!(asked, own);
        assert!(names.contains(&String::new()), "the whole");
    }
}
