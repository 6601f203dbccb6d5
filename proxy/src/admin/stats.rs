//! `StatsService`.

use std::collections::BTreeMap;

use speedmimi_proto::v1;
use speedmimi_proto::v1::stats_service_server::StatsService;
use tonic::{Request, Response, Status};

use super::status::Violations;
use super::watch::{self, Stream};
use super::{caller, convert, entry};
use crate::control::Control;
use crate::live::{BackendRef, Live};
use crate::reason::Reason;
use crate::telemetry::cells::WorkerCells;
use crate::telemetry::windows::Window;

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Stats(pub(super) Control);

#[tonic::async_trait]
impl StatsService for Stats {
    type WatchStatsStream = Stream<v1::WatchStatsResponse>;

    async fn watch_stats(
        &self,
        request: Request<v1::WatchStatsRequest>,
    ) -> Result<Response<Self::WatchStatsStream>, Status> {
        watch::stats::watch(&self.0, caller::of(&request), request.into_inner()).await.map(Response::new)
    }

    async fn get_server_stats(
        &self,
        _: Request<v1::GetServerStatsRequest>,
    ) -> Result<Response<v1::GetServerStatsResponse>, Status> {
        let live = self.0.live();
        let sum = |field: fn(&WorkerCells) -> u64| live.workers().iter().map(|cells| field(cells)).sum::<u64>();
        Ok(Response::new(v1::GetServerStatsResponse {
            connections: narrow(sum(|cells| cells.connections.get())),
            accepted: sum(|cells| cells.accepted.get()),
            active: narrow(sum(|cells| cells.active.get())),
            requests: sum(|cells| cells.requests.get()),
            retries: sum(|cells| cells.retries.get()),
            evicted: sum(|cells| cells.evicted.get()),
            totals: Some(server_totals(live)),
            windows: self.0.windows().lock().server().iter().map(window).collect(),
            reasons: reasons(live),
        }))
    }

    async fn get_upstream_stats(
        &self,
        request: Request<v1::GetUpstreamStatsRequest>,
    ) -> Result<Response<v1::GetUpstreamStatsResponse>, Status> {
        caller::on(&self.0, &request, &request.get_ref().upstream)?;
        let name = convert::upstream_name(&request.get_ref().upstream).to_owned();
        let view = self.0.view();
        let group = entry::upstream::find(&view.store, &name)?;
        let live = self.0.live();
        let states = entry::upstream::states(live, &name, group);
        let windows = self.0.windows().lock().backends(states.iter().map(|state| state.uid));
        Ok(Response::new(v1::GetUpstreamStatsResponse {
            backends: narrow(group.backends.len() as u64),
            available: entry::upstream::available(live, &states),
            in_flight: entry::upstream::in_flight(&states),
            totals: Some(backend_totals(&states)),
            windows: windows.iter().map(window).collect(),
            upstream: name,
        }))
    }

    async fn get_backend_stats(
        &self,
        request: Request<v1::GetBackendStatsRequest>,
    ) -> Result<Response<v1::GetBackendStatsResponse>, Status> {
        caller::on(&self.0, &request, &request.get_ref().upstream)?;
        let v1::GetBackendStatsRequest { upstream, backend_id } = request.into_inner();
        let mut violations = Violations::default();
        convert::needed("backend_id", &backend_id, &mut violations);
        violations.check()?;
        let upstream = convert::upstream_name(&upstream).to_owned();
        entry::find(&self.0.view().store, &upstream, &backend_id)?;
        let Some(state) = self.0.live().find_backend(&upstream, &backend_id) else {
            return Err(Status::unavailable("the backend is being removed"));
        };
        let windows = self.0.windows().lock().backend(state.uid);
        Ok(Response::new(v1::GetBackendStatsResponse {
            upstream,
            backend_id,
            in_flight: state.slots.in_flight(),
            admitted: state.total(|cells| cells.admitted.get()),
            finished: state.total(|cells| cells.finished.get()),
            failed: state.total(|cells| cells.failed.get()),
            cancelled: state.total(|cells| cells.cancelled.get()),
            connects: state.total(|cells| cells.connects.get()),
            connect_failures: state.total(|cells| cells.connect_failures.get()),
            reuses: state.total(|cells| cells.reuses.get()),
            totals: Some(backend_totals(std::slice::from_ref(&state))),
            windows: windows.iter().map(window).collect(),
        }))
    }
}

fn window(window: &Window) -> v1::Window {
    let quantile = |quantile| window.duration(quantile).map(entry::duration);
    v1::Window {
        length: Some(entry::duration(window.span.length())),
        requests: window.counts.requests,
        requests_per_second: window.requests_per_second(),
        client_errors: window.counts.classes[3],
        server_errors: window.counts.classes[4],
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
    }
}

fn server_totals(live: &Live) -> v1::Totals {
    let mut classes = [0; 5];
    for route in live.routes() {
        for cells in &route.cells {
            for (sum, class) in classes.iter_mut().zip(&cells.classes) {
                *sum += class.get();
            }
        }
    }
    for (reason, class) in Reason::ALL.iter().map(|reason| (*reason, usize::from(reason.status() / 100))) {
        if let Some(sum) = class.checked_sub(1).and_then(|class| classes.get_mut(class)) {
            *sum += live.workers().iter().map(|cells| cells.unrouted[reason as usize].get()).sum::<u64>();
        }
    }
    let sum = |field: fn(&WorkerCells) -> u64| live.workers().iter().map(|cells| field(cells)).sum();
    totals(classes, sum(|cells| cells.bytes_received.get()), sum(|cells| cells.bytes_sent.get()))
}

fn backend_totals(states: &[BackendRef]) -> v1::Totals {
    let mut classes = [0; 5];
    for (index, sum) in classes.iter_mut().enumerate() {
        *sum = states.iter().map(|state| state.total(|cells| cells.classes[index].get())).sum();
    }
    let received = states.iter().map(|state| state.total(|cells| cells.bytes_received.get())).sum();
    let sent = states.iter().map(|state| state.total(|cells| cells.bytes_sent.get())).sum();
    totals(classes, received, sent)
}

fn totals(classes: [u64; 5], bytes_received: u64, bytes_sent: u64) -> v1::Totals {
    let [status_1xx, status_2xx, status_3xx, status_4xx, status_5xx] = classes;
    v1::Totals { status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, bytes_received, bytes_sent }
}

/// Requests by reason, those that never occurred left out.
fn reasons(live: &Live) -> BTreeMap<String, u64> {
    let routes = live.routes();
    Reason::ALL
        .iter()
        .map(|&reason| {
            let unrouted: u64 = live.workers().iter().map(|cells| cells.unrouted[reason as usize].get()).sum();
            let routed = routes.iter().flat_map(|route| &route.cells).map(|cells| cells.reasons[reason as usize].get());
            (reason.token().to_owned(), unrouted + routed.sum::<u64>())
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
