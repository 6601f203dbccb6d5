//! `grpc.health.v1`: what a load balancer or an orchestrator asks.

use tokio::task::JoinSet;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use super::is_ready;
use crate::control::Control;

/// Names that can be asked for; the empty one is the whole.
const SERVICES: [&str; 7] = [
    "",
    "speedmimi.v1.BackendService",
    "speedmimi.v1.ConfigService",
    "speedmimi.v1.RouteService",
    "speedmimi.v1.ServerService",
    "speedmimi.v1.StatsService",
    "speedmimi.v1.UpstreamService",
];

/// The service, kept in step with the phase of the process by a task.
pub(super) async fn service(control: &Control, tasks: &mut JoinSet<()>) -> HealthServer<impl Health + use<>> {
    let (reporter, server) = health_reporter();
    tell(&reporter, is_ready(control)).await;
    let control = control.clone();
    let mut phases = control.lifecycle().watch();
    tasks.spawn(async move {
        loop {
            tell(&reporter, is_ready(&control)).await;
            if phases.changed().await.is_err() {
                return;
            }
        }
    });
    server
}

async fn tell(reporter: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in SERVICES {
        reporter.set_service_status(name, status).await;
    }
}
