//! `WatchStats`.

use std::time::{Duration, SystemTime};

use speedmimi_proto::v1;
use speedmimi_proto::v1::stats_service_server::StatsService as _;
use speedmimi_proto::v1::{watch_stats_request as asked, watch_stats_response as told};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::{Request, Status};

use super::{Outlet, Over, STALLED, Stream, place, within};
use crate::admin::caller;
use crate::admin::stats::Stats;
use crate::admin::status::{self, Violations};
use crate::control::{Caller, Control};

/// Between two looks: by default, least, most.
const INTERVAL: [Duration; 3] = [Duration::from_secs(1), Duration::from_millis(100), Duration::from_secs(60)];

/// Begins a watch.
pub(in crate::admin) async fn watch(
    control: &Control,
    by: Caller,
    request: v1::WatchStatsRequest,
) -> Result<Stream<v1::WatchStatsResponse>, Status> {
    let v1::WatchStatsRequest { of, interval } = request;
    let mut violations = Violations::default();
    let [default, least, most] = INTERVAL;
    let every = within("interval", interval, default, least..=most, "100ms..60s", &mut violations);
    violations.check()?;
    let of = of.unwrap_or(asked::Of::Server(v1::GetServerStatsRequest {}));
    // What is not there is said at once.
    look(control, &by, &of).await?;
    let place = place(control, &by)?;
    let watched = control.clone();
    Ok(Stream::run(place, |outlet| async move {
        match follow(&watched, &by, &of, every, &outlet).await {
            Over::Left => None,
            Over::Slow => Some(status::slow_reader("watch again; figures that nobody took are not kept")),
            Over::Gone(status) => Some(status),
        }
    }))
}

/// Figures that the reader has no room for are left out.
async fn follow(
    control: &Control,
    by: &Caller,
    of: &asked::Of,
    every: Duration,
    outlet: &Outlet<v1::WatchStatsResponse>,
) -> Over {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut taken = Instant::now();
    loop {
        tokio::select! {
            () = outlet.left() => return Over::Left,
            _ = ticks.tick() => {}
        }
        let figures = match look(control, by, of).await {
            Ok(figures) => figures,
            Err(status) => return Over::Gone(status),
        };
        match outlet.offer(figures) {
            Ok(true) => taken = Instant::now(),
            Ok(false) if taken.elapsed() > STALLED => return Over::Slow,
            Ok(false) => {}
            Err(over) => return over,
        }
    }
}

async fn look(control: &Control, by: &Caller, of: &asked::Of) -> Result<v1::WatchStatsResponse, Status> {
    let stats = Stats(control.clone());
    let figures = match of {
        asked::Of::Server(_) if by.scope.is_limited() => return Err(caller::limited(by)),
        asked::Of::Server(request) => {
            told::Of::Server(stats.get_server_stats(asking(by, *request)).await?.into_inner())
        }
        asked::Of::Group(request) => {
            told::Of::Group(stats.get_upstream_stats(asking(by, request.clone())).await?.into_inner())
        }
        asked::Of::Backend(request) => {
            told::Of::Backend(stats.get_backend_stats(asking(by, request.clone())).await?.into_inner())
        }
    };
    Ok(v1::WatchStatsResponse {
        revision: control.view().store.revision(),
        instance: control.feed().instance().to_owned(),
        at: Some(SystemTime::now().into()),
        of: Some(figures),
    })
}

/// A request of the one who watches.
fn asking<T>(by: &Caller, request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.extensions_mut().insert(by.clone());
    request
}
